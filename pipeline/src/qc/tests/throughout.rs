//! Titles that are black, still or silent from end to end, shorter than the rules about a part of one.

use super::{audio, audio_plan, checks, pictures, plan, verdict};
use crate::qc::evaluate;
use model::Rational;
use model::facts::{AudioFacts, FrameFacts, PictureFacts};
use model::plan::Plan;
use model::qc::{Action, Check, Verdict};
use std::collections::BTreeMap;

/// The verdict over the first so many frames.
fn short(frames: u32, change: impl Fn(u32, &mut FrameFacts), audio: &[AudioFacts]) -> Verdict {
    let mut plan = plan();
    if let Some(video) = &mut plan.video {
        video.grid.frames = frames;
    }
    plan.duration = Rational::new(i64::from(frames), 25).unwrap();
    plan.audio[0].track.duration = plan.duration;
    let mut pictures = pictures(change);
    let mut left = frames as usize;
    for facts in &mut pictures {
        facts.frames.truncate(left);
        left -= facts.frames.len();
    }
    pictures.retain(|facts: &PictureFacts| !facts.frames.is_empty());
    let committed = BTreeMap::from([("h264-90p".to_owned(), u64::from(frames))]);
    evaluate(&plan, &pictures, &committed, audio)
}

/// Sound as long as so many frames.
fn sound(frames: u32) -> AudioFacts {
    AudioFacts {
        samples: u64::from(frames) * 48_000 / 25,
        silences: Vec::new(),
        ..audio()
    }
}

fn silent(mut facts: AudioFacts) -> AudioFacts {
    facts.source.true_peak_centi_dbtp = None;
    facts.source.integrated_centi_lufs = None;
    facts.output.integrated_centi_lufs = None;
    facts
}

fn black(_: u32, frame: &mut FrameFacts) {
    frame.black = u16::MAX;
    frame.difference = frame.difference.map(|_| 0);
}

fn still(_: u32, frame: &mut FrameFacts) {
    frame.difference = frame.difference.map(|_| 0);
}

#[test]
fn a_title_that_is_black_throughout_is_flagged_at_any_length() {
    for frames in [1, 50, 150] {
        let verdict = short(frames, black, &[sound(frames)]);
        assert_eq!(checks(&verdict), [Check::Black], "{frames} frames");
        assert_eq!(verdict.action, Action::Flag);
        let message = &verdict.findings[0].message;
        assert!(
            message.starts_with("black throughout the title for"),
            "{message}"
        );
    }
    let all_but_one = |index: u32, frame: &mut FrameFacts| {
        if index != 20 {
            black(index, frame);
        }
    };
    assert_eq!(checks(&short(50, all_but_one, &[sound(50)])), []);
}

#[test]
fn a_title_that_stands_still_throughout_is_flagged_from_five_seconds_on() {
    for (frames, expected) in [
        (1, false),
        (50, false),
        (124, false),
        (125, true),
        (200, true),
    ] {
        let verdict = short(frames, still, &[sound(frames)]);
        let found = checks(&verdict) == [Check::Freeze];
        assert_eq!(found, expected, "{frames} frames: {:?}", verdict.findings);
    }
    let flagged = short(125, still, &[sound(125)]);
    let message = &flagged.findings[0].message;
    assert!(
        message.starts_with("a still picture throughout the title for 5.00 s"),
        "{message}"
    );
    let moves_once = |index: u32, frame: &mut FrameFacts| {
        if index != 20 {
            still(index, frame);
        }
    };
    assert_eq!(checks(&short(150, moves_once, &[sound(150)])), []);
}

#[test]
fn a_track_that_is_silent_throughout_is_flagged_at_any_length() {
    for frames in [5, 50] {
        let verdict = short(frames, |_, _| {}, &[silent(sound(frames))]);
        assert_eq!(checks(&verdict), [Check::Silence], "{frames} frames");
        assert_eq!(verdict.action, Action::Flag);
        let message = &verdict.findings[0].message;
        assert!(
            message.starts_with("silence throughout the track for"),
            "{message}"
        );
    }
    // Below -60 dB is silence; a listed silence from end to end is one too, whatever its peaks between
    // the samples are.
    let mut faint = sound(50);
    faint.source.true_peak_centi_dbtp = Some(-6001);
    assert_eq!(checks(&short(50, |_, _| {}, &[faint])), [Check::Silence]);
    let mut listed = sound(50);
    listed.silences = vec![(0, listed.samples)];
    assert_eq!(checks(&short(50, |_, _| {}, &[listed])), [Check::Silence]);
    let mut begins_late = sound(50);
    begins_late.silences = vec![(0, 48_000)];
    assert_eq!(checks(&short(50, |_, _| {}, &[begins_late])), []);
}

#[test]
fn a_silent_track_is_named_and_its_neighbour_is_not() {
    let mut two: Plan = plan();
    let mut second = audio_plan();
    second.index = 1;
    second.outputs[0].id = "audio-1-aac2".to_owned();
    two.audio.push(second);
    let mut other = silent(audio());
    other.id = "audio-1-aac2".to_owned();
    let verdict = verdict(&two, &pictures(|_, _| {}), &[audio(), other]);
    assert_eq!(checks(&verdict), [Check::Silence]);
    assert_eq!(verdict.findings[0].track, "audio-1");
}

#[test]
fn what_a_profile_only_notes_is_only_noted_throughout_a_title() {
    let mut lax = plan();
    lax.profile.qc.black.action = Action::Pass;
    let verdict = verdict(&lax, &pictures(black), &[audio()]);
    assert_eq!(
        (checks(&verdict), verdict.action),
        (vec![Check::Black], Action::Pass)
    );
}
