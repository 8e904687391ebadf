//! Quality control: the rules of the profile over the facts of a title. Pure; no byte of the media is
//! looked at again. Every rule either runs or says why it has nothing to look at.

mod pictures;
mod sound;
#[cfg(test)]
mod tests;

use model::Rational;
use model::facts::{AudioFacts, PictureFacts};
use model::plan::Plan;
use model::qc::{Action, Check, Finding, Verdict};
use std::collections::BTreeMap;

/// Evaluates the rules of the profile. `pictures` holds one entry for each segment in order,
/// `committed` the sum of committed frames by rendition id, `audio` all outputs of all tracks.
pub fn evaluate(
    plan: &Plan,
    pictures: &[PictureFacts],
    committed: &BTreeMap<String, u64>,
    audio: &[AudioFacts],
) -> Verdict {
    let mut report = Report::default();
    pictures::black(plan, pictures, &mut report);
    pictures::freeze(plan, pictures, &mut report);
    pictures::ledger(plan, pictures, committed, &mut report);
    pictures::missing(plan, &mut report);
    sound::silence(plan, audio, &mut report);
    sound::clipping(plan, audio, &mut report);
    sound::loudness(plan, audio, &mut report);
    sound::duration(plan, audio, &mut report);
    sound::missing(plan, audio, &mut report);
    sound::language(plan, &mut report);
    report.verdict()
}

/// Collects what the rules say.
#[derive(Default)]
struct Report {
    findings: Vec<Finding>,
    checked: u32,
    not_applicable: Vec<String>,
}

impl Report {
    /// A rule ran.
    fn ran(&mut self) {
        self.checked += 1;
    }

    /// A rule had nothing to look at.
    fn not_applicable(&mut self, check: &str, reason: &str) {
        self.not_applicable.push(format!("{check}: {reason}"));
    }

    /// Something about a whole track.
    fn track(&mut self, check: Check, action: Action, track: &str, message: String) {
        self.findings.push(Finding {
            check,
            action,
            track: track.to_owned(),
            start: None,
            end: None,
            message,
        });
    }

    /// Something that lasts.
    fn span(
        &mut self,
        (check, action): (Check, Action),
        track: &str,
        (start, end): (Rational, Rational),
        what: &str,
    ) {
        let (from, to) = (start.as_f64(), end.as_f64());
        self.findings.push(Finding {
            check,
            action,
            track: track.to_owned(),
            start: Some(start),
            end: Some(end),
            message: format!(
                "{what} for {:.2} s, from {from:.2} s to {to:.2} s",
                to - from
            ),
        });
    }

    fn verdict(mut self) -> Verdict {
        // What concerns a whole track comes first, then the rest in order of time.
        self.findings.sort_by_key(|finding| finding.start);
        let worst = self.findings.iter().map(|finding| finding.action).max();
        Verdict {
            action: worst.unwrap_or(Action::Pass),
            findings: self.findings,
            checked: self.checked,
            not_applicable: self.not_applicable,
        }
    }
}
