//! Content keys: under which key a piece of output is found again. A key is a hash of everything
//! that decides the bytes, so equal keys mean equal bytes and a repeated job encodes nothing.

use crate::plan::{AudioOutput, AudioPlan, Filters, Plan, RenditionGroup, TextPlan, VideoPlan};
use crate::rendition::Rendition;
use crate::source::Color;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Raised whenever the code changes bytes that no build id covers: filters, muxing, rate control.
pub const PIPELINE_REVISION: u32 = 2;

#[derive(Serialize)]
struct Common<'a> {
    revision: u32,
    kind: &'static str,
    tenant: &'a str,
    source: &'a str,
    builds: &'a crate::plan::BuildIds,
}

#[derive(Serialize)]
struct Pictures<'a> {
    frames: Vec<u32>,
    filters: &'a Filters,
    color: &'a Color,
    sample_aspect: crate::Rational,
}

fn hash(parts: &impl Serialize) -> String {
    let text = serde_json::to_vec(parts).expect("plan types have string keys only");
    hex::encode(Sha256::digest(&text))
}

fn common<'a>(plan: &'a Plan, kind: &'static str) -> Common<'a> {
    Common {
        revision: PIPELINE_REVISION,
        kind,
        tenant: plan.tenant.as_str(),
        source: &plan.source_sha256,
        builds: &plan.builds,
    }
}

fn pictures(video: &VideoPlan, segment: u32) -> Pictures<'_> {
    Pictures {
        frames: video.map.sources(video.grid.segment(segment)),
        filters: &video.filters,
        color: &video.track.color,
        sample_aspect: video.track.sample_aspect,
    }
}

/// Key of one segment of one rendition.
pub fn of_segment(
    plan: &Plan,
    video: &VideoPlan,
    group: &RenditionGroup,
    rendition: &Rendition,
    segment: u32,
) -> String {
    let (timescale, ticks) = video.grid.timescale();
    let base = u64::from(video.grid.segment(segment).start) * u64::from(ticks);
    hash(&(
        common(plan, "segment"),
        pictures(video, segment),
        rendition,
        group.keyframe_frames,
        (timescale, base, segment + 1),
    ))
}

/// Key of the picture facts and sprite tiles of one segment.
pub fn of_pictures(plan: &Plan, video: &VideoPlan, segment: u32) -> String {
    let first_frame = video.grid.segment(segment).start;
    hash(&(
        common(plan, "pictures"),
        pictures(video, segment),
        first_frame,
        plan.tile_frames,
    ))
}

/// Key of one output of a sound track.
pub fn of_audio(plan: &Plan, audio: &AudioPlan, output: &AudioOutput) -> String {
    let profile = &plan.profile.audio;
    hash(&(
        common(plan, "audio"),
        (&audio.track, audio.zero, output),
        (profile.loudness_centi_lufs, profile.true_peak_centi_dbtp),
        (&plan.audio_borders, plan.video.is_some(), plan.duration),
    ))
}

/// Key of a text track. `sidecar_sha256` is the hash of a text file beside the source.
pub fn of_text(plan: &Plan, text: &TextPlan, sidecar_sha256: Option<&str>) -> String {
    hash(&(common(plan, "text"), &text.track, text.zero, sidecar_sha256))
}

/// Key of the sprites and the poster.
pub fn of_images(plan: &Plan, video: &VideoPlan) -> String {
    let all = video.map.sources(0..video.grid.frames);
    hash(&(
        common(plan, "images"),
        &plan.profile.images,
        plan.tile_frames,
        &video.filters,
        all,
    ))
}
