//! What a sample consists of, by the headers of its units. Sound has one unit, which is always a
//! place to start.

use super::{CodecConfig, av1, nal};
use crate::error::{Error, Result};

/// One unit of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnitKind {
    /// A slice or frame from which decoding can start, or a frame of sound.
    KeyPicture,
    /// Another slice or frame.
    Picture,
    /// Must not be in a sample: parameter set or delimiter.
    NotInSample,
    /// Metadata.
    Other,
}

/// The units of a sample; fails when they do not fill it.
pub(crate) fn sample_units(config: &CodecConfig, sample: &[u8]) -> Result<Vec<UnitKind>> {
    match config {
        CodecConfig::Avc { .. } => nal_units(nal::NalCodec::Avc, sample),
        CodecConfig::Hevc { .. } => nal_units(nal::NalCodec::Hevc, sample),
        CodecConfig::Av1 { .. } => av1::unit_kinds(sample),
        CodecConfig::Aac { .. } if sample.starts_with(&[0xff, 0xf1]) => {
            Err(Error::malformed("AAC frame", 0, "has an ADTS header"))
        }
        CodecConfig::Ac3 { .. } if !sample.starts_with(&[0x0b, 0x77]) => {
            Err(Error::malformed("AC-3 frame", 0, "has no sync word"))
        }
        CodecConfig::Aac { .. } | CodecConfig::Ac3 { .. } => Ok(vec![UnitKind::KeyPicture]),
    }
}

fn nal_units(codec: nal::NalCodec, sample: &[u8]) -> Result<Vec<UnitKind>> {
    let mut kinds = Vec::new();
    let mut rest = sample;
    while let Some((length, behind)) = rest.split_first_chunk::<4>() {
        let at = sample.len() - rest.len();
        let unit = behind.split_at_checked(u32::from_be_bytes(*length) as usize);
        let Some((unit, next)) = unit.filter(|(unit, _)| !unit.is_empty()) else {
            return Err(Error::malformed(
                "NAL unit",
                at,
                "its length does not fit the sample",
            ));
        };
        kinds.push(codec.unit_kind(unit));
        rest = next;
    }
    if rest.is_empty() {
        return Ok(kinds);
    }
    Err(Error::truncated("NAL unit", sample.len()))
}
