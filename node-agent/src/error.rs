//! What can stop an agent. What stops one task only is a [`model::Failure`] and goes to the
//! scheduler instead.

use model::FailureKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an agent does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scheduler refuses this node and will go on refusing it: protocol, credentials.
    #[error("the scheduler refuses this node: {reason}")]
    Refused {
        /// What it said.
        reason: String,
    },
    /// The scheduler could not be asked.
    #[error("the scheduler is away: {reason}")]
    Away {
        /// What the connection said.
        reason: String,
    },
    /// Workers cannot be confined, and nobody allowed to do without.
    #[error("no sandbox, no work: {reason}; sandbox = \"best-effort\" accepts what there is")]
    Unconfined {
        /// Which layer is missing.
        reason: String,
    },
    /// A worker could not be started or does not speak.
    #[error("cannot start a worker: {reason}")]
    Worker {
        /// What happened.
        reason: String,
    },
    /// Storage cannot be opened.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The host does not say what it is.
    #[error("inventory: {reason}")]
    Inventory {
        /// What is missing.
        reason: String,
    },
}

impl Error {
    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Refused { .. } | Self::Unconfined { .. } => FailureKind::Policy,
            Self::Away { .. } => FailureKind::Transient,
            Self::Worker { .. } | Self::Inventory { .. } => FailureKind::NodeFault,
            Self::Storage(error) => error.kind(),
        }
    }
}
