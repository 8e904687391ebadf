//! Sample entries back into kind and codec configuration. The record must parse, because a manifest
//! is about to repeat what it says.

use super::cursor::Cursor;
use crate::cmaf::write::TrackKind;
use crate::codec_config::CodecConfig;
use crate::error::Result;
use model::hdr::{ContentLight, HdrMetadata, MasteringDisplay};
use model::source::Color;

/// `handler_type` of the track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Handler {
    Video,
    Audio,
}

/// Reads the only entry of `stsd`.
pub(super) fn sample_entry(
    descriptions: &mut Cursor<'_>,
    handler: Handler,
) -> Result<(TrackKind, CodecConfig)> {
    let known: [(&[u8; 4], &[u8; 4], Handler); 5] = [
        (b"avc1", b"avcC", Handler::Video),
        (b"hvc1", b"hvcC", Handler::Video),
        (b"av01", b"av1C", Handler::Video),
        (b"mp4a", b"esds", Handler::Audio),
        (b"ac-3", b"dac3", Handler::Audio),
    ];
    let found = known
        .iter()
        .find(|(kind, _, of)| *of == handler && descriptions.is_next(kind));
    let Some((kind, record_box, _)) = found else {
        return Err(descriptions.problem("no known sample entry for this handler"));
    };
    let mut entry = descriptions.child(kind)?;
    let (kind, config) = match handler {
        Handler::Video => visual(&mut entry, kind, record_box)?,
        Handler::Audio => audio(&mut entry, kind, record_box)?,
    };
    entry.end()?;
    Ok((kind, config))
}

fn from_record(kind: &[u8; 4], record: &[u8], at: &Cursor<'_>) -> Result<CodecConfig> {
    CodecConfig::from_record(&kind.escape_ascii().to_string(), record)
        .map_err(|source| at.problem(source.to_string()))
}

fn visual(
    entry: &mut Cursor<'_>,
    kind: &[u8; 4],
    record_box: &[u8; 4],
) -> Result<(TrackKind, CodecConfig)> {
    entry.zeros(6)?;
    entry.exactly(&[0, 1])?;
    entry.zeros(16)?;
    let (width, height) = (u32::from(entry.u16()?), u32::from(entry.u16()?));
    if width == 0 || height == 0 {
        return Err(entry.problem("width or height is zero"));
    }
    entry.exactly(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1])?;
    entry.zeros(32)?;
    entry.exactly(&[0, 0x18, 0xff, 0xff])?;
    let config = from_record(kind, entry.child(record_box)?.rest(), entry)?;
    let color = color_information(entry.child(b"colr")?)?;
    let hdr = high_dynamic_range(entry)?;
    let mut aspect = entry.child(b"pasp")?;
    aspect.exactly(&[0, 0, 0, 1, 0, 0, 0, 1])?;
    aspect.end()?;
    Ok((
        TrackKind::Video {
            width,
            height,
            color,
            hdr,
        },
        config,
    ))
}

fn high_dynamic_range(entry: &mut Cursor<'_>) -> Result<HdrMetadata> {
    let mut hdr = HdrMetadata::default();
    if entry.is_next(b"mdcv") {
        let mut body = entry.child(b"mdcv")?;
        let mut point = || Ok([body.u16()?, body.u16()?]);
        let (green, blue, red, white) = (point()?, point()?, point()?, point()?);
        hdr.mastering = Some(MasteringDisplay {
            primaries: [red, green, blue],
            white,
            luminance_max: body.u32()?,
            luminance_min: body.u32()?,
        });
        body.end()?;
    }
    if entry.is_next(b"clli") {
        let mut body = entry.child(b"clli")?;
        hdr.light = Some(ContentLight {
            pixel_max: body.u16()?,
            mean_max: body.u16()?,
        });
        body.end()?;
    }
    Ok(hdr)
}

fn color_information(mut body: Cursor<'_>) -> Result<Color> {
    body.exactly(b"nclx")?;
    let mut point = || {
        let value = body.u16()?;
        u8::try_from(value).map_err(|_| body.problem("no such code point"))
    };
    let (primaries, transfer, matrix) = (point()?, point()?, point()?);
    let range = body.u8()?;
    if range & 0x7f != 0 {
        return Err(body.problem("reserved bits are not zero"));
    }
    body.end()?;
    Ok(Color {
        primaries,
        transfer,
        matrix,
        full_range: range != 0,
    })
}

fn audio(
    entry: &mut Cursor<'_>,
    kind: &[u8; 4],
    record_box: &[u8; 4],
) -> Result<(TrackKind, CodecConfig)> {
    entry.zeros(6)?;
    entry.exactly(&[0, 1])?;
    entry.zeros(8)?;
    let channels = u32::from(entry.u16()?);
    entry.exactly(&[0, 16, 0, 0, 0, 0])?;
    let sample_rate = u32::from(entry.u16()?);
    entry.zeros(2)?;
    if channels == 0 || sample_rate == 0 {
        return Err(entry.problem("channels or sample rate are zero"));
    }
    let config = if record_box == b"esds" {
        let mut body = entry.full_with(b"esds", (0, 0))?;
        from_record(kind, elementary_stream(&mut body)?, entry)?
    } else {
        from_record(kind, entry.child(record_box)?.rest(), entry)?
    };
    Ok((
        TrackKind::Audio {
            channels,
            sample_rate,
        },
        config,
    ))
}

/// The `AudioSpecificConfig` inside `ES_Descriptor`.
fn elementary_stream<'a>(body: &mut Cursor<'a>) -> Result<&'a [u8]> {
    let whole = descriptor(body, 3)?;
    if whole != body.remaining() {
        return Err(body.problem("descriptor does not fill the box"));
    }
    body.zeros(3)?;
    let decoder = descriptor(body, 4)?;
    let behind = body.remaining().checked_sub(decoder);
    body.exactly(&[0x40, 0x15])?;
    body.zeros(11)?;
    let specific = descriptor(body, 5)?;
    let config = body.take(specific)?;
    if behind != Some(body.remaining()) {
        return Err(body.problem("descriptors do not nest"));
    }
    body.exactly(&[6, 1, 2])?;
    body.end()?;
    Ok(config)
}

/// The size of a descriptor with this tag.
fn descriptor(body: &mut Cursor<'_>, tag: u8) -> Result<usize> {
    body.exactly(&[tag])?;
    let mut size = 0;
    for _ in 0..4 {
        let byte = body.u8()?;
        size = size << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(size);
        }
    }
    Err(body.problem("descriptor size is longer than four bytes"))
}
