//! What can go wrong with storage.

use model::FailureKind;

/// An error of object storage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such object.
    #[error("{path} is not in storage")]
    NotFound {
        /// The path.
        path: String,
    },
    /// Not ours to read or write.
    #[error("{path}: access denied")]
    Denied {
        /// The path or URL.
        path: String,
    },
    /// The disk or quota is full.
    #[error("{path}: no space left")]
    Full {
        /// The path.
        path: String,
    },
    /// The object is there and is not what it should be.
    #[error("{path} is corrupt: {reason}")]
    Corrupt {
        /// The path.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// The URL cannot be used.
    #[error("{url}: {reason}")]
    Url {
        /// The URL.
        url: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else changed the object since it was read.
    #[error("{path} was changed by somebody else")]
    Raced {
        /// The path.
        path: String,
    },
    /// Storage did not do what it was asked.
    #[error("{path}: {reason}")]
    Failed {
        /// The path.
        path: String,
        /// What it said.
        reason: String,
    },
}

/// Result of a storage operation.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The class of the failure.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NotFound { .. } | Self::Corrupt { .. } | Self::Failed { .. } => {
                FailureKind::Storage
            }
            Self::Denied { .. } => FailureKind::Storage,
            Self::Full { .. } => FailureKind::Exhausted,
            Self::Url { .. } => FailureKind::Policy,
            Self::Raced { .. } => FailureKind::Transient,
        }
    }

    pub(crate) fn from_object_store(path: &str, error: object_store::Error) -> Self {
        let path = path.to_owned();
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound { path },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => Self::Denied { path },
            object_store::Error::Precondition { .. } => Self::Raced { path },
            error => {
                let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
                while let Some(cause) = source {
                    if let Some(io) = cause.downcast_ref::<std::io::Error>() {
                        return Self::from_io(&path, io);
                    }
                    source = cause.source();
                }
                Self::Failed {
                    path,
                    reason: error.to_string(),
                }
            }
        }
    }

    pub(crate) fn from_io(path: &str, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::NotFound { path },
            std::io::ErrorKind::PermissionDenied => Self::Denied { path },
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full { path }
            }
            _ => Self::Failed {
                path,
                reason: error.to_string(),
            },
        }
    }
}
