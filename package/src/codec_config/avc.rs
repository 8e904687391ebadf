//! `avcC` of H.264 (ISO/IEC 14496-15 5.3.3.1). The record is always rebuilt from the parameter sets,
//! so that Annex B and `avcC` extradata of one encoder give the same bytes.

use super::nal;
use crate::bits::{BitReader, raw_payload};
use crate::error::{Error, Result};

const SEQUENCE_PARAMETER_SET: u8 = 7;
const PICTURE_PARAMETER_SET: u8 = 8;

/// Builds the record.
pub(crate) fn record(extradata: &[u8]) -> Result<Vec<u8>> {
    let units = if extradata.first() == Some(&1) {
        parameter_sets(extradata)?
    } else {
        nal::split(extradata)
    };
    let of_type = |wanted: u8| {
        units
            .iter()
            .copied()
            .filter(move |unit| unit[0] & 0x1f == wanted)
            .collect::<Vec<_>>()
    };
    let (sequences, pictures) = (
        of_type(SEQUENCE_PARAMETER_SET),
        of_type(PICTURE_PARAMETER_SET),
    );
    let Some(first) = sequences.first().filter(|unit| unit.len() >= 4) else {
        return Err(Error::malformed(
            "H.264 extradata",
            0,
            "has no sequence parameter set",
        ));
    };
    if pictures.is_empty() || sequences.len() > 31 || pictures.len() > 255 {
        return Err(Error::malformed(
            "H.264 extradata",
            0,
            "has no or too many parameter sets",
        ));
    }
    let mut record = vec![
        1,
        first[1],
        first[2],
        first[3],
        0xff,
        0xe0 | sequences.len() as u8,
    ];
    append_sets(&mut record, &sequences)?;
    record.push(pictures.len() as u8);
    append_sets(&mut record, &pictures)?;
    if let Some((chroma, luma_depth, chroma_depth)) = sample_format(first)? {
        record.extend([0xfc | chroma, 0xf8 | luma_depth, 0xf8 | chroma_depth, 0]);
    }
    Ok(record)
}

fn append_sets(record: &mut Vec<u8>, sets: &[&[u8]]) -> Result<()> {
    for set in sets {
        let length = u16::try_from(set.len())
            .map_err(|_| Error::malformed("H.264 parameter set", 0, "is over 65535 bytes"))?;
        record.extend(length.to_be_bytes());
        record.extend_from_slice(set);
    }
    Ok(())
}

/// The parameter sets in a record.
fn parameter_sets(record: &[u8]) -> Result<Vec<&[u8]>> {
    let mut units = Vec::new();
    let mut at = 5;
    for mask in [0x1f, 0xff] {
        let count = record.get(at).ok_or_else(|| Error::truncated("avcC", at))? & mask;
        at += 1;
        for _ in 0..count {
            let length = record
                .get(at..at + 2)
                .ok_or_else(|| Error::truncated("avcC", at))?;
            let end = at + 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
            let unit = record
                .get(at + 2..end)
                .ok_or_else(|| Error::truncated("avcC", at))?;
            if unit.is_empty() {
                return Err(Error::malformed("avcC", at, "empty parameter set"));
            }
            units.push(unit);
            at = end;
        }
    }
    Ok(units)
}

/// Chroma format and bit depths less 8, which the record repeats for the high profiles only.
fn sample_format(sequence: &[u8]) -> Result<Option<(u8, u8, u8)>> {
    if !matches!(sequence[1], 100 | 110 | 122 | 144 | 244) {
        return Ok(None);
    }
    let raw = raw_payload(&sequence[4..]);
    let mut reader = BitReader::new("H.264 sequence parameter set", &raw);
    reader.exp_golomb()?;
    let chroma = reader.exp_golomb()?;
    if chroma == 3 {
        reader.skip(1)?;
    }
    let (luma, chroma_depth) = (reader.exp_golomb()?, reader.exp_golomb()?);
    if chroma > 3 || luma > 6 || chroma_depth > 6 {
        return Err(Error::malformed(
            "H.264 sequence parameter set",
            4,
            "impossible sample format",
        ));
    }
    Ok(Some((chroma as u8, luma as u8, chroma_depth as u8)))
}

/// `avc1.PPCCLL` of RFC 6381 3.3.
pub(crate) fn codecs_string(record: &[u8]) -> Result<String> {
    parameter_sets(record)?;
    Ok(format!(
        "avc1.{:02x}{:02x}{:02x}",
        record[1], record[2], record[3]
    ))
}
