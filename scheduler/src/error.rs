//! What can go wrong in a scheduler. Failures of a job's own work are not here: they are
//! [`model::Failure`]s that the store keeps with the job.

use model::FailureKind;
use std::time::Duration;

/// When a submission to a full farm is worth repeating: many jobs end in that time where there may be as
/// many open, and a thousand submitters that wait cost a scheduler some thirty answers a second.
const FULL_PAUSE: Duration = Duration::from_secs(30);

/// An error of a scheduler.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request that cannot be accepted as it is.
    #[error("{field}: {reason}")]
    Rejected {
        /// The field as the protocol names it.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// A request that does not fit the state of what it is about.
    #[error("{what}: {reason}")]
    Conflict {
        /// The job, title or key.
        what: String,
        /// Why not.
        reason: String,
    },
    /// There is no such title.
    #[error("{what} {id} is not known")]
    NotFound {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The title belongs to another tenant.
    #[error("title {title} belongs to another tenant; name another title")]
    NotYours {
        /// The title.
        title: String,
    },
    /// The farm takes no more jobs for now.
    #[error(
        "{open} jobs are open and the farm takes at most {limit}; try again in {} s",
        FULL_PAUSE.as_secs()
    )]
    Full {
        /// Jobs that have not ended.
        open: u64,
        /// How many may be.
        limit: u64,
    },
    /// The end of a job is to be told, and too much waits to be told already.
    #[error("too many notices wait for {receiver} to tell it the end of a job; it is told later")]
    Untold {
        /// Tenant and origin.
        receiver: String,
    },
    /// The store does not know it yet: it is being told of the jobs in storage.
    #[error("recovering: {done} of {all} jobs were looked at; ask again later")]
    Recovering {
        /// Jobs that were looked at.
        done: u64,
        /// Jobs in storage; 0 until they are listed.
        all: u64,
    },
    /// A message that means nothing.
    #[error(transparent)]
    Wire(#[from] proto::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Object storage.
    #[error(transparent)]
    Storage(#[from] storage::Error),
    /// The configuration cannot be used.
    #[error("{setting}: {reason}")]
    Config {
        /// Which setting.
        setting: &'static str,
        /// Why not.
        reason: String,
    },
}

/// Result of what a scheduler does.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// When the request is worth repeating, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Full { .. }).then_some(FULL_PAUSE)
    }

    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Rejected { .. }
            | Self::Conflict { .. }
            | Self::NotFound { .. }
            | Self::NotYours { .. }
            | Self::Config { .. } => FailureKind::Policy,
            Self::Full { .. } | Self::Untold { .. } => FailureKind::Exhausted,
            Self::Recovering { .. } => FailureKind::Transient,
            Self::Wire(error) => error.kind(),
            Self::Store(error) => error.kind(),
            Self::Storage(error) => error.kind(),
        }
    }
}
