//! What memory a slot takes for a chunk, estimated from its plan: by this number work is offered to hosts,
//! and the slots of a host share its memory. Nearly all of it are pictures: those that the encoders hold
//! back to look ahead, and those of the source in the decoder and on their way. Measured peaks are in
//! `docs/operating.md`.

use crate::plan::{RenditionGroup, VideoPlan};
use crate::rendition::{EncoderFamily, Rendition};

/// Program, demuxer, blocks of the source and finished segments.
const WORKER_BYTES: u64 = 128 << 20;

/// For each pixel of the source: two dozen pictures in the decoder, the filters and the queues.
const SOURCE_PIXEL_BYTES: u64 = 36;

/// For each pixel of a rendition, as measured with the presets of the built-in profiles.
const fn pixel_bytes(family: EncoderFamily) -> u64 {
    match family {
        EncoderFamily::X264 => 215,
        EncoderFamily::X265 => 200,
        EncoderFamily::Rav1e => 320,
    }
}

/// Width and height.
type Size = (u32, u32);

/// Bytes that a slot takes for a source of this size and such renditions of it.
pub fn slot_bytes(source: Size, renditions: impl Iterator<Item = (Size, EncoderFamily)>) -> u64 {
    let pixels = |(width, height): Size| u64::from(width) * u64::from(height);
    let encoders: u64 = renditions
        .map(|(size, family)| pixels(size) * pixel_bytes(family))
        .sum();
    WORKER_BYTES + pixels(source) * SOURCE_PIXEL_BYTES + encoders
}

/// Bytes that a slot takes for a chunk of this group.
pub fn of_group(video: &VideoPlan, group: &RenditionGroup) -> u64 {
    let size = |bit_depth: u8, (width, height): Size| match bit_depth {
        0..=8 => (width, height),
        // Samples of two bytes: as a picture of twice the width.
        _ => (width.saturating_mul(2), height),
    };
    let is_deep = |one: &Rendition| one.bit_depth > 8;
    let is_mapped = video.filters.tonemap.is_some() || group.renditions.iter().any(is_deep);
    let source = (video.track.width, video.track.height);
    let renditions = group.renditions.iter();
    slot_bytes(
        size(if is_mapped { 10 } else { 8 }, source),
        renditions.map(|one| (size(one.bit_depth, (one.width, one.height)), one.family)),
    )
}
