//! Rules about sound: silent, clipped, off target, of another length, missing. A track is judged by
//! its first output; the others are the same sound. A track that is silent from end to end is a finding
//! at any length: the length of the profile's rule is about a part of a track.

use super::Report;
use model::Rational;
use model::facts::AudioFacts;
use model::plan::{AudioPlan, Plan};
use model::qc::{Action, Check};

const NO_SOUND: &str = "no audio track";

/// The tracks of the plan with the facts of their first output.
fn tracks<'a>(
    plan: &'a Plan,
    audio: &'a [AudioFacts],
) -> impl Iterator<Item = (&'a AudioPlan, &'a AudioFacts)> {
    plan.audio.iter().filter_map(|track| {
        let first = track.outputs.first()?;
        Some((track, audio.iter().find(|facts| facts.id == first.id)?))
    })
}

fn name(track: &AudioPlan) -> String {
    format!("audio-{}", track.index)
}

fn seconds(samples: u64, rate: u32) -> Rational {
    let samples = i64::try_from(samples).unwrap_or(i64::MAX);
    Rational::new(samples, i64::from(rate)).unwrap_or(Rational::ZERO)
}

/// Sample peaks below this are silence, in hundredths of dBTP: -60 dB, as the meter has it.
const SILENT_CENTI_DBTP: i32 = -6000;

/// Long silences, and tracks of nothing else.
pub(super) fn silence(plan: &Plan, audio: &[AudioFacts], report: &mut Report) {
    if plan.audio.is_empty() {
        return report.not_applicable("silence", NO_SOUND);
    }
    report.ran();
    let rule = plan.profile.qc.silence;
    for (track, facts) in tracks(plan, audio) {
        let rate = facts.sample_rate;
        if is_silent_throughout(facts) {
            let span = (Rational::ZERO, seconds(facts.samples, rate));
            let what = "silence throughout the track";
            report.span((Check::Silence, rule.action), &name(track), span, what);
            continue;
        }
        for &(start, end) in &facts.silences {
            if seconds(end.saturating_sub(start), rate).as_f64() >= rule.seconds {
                let span = (seconds(start, rate), seconds(end, rate));
                report.span((Check::Silence, rule.action), &name(track), span, "silence");
            }
        }
    }
}

/// Whether nothing is heard at all. Silences shorter than half a second are not listed, so that the peak
/// decides about a short track.
fn is_silent_throughout(facts: &AudioFacts) -> bool {
    let peak = facts.source.true_peak_centi_dbtp;
    let is_listed = matches!(facts.silences[..], [(0, end)] if end >= facts.samples);
    facts.samples > 0 && (is_listed || peak.is_none_or(|peak| peak <= SILENT_CENTI_DBTP))
}

/// Source samples at full scale.
pub(super) fn clipping(plan: &Plan, audio: &[AudioFacts], report: &mut Report) {
    if plan.audio.is_empty() {
        return report.not_applicable("clipping", NO_SOUND);
    }
    report.ran();
    let rule = plan.profile.qc.clipping;
    for (track, facts) in tracks(plan, audio) {
        let clipped = facts.clipped_samples;
        let lasting = seconds(clipped, track.track.sample_rate.max(1)).as_f64();
        if clipped > 0 && lasting >= rule.seconds {
            let message = format!("{clipped} samples of the source are at full scale");
            report.track(Check::Clipping, rule.action, &name(track), message);
        }
    }
}

/// Output loudness away from the target. A track that the true-peak limit holds back is as loud as it
/// may be: that is noted, and nobody needs to decide.
pub(super) fn loudness(plan: &Plan, audio: &[AudioFacts], report: &mut Report) {
    if plan.audio.is_empty() {
        return report.not_applicable("loudness", NO_SOUND);
    }
    let target = plan.profile.audio.loudness_centi_lufs;
    let rule = plan.profile.qc.loudness;
    let mut audible = 0;
    for facts in audio {
        let Some(integrated) = facts.output.integrated_centi_lufs else {
            continue;
        };
        audible += 1;
        let away = integrated.abs_diff(target);
        if away <= rule.tolerance_centi_lu {
            continue;
        }
        let lufs = |centi: i32| f64::from(centi) / 100.0;
        let mut message = format!("{:.2} LUFS for {:.2} LUFS", lufs(integrated), lufs(target));
        let mut action = rule.action;
        if facts.limited {
            let peak = lufs(plan.profile.audio.true_peak_centi_dbtp);
            message.push_str(&format!(": peaks reach the limit of {peak:.2} dBTP"));
            action = Action::Pass;
        }
        report.track(Check::Loudness, action, &facts.id, message);
    }
    if audible > 0 {
        report.ran();
    } else {
        report.not_applicable("loudness", "all audio tracks are silent");
    }
}

/// Sound that ends before or after the pictures.
pub(super) fn duration(plan: &Plan, audio: &[AudioFacts], report: &mut Report) {
    if plan.video.is_none() || plan.audio.is_empty() {
        let reason = if plan.video.is_none() {
            "no video track"
        } else {
            NO_SOUND
        };
        return report.not_applicable("duration_mismatch", reason);
    }
    report.ran();
    let rule = plan.profile.qc.duration_mismatch;
    let pictures = plan.duration.as_f64();
    for (track, facts) in tracks(plan, audio) {
        let made = seconds(facts.samples, facts.sample_rate.max(1)).as_f64();
        // What was made is never longer than the pictures, the source may be.
        let source = &track.track;
        let end = source.start.as_f64() + source.duration.as_f64() - track.zero.as_f64();
        let longest = made.max(end);
        if (longest - pictures).abs() >= rule.seconds {
            let message = format!("sound of {longest:.2} s with pictures of {pictures:.2} s");
            report.track(Check::DurationMismatch, rule.action, &name(track), message);
        }
    }
}

/// No sound at all, or an output that was not made.
pub(super) fn missing(plan: &Plan, audio: &[AudioFacts], report: &mut Report) {
    report.ran();
    if plan.audio.is_empty() {
        let message = "there is no audio track".to_owned();
        report.track(
            Check::MissingAudio,
            plan.profile.qc.missing_audio,
            "audio",
            message,
        );
    }
    for output in plan.audio.iter().flat_map(|track| &track.outputs) {
        if !audio.iter().any(|facts| facts.id == output.id) {
            let message = "it is planned and was not made".to_owned();
            report.track(Check::MissingAudio, Action::Reject, &output.id, message);
        }
    }
}

/// Tracks without a language.
pub(super) fn language(plan: &Plan, report: &mut Report) {
    if plan.audio.is_empty() {
        return report.not_applicable("missing_language", NO_SOUND);
    }
    report.ran();
    for track in &plan.audio {
        if matches!(track.track.language.as_str(), "" | "und") {
            let message = "the language is not known".to_owned();
            let action = plan.profile.qc.missing_language;
            report.track(Check::MissingLanguage, action, &name(track), message);
        }
    }
}
