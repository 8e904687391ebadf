//! Times and counts of tracks: what was read of the segments against the plan.

use super::{Files, Read, wrong};
use crate::tasks::claims::PRIMING_MAX;
use crate::tasks::describe;
use model::plan::{AudioOutput, Plan, VideoPlan};
use model::rendition::Rendition;
use model::{Failure, Rational};
use package::cmaf::read::SegmentFacts;
use package::cmaf::write::{TrackInit, TrackKind};
use package::manifest::{INIT_FILE, segment_file};

/// Samples of one codec frame, AAC's or AC-3's, whichever is longer.
const CODEC_FRAME_MAX: i64 = 1536;

/// Checks every track that the plan asks for.
pub(super) fn check(plan: &Plan, files: &Files) -> Result<(), Failure> {
    if let Some(video) = &plan.video {
        for rendition in video.groups.iter().flat_map(|group| &group.renditions) {
            pictures(
                video,
                rendition,
                &track(files, &describe::video_path(rendition))?,
            )?;
        }
    }
    for (audio, output) in plan
        .audio
        .iter()
        .flat_map(|a| a.outputs.iter().map(move |o| (a, o)))
    {
        let track = track(files, &describe::sound_path(output))?;
        sound(plan, output, &track)?;
        if track.init.language != audio.track.language {
            let message = format!("says language {}", track.init.language);
            return Err(wrong(&track.path, message));
        }
    }
    Ok(())
}

/// A track as it was read.
struct Track<'a> {
    path: String,
    init: &'a TrackInit,
    segments: Vec<SegmentFacts>,
}

/// Gathers a track; segments must count from 1 without a gap and follow each other in time.
fn track<'a>(files: &'a Files, path: &str) -> Result<Track<'a>, Failure> {
    let init_path = format!("{path}/{INIT_FILE}");
    let Some(Read::Init(init)) = files.get(&init_path) else {
        return Err(wrong(&init_path, "is missing"));
    };
    let mut segments = Vec::new();
    let mut time = 0;
    loop {
        let name = format!("{path}/{}", segment_file(segments.len() + 1));
        let Some(Read::Segment(facts, _)) = files.get(&name) else {
            break;
        };
        if facts.base_decode_time != time {
            let message = format!(
                "starts at {}, the one before ends at {time}",
                facts.base_decode_time
            );
            return Err(wrong(&name, message));
        }
        let number = segments.len() as u64 + 1;
        if u64::from(facts.sequence_number) != number {
            return Err(wrong(
                &name,
                format!("has sequence number {}", facts.sequence_number),
            ));
        }
        if !facts.first_is_sync {
            return Err(wrong(&name, "does not start with a key picture"));
        }
        time += facts.duration;
        segments.push(*facts);
    }
    let below = format!("{path}/");
    let there = files
        .iter()
        .filter(|(name, read)| name.starts_with(&below) && matches!(read, Read::Segment(..)));
    if there.count() != segments.len() || segments.is_empty() {
        return Err(wrong(
            path,
            format!("has a gap after segment {}", segments.len()),
        ));
    }
    Ok(Track {
        path: path.to_owned(),
        init,
        segments,
    })
}

/// Every planned frame is there, in the planned segment, for the planned time.
fn pictures(video: &VideoPlan, rendition: &Rendition, track: &Track<'_>) -> Result<(), Failure> {
    let grid = &video.grid;
    let (timescale, ticks) = grid.timescale();
    let delay = rendition.codec.composition_delay_frames() * ticks;
    let edit = (delay > 0).then_some(u64::from(delay));
    let planned = TrackKind::Video {
        width: rendition.width,
        height: rendition.height,
        color: rendition.color,
        hdr: rendition.hdr,
    };
    if track.init.kind != planned || track.init.timescale != timescale || track.init.edit != edit {
        return Err(wrong(
            &track.path,
            format!("init segment says {:?}", track.init),
        ));
    }
    if track.segments.len() != grid.segments() as usize {
        let message = format!(
            "has {} segments, planned are {}",
            track.segments.len(),
            grid.segments()
        );
        return Err(wrong(&track.path, message));
    }
    for (index, facts) in (0..grid.segments()).zip(&track.segments) {
        let frames = grid.segment(index);
        let count = frames.end - frames.start;
        let time = |frame: u32| i64::from(frame) * i64::from(ticks) + i64::from(delay);
        let (start, end) = (time(frames.start), time(frames.end));
        let found = (
            facts.samples,
            facts.presentation_start,
            facts.presentation_end,
        );
        if found != (count, start, end) || facts.duration != u64::from(count) * u64::from(ticks) {
            let message = format!(
                "segment {index} has frames, start and end {found:?}, planned are {:?}",
                (count, start, end)
            );
            return Err(wrong(&track.path, message));
        }
    }
    Ok(())
}

/// Sound may be shorter than the title (quality control looks at that), never longer than it by more
/// than the frame that its last samples are in.
fn sound(plan: &Plan, output: &AudioOutput, track: &Track<'_>) -> Result<(), Failure> {
    let planned = TrackKind::Audio {
        channels: output.channels,
        sample_rate: output.sample_rate,
    };
    if track.init.kind != planned || track.init.timescale != output.sample_rate {
        return Err(wrong(
            &track.path,
            format!("init segment says {:?}", track.init),
        ));
    }
    let delay = track.init.edit.unwrap_or(0);
    if delay > u64::from(PRIMING_MAX) {
        let message = format!("skips an encoder delay of {delay} samples");
        return Err(wrong(&track.path, message));
    }
    let ticks: u64 = track.segments.iter().map(|facts| facts.duration).sum();
    let heard = ticks.saturating_sub(delay);
    let heard = i64::try_from(heard).unwrap_or(i64::MAX);
    let rate = Rational::whole(i64::from(output.sample_rate));
    let longest = plan
        .duration
        .checked_mul(rate)
        .map_or(i64::MAX, Rational::ceil);
    if heard > longest.saturating_add(CODEC_FRAME_MAX) {
        let message = format!("lasts {heard} samples, the title {longest}");
        return Err(wrong(&track.path, message));
    }
    Ok(())
}
