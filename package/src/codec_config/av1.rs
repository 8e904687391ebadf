//! `av1C` of AV1 (AV1 Codec ISO Media File Format Binding 2.3). The whole record is computed from the
//! sequence header OBU: what encoders hand out as a ready record may be its four fixed bytes only.

use super::units::UnitKind;
use crate::bits::BitReader;
use crate::error::{Error, Result};

const SEQUENCE_HEADER: u8 = 1;
const TEMPORAL_DELIMITER: u8 = 2;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// One open bitstream unit.
struct Obu<'a> {
    kind: u8,
    /// Header, size and payload.
    whole: &'a [u8],
    payload: &'a [u8],
}

/// The fields of a sequence header (AV1 5.5) that are said again outside the bitstream.
struct Sequence {
    profile: u8,
    level: u8,
    tier: u8,
    color: ColorConfig,
}

/// `color_config` (AV1 5.5.2).
struct ColorConfig {
    high_bitdepth: bool,
    twelve_bit: bool,
    monochrome: bool,
    primaries: u8,
    transfer: u8,
    matrix: u8,
    full_range: bool,
    subsampling: (bool, bool),
    sample_position: u8,
}

/// `leb128()` (AV1 4.10.5): the value and how many bytes it took.
fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0_u64;
    for (index, &byte) in bytes.iter().take(8).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((usize::try_from(value).ok()?, index + 1));
        }
    }
    None
}

/// Splits a temporal unit in the low-overhead format.
fn obus(bytes: &[u8]) -> Result<Vec<Obu<'_>>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&header) = bytes.get(at) {
        if header & 0x80 != 0 {
            return Err(Error::malformed("AV1 OBU", at, "forbidden bit is set"));
        }
        let header_end = at + 1 + usize::from(header >> 2 & 1);
        let (start, end) = if header & 2 == 0 {
            // Without a size the unit reaches to the end.
            (header_end, bytes.len())
        } else {
            let (size, length) = leb128(bytes.get(header_end..).unwrap_or_default())
                .ok_or_else(|| Error::truncated("AV1 OBU", at))?;
            (
                header_end + length,
                (header_end + length).saturating_add(size),
            )
        };
        let (Some(whole), Some(payload)) = (bytes.get(at..end), bytes.get(start..end)) else {
            return Err(Error::truncated("AV1 OBU", at));
        };
        found.push(Obu {
            kind: header >> 3 & 15,
            whole,
            payload,
        });
        at = end;
    }
    Ok(found)
}

/// Builds the record from OBUs that hold a sequence header.
pub(crate) fn record(bytes: &[u8]) -> Result<Vec<u8>> {
    let units = obus(bytes)?;
    let header = units
        .iter()
        .find(|unit| unit.kind == SEQUENCE_HEADER)
        .ok_or_else(|| Error::malformed("AV1 packet", 0, "has no sequence header"))?;
    let sequence = Sequence::read(header.payload)?;
    let color = &sequence.color;
    let mut record = vec![
        0x81,
        sequence.profile << 5 | sequence.level,
        sequence.tier << 7
            | u8::from(color.high_bitdepth) << 6
            | u8::from(color.twelve_bit) << 5
            | u8::from(color.monochrome) << 4
            | u8::from(color.subsampling.0) << 3
            | u8::from(color.subsampling.1) << 2
            | color.sample_position,
        0,
    ];
    // `configOBUs` shall have `obu_has_size_field` set.
    record.push(SEQUENCE_HEADER << 3 | 2);
    record.extend(encode_leb128(header.payload.len()));
    record.extend_from_slice(header.payload);
    Ok(record)
}

fn encode_leb128(mut value: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// Removes temporal delimiters, which samples must not have (binding 2.4). Fails on broken OBUs.
pub fn strip_temporal_delimiters(temporal_unit: &[u8]) -> Result<Vec<u8>> {
    let mut sample = Vec::with_capacity(temporal_unit.len());
    for unit in obus(temporal_unit)? {
        if unit.kind != TEMPORAL_DELIMITER {
            sample.extend_from_slice(unit.whole);
        }
    }
    Ok(sample)
}

/// What the units of a sample are. A shown key frame has neither `show_existing_frame` nor a
/// `frame_type` in its first bits (AV1 5.9.2), but `show_frame`.
pub(super) fn unit_kinds(sample: &[u8]) -> Result<Vec<UnitKind>> {
    let kind = |unit: &Obu<'_>| match (unit.kind, unit.payload.first()) {
        (TEMPORAL_DELIMITER, _) => UnitKind::NotInSample,
        (FRAME | FRAME_HEADER, Some(first)) if first >> 4 == 1 => UnitKind::KeyPicture,
        (FRAME | FRAME_HEADER, _) => UnitKind::Picture,
        _ => UnitKind::Other,
    };
    Ok(obus(sample)?.iter().map(kind).collect())
}

/// `av01.P.LLT.DD`, with the colour part only where it is not the default of the binding, clause 5.
pub(crate) fn codecs_string(record: &[u8]) -> Result<String> {
    if record.len() < 4 || record[0] != 0x81 {
        return Err(Error::malformed("av1C", 0, "has no version 1 header"));
    }
    let header = obus(&record[4..])?
        .into_iter()
        .find(|unit| unit.kind == SEQUENCE_HEADER)
        .ok_or_else(|| Error::malformed("av1C", 4, "has no sequence header"))?;
    let sequence = Sequence::read(header.payload)?;
    let color = &sequence.color;
    let depth = match (color.high_bitdepth, color.twelve_bit) {
        (false, _) => 8,
        (true, false) => 10,
        (true, true) => 12,
    };
    let tier = if sequence.tier == 0 { 'M' } else { 'H' };
    let mut text = format!(
        "av01.{}.{:02}{tier}.{depth:02}",
        sequence.profile, sequence.level
    );
    let points = (color.primaries, color.transfer, color.matrix);
    let usual_points = points == (1, 1, 1) || points == (2, 2, 2);
    let usual = usual_points && !color.full_range && !color.monochrome;
    if !usual || color.subsampling != (true, true) {
        text.push_str(&format!(
            ".{}.{}{}{}.{:02}.{:02}.{:02}.{}",
            u8::from(color.monochrome),
            u8::from(color.subsampling.0),
            u8::from(color.subsampling.1),
            if color.subsampling == (true, true) {
                color.sample_position
            } else {
                0
            },
            color.primaries,
            color.transfer,
            color.matrix,
            u8::from(color.full_range),
        ));
    }
    Ok(text)
}

impl Sequence {
    fn read(payload: &[u8]) -> Result<Self> {
        let mut reader = BitReader::new("AV1 sequence header", payload);
        let profile = reader.byte(3)?;
        if profile > 2 {
            return Err(Error::malformed(
                "AV1 sequence header",
                0,
                "reserved profile",
            ));
        }
        reader.skip(1)?;
        let reduced = reader.flag()?;
        let (level, tier) = if reduced {
            (reader.byte(5)?, 0)
        } else {
            read_operating_points(&mut reader)?
        };
        skip_tools(&mut reader, reduced)?;
        Ok(Self {
            profile,
            level,
            tier,
            color: ColorConfig::read(&mut reader, profile)?,
        })
    }
}

/// Timing and operating points; gives level and tier of the first point.
fn read_operating_points(reader: &mut BitReader<'_>) -> Result<(u8, u8)> {
    let mut delay_bits = None;
    if reader.flag()? {
        reader.skip(64)?;
        if reader.flag()? {
            reader.exp_golomb()?;
        }
        if reader.flag()? {
            delay_bits = Some(reader.bits(5)? as usize + 1);
            reader.skip(32 + 5 + 5)?;
        }
    }
    let display_delay = reader.flag()?;
    let mut first = None;
    for _ in 0..=reader.bits(5)? {
        reader.skip(12)?;
        let level = reader.byte(5)?;
        let tier = if level > 7 { reader.byte(1)? } else { 0 };
        first.get_or_insert((level, tier));
        if let Some(bits) = delay_bits
            && reader.flag()?
        {
            reader.skip(2 * bits + 1)?;
        }
        if display_delay && reader.flag()? {
            reader.skip(4)?;
        }
    }
    first.ok_or_else(|| Error::malformed("AV1 sequence header", 0, "has no operating point"))
}

/// Passes over picture size and coding tools.
fn skip_tools(reader: &mut BitReader<'_>, reduced: bool) -> Result<()> {
    let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
    reader.skip((width_bits + height_bits) as usize)?;
    if !reduced && reader.flag()? {
        reader.skip(4 + 3)?;
    }
    reader.skip(3)?;
    if !reduced {
        reader.skip(4)?;
        let order_hint = reader.flag()?;
        reader.skip(if order_hint { 2 } else { 0 })?;
        let choose_screen_content = reader.flag()?;
        let screen_content = choose_screen_content || reader.flag()?;
        if screen_content && !reader.flag()? {
            reader.skip(1)?;
        }
        reader.skip(if order_hint { 3 } else { 0 })?;
    }
    reader.skip(3)
}

impl ColorConfig {
    fn read(reader: &mut BitReader<'_>, profile: u8) -> Result<Self> {
        let high_bitdepth = reader.flag()?;
        let twelve_bit = profile == 2 && high_bitdepth && reader.flag()?;
        let monochrome = profile != 1 && reader.flag()?;
        let (primaries, transfer, matrix) = if reader.flag()? {
            (reader.byte(8)?, reader.byte(8)?, reader.byte(8)?)
        } else {
            (2, 2, 2)
        };
        let mut color = Self {
            high_bitdepth,
            twelve_bit,
            monochrome,
            primaries,
            transfer,
            matrix,
            full_range: true,
            subsampling: (false, false),
            sample_position: 0,
        };
        let srgb = (primaries, transfer, matrix) == (1, 13, 0);
        if srgb && !monochrome {
            return Ok(color);
        }
        color.full_range = reader.flag()?;
        color.subsampling = match (profile, monochrome) {
            (0, _) | (_, true) => (true, true),
            (1, _) => (false, false),
            _ if twelve_bit => {
                let horizontal = reader.flag()?;
                (horizontal, horizontal && reader.flag()?)
            }
            _ => (true, false),
        };
        if !monochrome && color.subsampling == (true, true) {
            color.sample_position = reader.byte(2)?;
        }
        Ok(color)
    }
}
