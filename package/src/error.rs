//! What can go wrong while packaging. Offsets count bytes from the start of what was given, which is
//! what a person needs to find the place with a hex viewer.

use model::FailureKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why something was not packaged or not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes end inside a structure.
    #[error("{what} is cut off at byte {at}")]
    Truncated {
        /// The structure, such as a box.
        what: String,
        /// Offset at which more was needed.
        at: u64,
    },
    /// The bytes contradict the standard or each other.
    #[error("{what} at byte {at}: {problem}")]
    Malformed {
        /// The structure.
        what: String,
        /// Where it starts.
        at: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// Valid, but not something that is packaged here.
    #[error("{what} is not supported")]
    Unsupported {
        /// The feature.
        what: String,
    },
    /// The caller described something that cannot be written.
    #[error("cannot write {what}: {problem}")]
    Invalid {
        /// What was to be written.
        what: String,
        /// Why it cannot be.
        problem: String,
    },
}

impl Error {
    /// Whose fault it is. A caller that reads back what the farm itself wrote should report
    /// [`FailureKind::Bug`] instead: its input is our output.
    pub const fn kind(&self) -> FailureKind {
        match self {
            Self::Truncated { .. } | Self::Malformed { .. } => FailureKind::BadInput,
            Self::Unsupported { .. } => FailureKind::Unsupported,
            Self::Invalid { .. } => FailureKind::Bug,
        }
    }

    pub(crate) fn truncated(what: impl Into<String>, at: usize) -> Self {
        Self::Truncated {
            what: what.into(),
            at: at as u64,
        }
    }

    pub(crate) fn malformed(
        what: impl Into<String>,
        at: usize,
        problem: impl Into<String>,
    ) -> Self {
        Self::Malformed {
            what: what.into(),
            at: at as u64,
            problem: problem.into(),
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid {
            what: what.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::Unsupported { what: what.into() }
    }
}
