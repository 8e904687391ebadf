//! NAL units: from the byte stream of encoders (Annex B) to the length-prefixed samples of ISO
//! files. Parameter sets go into the sample entry only, because `avc1` and `hvc1` forbid them in
//! samples, and the name and options of the encoder go nowhere, because they are not pictures.

use super::units::UnitKind;
use crate::bits::raw_payload;

/// Which NAL unit types apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
}

/// What a NAL unit is, as far as packaging cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NalRole {
    /// Belongs into the sample entry, or nowhere: delimiters and filler (ISO/IEC 14496-15 4.3.3).
    NotInSample,
    Sei,
    Other,
}

impl NalCodec {
    fn role(self, nal: &[u8]) -> NalRole {
        match (self, nal[0] & 0x1f, nal[0] >> 1 & 0x3f) {
            (Self::Avc, 7..=9 | 12 | 13 | 15, _) | (Self::Hevc, _, 32..=35 | 38) => {
                NalRole::NotInSample
            }
            (Self::Avc, 6, _) | (Self::Hevc, _, 39 | 40) => NalRole::Sei,
            _ => NalRole::Other,
        }
    }

    /// What the unit is, by its type (H.264 table 7-1, H.265 table 7-1).
    pub(super) fn unit_kind(self, nal: &[u8]) -> UnitKind {
        if self.role(nal) == NalRole::NotInSample {
            return UnitKind::NotInSample;
        }
        match (self, nal[0] & 0x1f, nal[0] >> 1 & 0x3f) {
            (Self::Avc, 5, _) | (Self::Hevc, _, 16..=23) => UnitKind::KeyPicture,
            (Self::Avc, 1..=4, _) | (Self::Hevc, _, 0..=15 | 24..=31) => UnitKind::Picture,
            _ => UnitKind::Other,
        }
    }

    const fn header_bytes(self) -> usize {
        match self {
            Self::Avc => 1,
            Self::Hevc => 2,
        }
    }
}

/// Identifiers of the user data in which x264 and x265 write their version and options.
const ENCODER_VERSIONS: [[u8; 16]; 2] = [
    *b"\xdc\x45\xe9\xbd\xe6\xd9\x48\xb7\x96\x2c\xd8\x20\xd9\x23\xee\xef",
    *b"\x2c\xa2\xde\x09\xb5\x17\x47\xdb\xbb\x55\xa4\xfe\x7f\xc2\xfc\x4e",
];

/// `user_data_unregistered` (H.274 8.6).
const USER_DATA_UNREGISTERED: usize = 5;

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub(crate) fn split(stream: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            push_unit(&mut units, start.map(|start| &stream[start..at]));
            at += 3;
            start = Some(at);
        } else {
            at += 1;
        }
    }
    push_unit(&mut units, start.map(|start| &stream[start..]));
    units
}

fn push_unit<'a>(units: &mut Vec<&'a [u8]>, unit: Option<&'a [u8]>) {
    let Some(unit) = unit else { return };
    // `trailing_zero_8bits` and the first byte of a four-byte start code; a NAL unit itself never
    // ends in zero (H.264 7.4.1).
    let end = unit
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    if end > 0 {
        units.push(&unit[..end]);
    }
}

/// One access unit from Annex B to the form of samples: four-byte lengths, no parameter sets, access
/// unit delimiters, filler or encoder version. Other SEI stays. Empty when nothing remains.
pub fn annexb_to_length_prefixed(codec: NalCodec, access_unit: &[u8]) -> Vec<u8> {
    let mut sample = Vec::with_capacity(access_unit.len() + 16);
    for nal in split(access_unit) {
        let keep = match codec.role(nal) {
            NalRole::NotInSample => false,
            NalRole::Sei => !is_encoder_version(&raw_payload(nal), codec.header_bytes()),
            NalRole::Other => true,
        };
        if keep {
            sample.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            sample.extend_from_slice(nal);
        }
    }
    sample
}

/// Whether every message of an SEI NAL unit is an encoder's version.
fn is_encoder_version(sei: &[u8], header_bytes: usize) -> bool {
    let mut rest = sei.get(header_bytes..).unwrap_or_default();
    let mut messages = 0;
    // What remains at the end is `rbsp_trailing_bits`: one byte.
    while rest.len() > 1 {
        let Some((kind, after_kind)) = sei_number(rest) else {
            return false;
        };
        let Some((size, payload)) = sei_number(after_kind) else {
            return false;
        };
        let (Some(body), Some(next)) = (payload.get(..size), payload.get(size..)) else {
            return false;
        };
        let identifier = body.get(..16);
        let version = ENCODER_VERSIONS
            .iter()
            .any(|known| identifier == Some(known));
        if kind != USER_DATA_UNREGISTERED || !version {
            return false;
        }
        messages += 1;
        rest = next;
    }
    messages > 0
}

/// A number of an SEI message header (H.264 7.3.2.3.1): bytes of 255 add up.
fn sei_number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let full = bytes.iter().take_while(|&&byte| byte == 255).count();
    let last = *bytes.get(full)?;
    Some((full * 255 + usize::from(last), &bytes[full + 1..]))
}
