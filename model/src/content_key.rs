//! Content keys: under which key a piece of output is found again. A key is a hash of everything
//! that decides the bytes, so equal keys mean equal bytes and a repeated job encodes nothing.

use crate::plan::{AudioOutput, AudioPlan, Filters, Plan, RenditionGroup, TextPlan, VideoPlan};
use crate::rendition::Rendition;
use crate::source::Color;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Raised whenever the code changes bytes that no build id covers: filters, muxing, rate control.
pub const PIPELINE_REVISION: u32 = 5;

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

/// The source frames that a segment's encoder is shown past the segment's end.
fn seen_after(video: &VideoPlan, group: &RenditionGroup, segment: u32) -> Vec<u32> {
    let after = video.grid.after(segment, group.lookahead_frames);
    video.map.sources(after)
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
        (group.keyframe_frames, seen_after(video, group, segment)),
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

/// Key of a text track. `sidecar_sha256` is the hash of a text file beside the source. The index is
/// in it because the facts carry the id that follows from it.
pub fn of_text(plan: &Plan, text: &TextPlan, sidecar_sha256: Option<&str>) -> String {
    hash(&(
        common(plan, "text"),
        (text.index, &text.track, text.zero),
        (sidecar_sha256, plan.duration),
    ))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::BuildIds;
    use crate::profile::Profile;
    use crate::source::{TextOrigin, TextTrack};
    use crate::{JobId, Rational, TenantId, TitleId};

    fn plan(duration: Rational) -> Plan {
        Plan {
            job: JobId::new("job").unwrap(),
            tenant: TenantId::new("tenant").unwrap(),
            title: TitleId::new("title").unwrap(),
            source_url: "file:///nowhere".to_owned(),
            source_sha256: "0".repeat(64),
            source_size_bytes: 1,
            profile: Profile::built_in("preview").unwrap(),
            builds: BuildIds::new(),
            video: None,
            audio: Vec::new(),
            text: Vec::new(),
            tile_frames: 50,
            duration,
            audio_borders: Vec::new(),
        }
    }

    fn text(index: u32) -> TextPlan {
        TextPlan {
            index,
            track: TextTrack {
                origin: TextOrigin::Stream(2),
                codec: "mov_text".to_owned(),
                language: "en".to_owned(),
                title: String::new(),
                forced: false,
                hearing_impaired: false,
            },
            zero: Rational::ZERO,
        }
    }

    #[test]
    fn text_of_another_index_or_duration_has_another_key() {
        let key = of_text(&plan(Rational::ONE), &text(0), None);
        assert_eq!(key, of_text(&plan(Rational::ONE), &text(0), None));
        assert_ne!(key, of_text(&plan(Rational::ONE), &text(1), None));
        assert_ne!(key, of_text(&plan(Rational::whole(2)), &text(0), None));
    }
}
