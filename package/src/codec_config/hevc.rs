//! `hvcC` of H.265 (ISO/IEC 14496-15 8.3.3.1). Always rebuilt from the parameter sets. The arrays are
//! marked complete, because an `hvc1` track carries no parameter set in its samples.

use super::nal;
use crate::bits::{BitReader, raw_payload};
use crate::error::{Error, Result};

/// NAL unit types of the arrays, in the order in which they are written.
const PARAMETER_SETS: [u8; 3] = [32, 33, 34];

/// Bytes before the arrays.
const FIXED_BYTES: usize = 23;

/// What the record repeats of the sequence parameter set.
struct Sequence {
    temporal_layers: u8,
    temporal_nesting: bool,
    /// `general_profile_space` to `general_level_idc`, as they are in the stream.
    profile_tier_level: [u8; 12],
    chroma_format: u8,
    luma_depth: u8,
    chroma_depth: u8,
}

const fn unit_type(unit: &[u8]) -> u8 {
    unit[0] >> 1 & 0x3f
}

/// Builds the record.
pub(crate) fn record(extradata: &[u8]) -> Result<Vec<u8>> {
    let annex_b = extradata.starts_with(&[0, 0, 1]) || extradata.starts_with(&[0, 0, 0, 1]);
    let units = if annex_b {
        nal::split(extradata)
    } else {
        parameter_sets(extradata)?
    };
    let missing = || Error::malformed("H.265 extradata", 0, "has no sequence parameter set");
    let first = units
        .iter()
        .find(|unit| unit_type(unit) == 33)
        .ok_or_else(missing)?;
    let sequence = sequence(first)?;
    let mut record = vec![1];
    record.extend(sequence.profile_tier_level);
    record.extend([0xf0, 0, 0xfc, 0xfc | sequence.chroma_format]);
    record.extend([
        0xf8 | sequence.luma_depth,
        0xf8 | sequence.chroma_depth,
        0,
        0,
    ]);
    record.push(sequence.temporal_layers << 3 | u8::from(sequence.temporal_nesting) << 2 | 3);
    record.push(PARAMETER_SETS.len() as u8);
    for wanted in PARAMETER_SETS {
        let sets: Vec<_> = units
            .iter()
            .filter(|unit| unit_type(unit) == wanted)
            .collect();
        if sets.is_empty() || sets.len() > 64 {
            return Err(Error::malformed(
                "H.265 extradata",
                0,
                "lacks a parameter set",
            ));
        }
        record.push(0x80 | wanted);
        record.extend((sets.len() as u16).to_be_bytes());
        for set in sets {
            let length = u16::try_from(set.len())
                .map_err(|_| Error::malformed("H.265 parameter set", 0, "is over 65535 bytes"))?;
            record.extend(length.to_be_bytes());
            record.extend_from_slice(set);
        }
    }
    Ok(record)
}

/// The NAL units in a record.
fn parameter_sets(record: &[u8]) -> Result<Vec<&[u8]>> {
    let take = |at: usize, length: usize| {
        record
            .get(at..at + length)
            .ok_or_else(|| Error::truncated("hvcC", at))
    };
    let number =
        |at: usize| take(at, 2).map(|raw| usize::from(u16::from_be_bytes([raw[0], raw[1]])));
    let mut units = Vec::new();
    let mut at = FIXED_BYTES;
    for _ in 0..take(FIXED_BYTES - 1, 1)?[0] {
        let count = number(at + 1)?;
        at += 3;
        for _ in 0..count {
            let length = number(at)?;
            let unit = take(at + 2, length)?;
            if unit.len() < 2 {
                return Err(Error::malformed("hvcC", at, "empty parameter set"));
            }
            units.push(unit);
            at += 2 + length;
        }
    }
    Ok(units)
}

/// Reads a sequence parameter set (H.265 7.3.2.2.1) up to the bit depths.
fn sequence(unit: &[u8]) -> Result<Sequence> {
    let raw = raw_payload(unit);
    let mut reader = BitReader::new("H.265 sequence parameter set", &raw);
    reader.skip(16 + 4)?;
    let sub_layers = reader.byte(3)?;
    let temporal_nesting = reader.flag()?;
    let mut profile_tier_level = [0; 12];
    for byte in &mut profile_tier_level {
        *byte = reader.byte(8)?;
    }
    skip_sub_layers(&mut reader, sub_layers)?;
    reader.exp_golomb()?;
    let chroma_format = reader.exp_golomb()?;
    if chroma_format == 3 {
        reader.skip(1)?;
    }
    reader.exp_golomb()?;
    reader.exp_golomb()?;
    if reader.flag()? {
        for _ in 0..4 {
            reader.exp_golomb()?;
        }
    }
    let (luma_depth, chroma_depth) = (reader.exp_golomb()?, reader.exp_golomb()?);
    if chroma_format > 3 || luma_depth > 7 || chroma_depth > 7 {
        return Err(Error::malformed(
            "H.265 sequence parameter set",
            0,
            "impossible sample format",
        ));
    }
    Ok(Sequence {
        temporal_layers: sub_layers + 1,
        temporal_nesting,
        profile_tier_level,
        chroma_format: chroma_format as u8,
        luma_depth: luma_depth as u8,
        chroma_depth: chroma_depth as u8,
    })
}

fn skip_sub_layers(reader: &mut BitReader<'_>, count: u8) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let mut bits = 0;
    for _ in 0..count {
        bits += if reader.flag()? { 88 } else { 0 };
        bits += if reader.flag()? { 8 } else { 0 };
    }
    reader.skip(2 * usize::from(8 - count) + bits)
}

/// `hvc1.…` of ISO/IEC 14496-15 E.3: the compatibility flags are written in reverse bit order.
pub(crate) fn codecs_string(record: &[u8]) -> Result<String> {
    parameter_sets(record)?;
    let space = ["", "A", "B", "C"][usize::from(record[1] >> 6)];
    let tier = if record[1] & 0x20 == 0 { 'L' } else { 'H' };
    let flags = u32::from_be_bytes([record[2], record[3], record[4], record[5]]).reverse_bits();
    let mut text = format!(
        "hvc1.{space}{}.{flags:X}.{tier}{}",
        record[1] & 0x1f,
        record[12]
    );
    let constraints = &record[6..12];
    let used = constraints
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        text.push_str(&format!(".{byte:X}"));
    }
    Ok(text)
}
