//! The planner: from a ticket and what the probe found to everything that decides the output bytes.
//! A pure function, run once for each job; its result is written to storage and never made anew.

mod audio;
mod chunks;
mod color;
mod encoders;
mod groups;
mod ladder;
mod text;
mod timing;
mod video;

pub use audio::audio_borders;
pub use text::{left_out, sidecar_codec};
pub use timing::{Timing, timing};

use model::plan::{BuildIds, Plan, Ticket};
use model::source::SourceInfo;
use model::{Failure, FailureKind, Rational};

/// Longest title. Two days: above any programme, and below where frame numbers or a frame map made
/// from a broken time stamp would fill memory.
pub(crate) const DURATION_MAX: Rational = Rational::whole(48 * 3600);

/// Plans a job. `slots` is how many chunks the farm can run at a time, at least 1.
///
/// # Errors
/// `bad_input` when the source holds nothing that can be shown or heard, `unsupported` when it is
/// valid and this farm cannot do it.
pub fn plan(
    ticket: &Ticket,
    source: &SourceInfo,
    builds: &BuildIds,
    slots: u32,
) -> Result<Plan, Failure> {
    let profile = &ticket.profile;
    if source.video.is_none() && source.audio.is_empty() {
        return Err(failure(
            FailureKind::BadInput,
            "the source has neither pictures nor sound",
        ));
    }
    let video = match &source.video {
        Some(track) => Some(video::plan(track, profile, builds, slots)?),
        None => None,
    };
    let zero = audio::zero(source);
    let duration = match &video {
        Some(video) => video.grid.duration(),
        None => audio::longest(source, zero)?,
    };
    if duration > DURATION_MAX {
        let reason = format!(
            "the title lasts {} s; at most {DURATION_MAX} s",
            duration.as_f64()
        );
        return Err(failure(FailureKind::Unsupported, &reason));
    }
    let tile_frames = video.as_ref().map_or(1, |video| {
        let tile = profile
            .images
            .tile_seconds
            .checked_mul(video.grid.frame_rate);
        tile.map_or(1, Rational::round)
            .clamp(1, i64::from(u32::MAX)) as u32
    });
    Ok(Plan {
        job: ticket.job.clone(),
        tenant: ticket.tenant.clone(),
        title: ticket.title.clone(),
        source_url: ticket.source_url.clone(),
        source_sha256: source.sha256.clone(),
        source_size_bytes: source.size_bytes,
        profile: profile.clone(),
        builds: builds.clone(),
        audio: audio::plan(source, &profile.audio, zero),
        text: text::plan(source, &ticket.sidecars, zero),
        tile_frames,
        duration,
        audio_borders: audio_borders(
            video.as_ref().map(|video| &video.grid),
            profile.segment_seconds,
            duration,
        ),
        video,
    })
}

fn failure(kind: FailureKind, message: &str) -> Failure {
    Failure::new(kind, "plan", message)
}

#[cfg(test)]
mod tests;
