//! Which renditions share a decode. All of a codec do, except that a slow encoder's large pictures go by
//! themselves: then several nodes work on one segment, and the small ones are not held back.

use model::plan::RenditionGroup;
use model::rendition::{EncoderFamily, Rendition};

/// Groups of one codec at most: each decodes the source once more.
const GROUPS_MAX: usize = 3;

/// Smallest picture, in samples, that a decode of its own is worth: 720p.
const ALONE_SAMPLES_MIN: u64 = 1_280 * 720;

/// Splits a group; the smallest renditions come first and keep its name, the others are named after what
/// they hold.
pub(super) fn split(mut group: RenditionGroup, family: EncoderFamily) -> Vec<RenditionGroup> {
    let is_slow = match family {
        EncoderFamily::X264 | EncoderFamily::X265 => false,
        EncoderFamily::Rav1e => true,
    };
    let mut alone = Vec::new();
    while is_slow && alone.len() + 1 < GROUPS_MAX && holds_others_back(&group.renditions) {
        let largest = group.renditions.pop();
        alone.extend(largest.map(|rendition| RenditionGroup {
            name: rendition.id.clone(),
            renditions: vec![rendition],
            ..group.clone()
        }));
    }
    std::iter::once(group)
        .chain(alone.into_iter().rev())
        .collect()
}

/// Whether the largest takes three quarters as long as all others together, or longer: each rung of a usual
/// ladder does.
fn holds_others_back(renditions: &[Rendition]) -> bool {
    let Some((largest, others)) = renditions.split_last() else {
        return false;
    };
    let others: u64 = others.iter().map(samples).sum();
    others > 0 && samples(largest) >= (others / 4 * 3).max(ALONE_SAMPLES_MIN)
}

fn samples(rendition: &Rendition) -> u64 {
    u64::from(rendition.width) * u64::from(rendition.height)
}
