//! What memory a chunk takes in its slot, estimated from its plan. Nearly all of it are pictures: those
//! that the encoders hold back to look ahead, and those of the source in the decoder and on their way.

use crate::agent::{Attempt, NoShare, Share, Stop};
use model::plan::{RenditionGroup, VideoPlan};
use model::rendition::EncoderFamily;
use model::{Failure, FailureKind};

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
pub(crate) fn estimate(
    source: Size,
    renditions: impl Iterator<Item = (Size, EncoderFamily)>,
) -> u64 {
    let pixels = |(width, height): Size| u64::from(width) * u64::from(height);
    let encoders: u64 = renditions
        .map(|(size, family)| pixels(size) * pixel_bytes(family))
        .sum();
    WORKER_BYTES + pixels(source) * SOURCE_PIXEL_BYTES + encoders
}

/// Takes the memory for a rendition group, or says why there is none.
pub(super) fn share(
    attempt: &Attempt,
    video: &VideoPlan,
    group: &RenditionGroup,
) -> Result<Share, Stop> {
    let source = (video.track.width, video.track.height);
    let renditions = group.renditions.iter();
    let sized = renditions.map(|one| ((one.width, one.height), one.family));
    let bytes = estimate(source, sized);
    attempt.memory.share(bytes).map_err(|why| match why {
        NoShare::Now => Stop::Crowded(bytes),
        NoShare::Never { bytes: host } => {
            let message = format!(
                "encoding this takes {} of memory in a slot, and this node has {}",
                mebibytes(bytes),
                mebibytes(host)
            );
            Failure::new(
                FailureKind::Exhausted,
                attempt.task().name.as_str(),
                message,
            )
            .into()
        }
    })
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes >> 20)
}
