//! What can go wrong in a store operation.

use model::FailureKind;

/// An error of a store operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such job, task, chunk or node.
    #[error("{what} {id} is not known")]
    NotFound {
        /// `job`, `task`, `chunk` or `node`.
        what: &'static str,
        /// Its id.
        id: String,
    },
    /// The operation does not fit the state of the thing.
    #[error("{id}: {reason}")]
    Conflict {
        /// What it was called for.
        id: String,
        /// Why not.
        reason: String,
    },
    /// The store did not answer; whether the operation happened is not known.
    #[error("store is unavailable: {reason}")]
    Unavailable {
        /// What the client library said.
        reason: String,
    },
    /// The store holds something that cannot be read.
    #[error("store key {key} is corrupt: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotFound { .. } | Self::Conflict { .. } => FailureKind::Policy,
            Self::Unavailable { .. } => FailureKind::Transient,
            Self::Corrupt { .. } => FailureKind::Bug,
        }
    }
}
