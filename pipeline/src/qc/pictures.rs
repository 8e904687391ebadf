//! Rules about pictures: black, frozen, lost. A title that is black from end to end is a finding at
//! any length, and one that stands still from end to end is one from [`FROZEN_SECONDS`] on: the length
//! of the profile's rule is about a part of a title.

use super::Report;
use model::facts::PictureFacts;
use model::grid::OutputGrid;
use model::plan::Plan;
use model::qc::{Action, Check, Lasting};
use std::collections::BTreeMap;

/// A picture is black when so much of it is, in 1/65536: 98 %, as ffmpeg's `blackdetect` has it.
const BLACK_PART: u16 = 64_225;

/// Pictures that differ by no more on average are the same, in 1/256 of a code: -60 dB, as ffmpeg's
/// `freezedetect` has it.
const SAME_DIFFERENCE: u16 = 65;

/// Thumbs of the same picture differ by no more anywhere: their means are rounded.
const SAME_THUMB: u8 = 1;

/// From here on a title that does not move at all is a finding. A title card or a single picture is
/// rightly still and seldom stands for longer.
const FROZEN_SECONDS: f64 = 5.0;

const NO_PICTURES: &str = "no video track";

/// Stretches of black.
pub(super) fn black(plan: &Plan, pictures: &[PictureFacts], report: &mut Report) {
    let Some(video) = &plan.video else {
        return report.not_applicable("black", NO_PICTURES);
    };
    report.ran();
    let is_black = black_frames(pictures);
    let rule = Lasts {
        check: Check::Black,
        rule: plan.profile.qc.black,
        throughout: 0.0,
        what: "black",
    };
    for run in runs(&is_black) {
        rule.add(&video.grid, is_black.len(), run, report);
    }
}

/// Stretches that do not move. Black ones are not counted again.
pub(super) fn freeze(plan: &Plan, pictures: &[PictureFacts], report: &mut Report) {
    let Some(video) = &plan.video else {
        return report.not_applicable("freeze", NO_PICTURES);
    };
    report.ran();
    let mut is_still = still_frames(pictures);
    for (still, black) in is_still.iter_mut().zip(black_frames(pictures)) {
        *still &= !black;
    }
    let rule = Lasts {
        check: Check::Freeze,
        rule: plan.profile.qc.freeze,
        throughout: FROZEN_SECONDS,
        what: "a still picture",
    };
    for (start, end) in runs(&is_still) {
        // The first of equal pictures differs from the one before it.
        let run = (start.saturating_sub(1), end);
        rule.add(&video.grid, is_still.len(), run, report);
    }
}

fn black_frames(pictures: &[PictureFacts]) -> Vec<bool> {
    let frames = pictures.iter().flat_map(|facts| &facts.frames);
    frames.map(|frame| frame.black >= BLACK_PART).collect()
}

/// Whether each frame is the same as the one before it. Across the border of two segments the thumbs
/// decide.
fn still_frames(pictures: &[PictureFacts]) -> Vec<bool> {
    let mut before: Option<&str> = None;
    let mut still = Vec::new();
    for facts in pictures {
        for frame in &facts.frames {
            still.push(match frame.difference {
                Some(difference) => difference <= SAME_DIFFERENCE,
                None => before.is_some_and(|last| is_same_thumb(last, &facts.first_thumb)),
            });
        }
        before = Some(&facts.last_thumb);
    }
    still
}

fn is_same_thumb(one: &str, other: &str) -> bool {
    let (Ok(one), Ok(other)) = (hex::decode(one), hex::decode(other)) else {
        return false;
    };
    !one.is_empty()
        && one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|(a, b)| a.abs_diff(*b) <= SAME_THUMB)
}

/// Start and end of each stretch of `true`.
fn runs(flags: &[bool]) -> Vec<(u32, u32)> {
    let mut found = Vec::new();
    let mut start = None;
    for (index, &flag) in (0_u32..).zip(flags.iter().chain([&false])) {
        match (start, flag) {
            (None, true) => start = Some(index),
            (Some(first), false) => {
                start = None;
                found.push((first, index));
            }
            _ => {}
        }
    }
    found
}

/// A rule about pictures that last.
struct Lasts {
    check: Check,
    rule: Lasting,
    /// From how many seconds on it counts when the whole title is so.
    throughout: f64,
    what: &'static str,
}

impl Lasts {
    /// Notes a run of frames, out of so many that were measured, if it is long enough.
    fn add(&self, grid: &OutputGrid, frames: usize, (start, end): (u32, u32), report: &mut Report) {
        let seconds = grid.time_of(end - start).as_f64();
        let is_whole = (end - start) as usize == frames;
        let least = if is_whole {
            self.rule.seconds.min(self.throughout)
        } else {
            self.rule.seconds
        };
        if seconds < least {
            return;
        }
        let span = (grid.time_of(start), grid.time_of(end));
        let rule = (self.check, self.rule.action);
        if is_whole {
            let what = format!("{} throughout the title", self.what);
            report.span(rule, "video", span, &what);
        } else {
            report.span(rule, "video", span, self.what);
        }
    }
}

/// Planned frames are committed frames, in every rendition; and each was looked at.
pub(super) fn ledger(
    plan: &Plan,
    pictures: &[PictureFacts],
    committed: &BTreeMap<String, u64>,
    report: &mut Report,
) {
    let Some(video) = &plan.video else {
        return report.not_applicable("frame_mismatch", NO_PICTURES);
    };
    report.ran();
    let planned = u64::from(video.grid.frames);
    let mut compare = |track: &str, found: u64, what: &str| {
        if found != planned {
            let message = format!("{found} frames {what}, {planned} are planned");
            // A title that lost frames is never published, whatever the profile says.
            let action = plan.profile.qc.frame_mismatch.max(Action::Flag);
            report.track(Check::FrameMismatch, action, track, message);
        }
    };
    for rendition in video.groups.iter().flat_map(|group| &group.renditions) {
        let found = committed.get(&rendition.id).copied().unwrap_or_default();
        compare(&rendition.id, found, "are committed");
    }
    let seen: usize = pictures.iter().map(|facts| facts.frames.len()).sum();
    compare("video", seen as u64, "were measured");
}

/// A title without pictures.
pub(super) fn missing(plan: &Plan, report: &mut Report) {
    report.ran();
    if plan.video.is_none() {
        let action = plan.profile.qc.missing_video;
        let message = "there is no video track".to_owned();
        report.track(Check::MissingVideo, action, "video", message);
    }
}
