//! Quality control: the rules of a profile, what was found, and the verdict. The evaluation is a
//! pure function over facts; it lives with the node's `qc` task.

use crate::Rational;
use serde::{Deserialize, Serialize};

/// What a finding leads to. Ordered: the worst action of all findings is the verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Noted only.
    Pass,
    /// The title waits for a person.
    Flag,
    /// The title is not published.
    Reject,
}

/// The rules of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// Pictures that are black for at least so long.
    pub black: Lasting,
    /// Pictures that do not change for at least so long.
    pub freeze: Lasting,
    /// Sound below -60 dBFS for at least so long.
    pub silence: Lasting,
    /// Source samples at full scale, summed over the track.
    pub clipping: Lasting,
    /// Output loudness away from the target.
    pub loudness: Loudness,
    /// Audio and video of different length.
    pub duration_mismatch: Lasting,
    /// Committed frames other than planned ones: never publishable, the rule says how loudly.
    pub frame_mismatch: Action,
    /// No video track.
    pub missing_video: Action,
    /// No audio track.
    pub missing_audio: Action,
    /// Audio tracks without a language.
    pub missing_language: Action,
}

/// A rule about something that lasts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lasting {
    /// What a finding leads to.
    pub action: Action,
    /// From which length on it is one.
    pub seconds: f64,
}

/// The rule about output loudness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loudness {
    /// What a finding leads to.
    pub action: Action,
    /// Distance from the target that is still right, in hundredths of LU.
    pub tolerance_centi_lu: u32,
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// Black pictures.
    Black,
    /// Frozen pictures.
    Freeze,
    /// Silence.
    Silence,
    /// Clipped source samples.
    Clipping,
    /// Loudness off target.
    Loudness,
    /// Tracks of different length.
    DurationMismatch,
    /// Frames lost or added.
    FrameMismatch,
    /// No video.
    MissingVideo,
    /// No audio.
    MissingAudio,
    /// No language.
    MissingLanguage,
}

/// One thing that a rule found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub check: Check,
    /// What it leads to.
    pub action: Action,
    /// Which track, such as `video` or `audio-0`.
    pub track: String,
    /// Where it starts, for findings that last.
    pub start: Option<Rational>,
    /// Where it ends.
    pub end: Option<Rational>,
    /// What a person reads.
    pub message: String,
}

/// The result of quality control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The worst action of all findings.
    pub action: Action,
    /// All findings in order of time.
    pub findings: Vec<Finding>,
    /// Checks that ran.
    pub checked: u32,
    /// Checks that had no track to look at, with the reason; counted, never silently passed.
    pub not_applicable: Vec<String>,
}
