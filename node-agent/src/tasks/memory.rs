//! A chunk's part of this host's memory.

use crate::agent::{Attempt, NoShare, Share, Stop};
use model::plan::{RenditionGroup, VideoPlan};
use model::{Failure, FailureKind};

/// Takes the memory for a rendition group, or says why there is none.
pub(super) fn share(
    attempt: &Attempt,
    video: &VideoPlan,
    group: &RenditionGroup,
) -> Result<Share, Stop> {
    let bytes = model::memory::of_group(video, group);
    attempt.memory.share(bytes).map_err(|why| match why {
        NoShare::Now => Stop::Crowded,
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
