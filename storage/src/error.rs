//! What can go wrong with storage.

use model::FailureKind;
use object_store::client::HttpError;
use std::io::ErrorKind;

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
    /// The URL or path cannot be used: malformed, or outside of what the operator allows.
    #[error("{url}: {reason}")]
    Url {
        /// The URL or path.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The place of a source is allowed and the source is not usable: absent, no file, not readable,
    /// or another one than when it was opened. The submitter's to mend.
    #[error("{url}: {reason}")]
    Source {
        /// The URL.
        url: String,
        /// Why not.
        reason: String,
    },
    /// Somebody else changed the object since it was read, or changes it now.
    #[error("{path} was changed by somebody else")]
    Raced {
        /// The path.
        path: String,
    },
    /// Storage did not do what it was asked; another try may succeed.
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
            Self::NotFound { .. }
            | Self::Corrupt { .. }
            | Self::Denied { .. }
            | Self::Failed { .. } => FailureKind::Storage,
            Self::Full { .. } => FailureKind::Exhausted,
            Self::Url { .. } => FailureKind::Policy,
            Self::Source { .. } => FailureKind::BadInput,
            Self::Raced { .. } => FailureKind::Transient,
        }
    }

    /// Takes a failure to open or read an object for one of a source: what is not there, or not ours
    /// to read, is the submitter's mistake and not a fault of storage.
    pub(crate) fn of_source(self) -> Self {
        let (url, reason) = match self {
            Self::NotFound { path } => (path, "there is no such file"),
            Self::Denied { path } => (path, "may not be read: access denied"),
            Self::Raced { path } => (path, "was changed since it was opened"),
            other => return other,
        };
        Self::Source {
            url,
            reason: reason.to_owned(),
        }
    }

    /// Takes a failure to write: what is written need not be there, so that something is in its way.
    pub(crate) fn of_write(self) -> Self {
        let Self::NotFound { path } = self else {
            return self;
        };
        let reason = "a folder above it is missing or is a file".to_owned();
        Self::Corrupt { path, reason }
    }

    pub(crate) fn from_object_store(path: &str, error: object_store::Error) -> Self {
        let path = path.to_owned();
        let reason = error.to_string();
        // A code of the S3 interface, not prose; a missing bucket is no missing object.
        if reason.contains("<Code>NoSuchBucket</Code>") {
            let reason = "there is no such bucket".to_owned();
            return Self::Url { url: path, reason };
        }
        match &error {
            object_store::Error::NotFound { .. } => return Self::NotFound { path },
            object_store::Error::PermissionDenied { .. }
            | object_store::Error::Unauthenticated { .. } => return Self::Denied { path },
            object_store::Error::Precondition { .. } => return Self::Raced { path },
            _ => {}
        }
        // An answer of a server that is full (RFC 4918 section 11.5), which the library does not tell
        // from other answers.
        if reason.contains("status code: 507") {
            return Self::Full { path };
        }
        let mut last = String::new();
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            // Below a request it says what the network did, and nothing about the object.
            if error.downcast_ref::<HttpError>().is_some() {
                last = innermost(error);
                break;
            }
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                return Self::from_io(&path, io);
            }
            cause = error.source();
        }
        if last.is_empty() || reason.contains(&last) {
            return Self::Failed { path, reason };
        }
        let reason = format!("{reason}: {last}");
        Self::Failed { path, reason }
    }

    pub(crate) fn from_io(path: &str, error: &std::io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::NotFound { path },
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::Denied { path },
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            _ => Self::Failed {
                path,
                reason: error.to_string(),
            },
        }
    }
}

/// What was wrong in the first place.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(kind: ErrorKind) -> Error {
        let source = Box::new(std::io::Error::from(kind));
        let store = "LocalFileSystem";
        Error::from_object_store("a/b", object_store::Error::Generic { store, source })
    }

    #[test]
    fn a_failure_of_the_disk_keeps_its_class_inside_the_librarys_error() {
        assert!(matches!(
            wrapped(ErrorKind::NotFound),
            Error::NotFound { .. }
        ));
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            assert!(matches!(wrapped(kind), Error::Denied { .. }), "{kind}");
        }
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            assert!(matches!(wrapped(kind), Error::Full { .. }), "{kind}");
            assert_eq!(wrapped(kind).kind(), FailureKind::Exhausted);
        }
        assert!(matches!(wrapped(ErrorKind::TimedOut), Error::Failed { .. }));
    }

    #[test]
    fn keys_that_are_refused_and_objects_that_changed_are_told_apart() {
        let (path, source) = ("a/b".to_owned(), || "403".into());
        let denied = object_store::Error::PermissionDenied {
            path: path.clone(),
            source: source(),
        };
        let unknown = object_store::Error::Unauthenticated {
            path: path.clone(),
            source: source(),
        };
        for error in [denied, unknown] {
            let error = Error::from_object_store("a/b", error);
            assert!(matches!(error, Error::Denied { .. }), "{error}");
            assert_eq!(error.of_source().kind(), FailureKind::BadInput);
        }
        let source = source();
        let changed = object_store::Error::Precondition { path, source };
        let changed = Error::from_object_store("a/b", changed);
        assert!(matches!(changed, Error::Raced { .. }), "{changed}");
    }

    #[test]
    fn every_error_names_its_path_and_has_a_class() {
        let (path, reason) = ("jobs/j/plan.json".to_owned(), "why".to_owned());
        let (url, why) = (path.clone(), reason.clone());
        let of = |error: Error| (error.to_string(), error.kind());
        let cases = [
            (
                of(Error::NotFound { path: path.clone() }),
                FailureKind::Storage,
            ),
            (
                of(Error::Denied { path: path.clone() }),
                FailureKind::Storage,
            ),
            (
                of(Error::Full { path: path.clone() }),
                FailureKind::Exhausted,
            ),
            (
                of(Error::Raced { path: path.clone() }),
                FailureKind::Transient,
            ),
            (
                of(Error::Corrupt {
                    path: path.clone(),
                    reason: reason.clone(),
                }),
                FailureKind::Storage,
            ),
            (
                of(Error::Failed {
                    path: path.clone(),
                    reason,
                }),
                FailureKind::Storage,
            ),
            (
                of(Error::Url {
                    url: url.clone(),
                    reason: why.clone(),
                }),
                FailureKind::Policy,
            ),
            (
                of(Error::Source { url, reason: why }),
                FailureKind::BadInput,
            ),
        ];
        for ((text, kind), expected) in cases {
            assert!(text.contains(&path), "{text}");
            assert_eq!(kind, expected, "{text}");
        }
    }
}
