//! Why something failed, as data. The scheduler decides on the kind and never on text; the text is
//! for the person who has to act.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The class of a failure: whose fault it is and what may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// The source is broken or lies. Another try cannot help; the submitter must act.
    BadInput,
    /// A valid request that this farm cannot serve. Another build or device might.
    Unsupported,
    /// A rule of the profile or the operator says no.
    Policy,
    /// Keys or rights were refused.
    Drm,
    /// Object storage answered with an error or holds something else than it should.
    Storage,
    /// Network, time-out, a busy service: the same try may succeed later.
    Transient,
    /// No room: memory, disk, sessions. Waited out for longer than other failures, then given up.
    Exhausted,
    /// The node or its worker broke. Tried again, elsewhere if there is an elsewhere.
    NodeFault,
    /// A person or a lost lease ended it. Nothing to retry.
    Cancelled,
    /// One of our invariants does not hold. A person must look.
    Bug,
}

impl FailureKind {
    /// Every kind, in the order of the table in ARCHITECTURE.md.
    pub const ALL: [Self; 10] = [
        Self::BadInput,
        Self::Unsupported,
        Self::Policy,
        Self::Drm,
        Self::Storage,
        Self::Transient,
        Self::Exhausted,
        Self::NodeFault,
        Self::Cancelled,
        Self::Bug,
    ];

    /// The name used in messages, metrics and on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadInput => "bad_input",
            Self::Unsupported => "unsupported",
            Self::Policy => "policy",
            Self::Drm => "drm",
            Self::Storage => "storage",
            Self::Transient => "transient",
            Self::Exhausted => "exhausted",
            Self::NodeFault => "node_fault",
            Self::Cancelled => "cancelled",
            Self::Bug => "bug",
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for FailureKind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a failure kind"))
    }
}

/// One failure as it is stored, sent and shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind} in {place}: {message}")]
pub struct Failure {
    /// The class that decides what happens next.
    pub kind: FailureKind,
    /// Where: a stage, task or operation, such as `probe` or `video-h264 segment 3`.
    pub place: String,
    /// What, with the identifier that a person would search for. Lower case, no full stop.
    pub message: String,
    /// The end of the worker's error output and what else may help; bounded, may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub evidence: String,
}

/// Longest evidence kept with a failure.
pub const EVIDENCE_BYTES_MAX: usize = 8 * 1024;

impl Failure {
    /// A failure without evidence.
    pub fn new(kind: FailureKind, place: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            place: place.into(),
            message: message.into(),
            evidence: String::new(),
        }
    }

    /// Adds evidence; what exceeds [`EVIDENCE_BYTES_MAX`] loses its beginning, because the end of an
    /// error output says most.
    pub fn with_evidence(mut self, evidence: &str) -> Self {
        let mut start = evidence.len().saturating_sub(EVIDENCE_BYTES_MAX);
        while !evidence.is_char_boundary(start) {
            start += 1;
        }
        self.evidence = evidence[start..].to_owned();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_survives_its_name() {
        for kind in FailureKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_string(&kind).unwrap(), format!("\"{kind}\""));
        }
    }

    #[test]
    fn evidence_keeps_its_end() {
        let long = "ä".repeat(EVIDENCE_BYTES_MAX) + "the end";
        let failure = Failure::new(FailureKind::Bug, "here", "what").with_evidence(&long);
        assert!(failure.evidence.len() <= EVIDENCE_BYTES_MAX);
        assert!(failure.evidence.ends_with("the end"));
    }
}
