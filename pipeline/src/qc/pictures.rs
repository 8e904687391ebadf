//! Rules about pictures: black, frozen, lost.

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

const NO_PICTURES: &str = "no video track";

/// Stretches of black.
pub(super) fn black(plan: &Plan, pictures: &[PictureFacts], report: &mut Report) {
    let Some(video) = &plan.video else {
        return report.not_applicable("black", NO_PICTURES);
    };
    report.ran();
    let is_black = black_frames(pictures);
    for (start, end) in runs(&is_black) {
        let rule = (Check::Black, plan.profile.qc.black);
        add_run(&video.grid, rule, (start, end), "black", report);
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
    for (start, end) in runs(&is_still) {
        let rule = (Check::Freeze, plan.profile.qc.freeze);
        // The first of equal pictures differs from the one before it.
        add_run(
            &video.grid,
            rule,
            (start.saturating_sub(1), end),
            "a still picture",
            report,
        );
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

fn add_run(
    grid: &OutputGrid,
    (check, rule): (Check, Lasting),
    (start, end): (u32, u32),
    what: &str,
    report: &mut Report,
) {
    let span = (grid.time_of(start), grid.time_of(end));
    if grid.time_of(end - start).as_f64() >= rule.seconds {
        report.span((check, rule.action), "video", span, what);
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
