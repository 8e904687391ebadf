//! Errors as gRPC statuses. The class travels beside the code, in the trailer `magpie-failure-kind`,
//! because several classes share a code, and so does the time after which to ask again, where it is known.

use crate::Error;
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tracing::error;

/// Trailer that holds the class of the failure.
const KIND: &str = "magpie-failure-kind";

/// Trailer that holds the seconds after which the request is worth repeating, as in HTTP (RFC 9110, 10.2.3).
const RETRY_AFTER: &str = "retry-after";

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let code = code(&error);
        if matches!(code, Code::Internal | Code::DataLoss) {
            error!(%error, "request failed by the farm's own fault");
        }
        let mut status = Self::new(code, error.to_string());
        let kind = MetadataValue::from_static(error.kind().as_str());
        status.metadata_mut().insert(KIND, kind);
        if let Some(pause) = error.retry_after() {
            let pause = MetadataValue::from(pause.as_secs());
            status.metadata_mut().insert(RETRY_AFTER, pause);
        }
        status
    }
}

fn code(error: &Error) -> Code {
    match error {
        Error::Rejected { .. } | Error::Wire(_) => Code::InvalidArgument,
        Error::Conflict { .. } => Code::FailedPrecondition,
        Error::NotFound { .. } => Code::NotFound,
        Error::NotYours { .. } => Code::PermissionDenied,
        Error::Full { .. } | Error::Untold { .. } => Code::ResourceExhausted,
        Error::Recovering { .. } => Code::Unavailable,
        Error::Config { .. } => Code::Internal,
        Error::Store(error) => match error {
            store::Error::NotFound { .. } => Code::NotFound,
            store::Error::Conflict { .. } => Code::FailedPrecondition,
            store::Error::Unavailable { .. } => Code::Unavailable,
            store::Error::Corrupt { .. } => Code::DataLoss,
            _ => Code::Internal,
        },
        Error::Storage(error) => match error {
            storage::Error::NotFound { .. } => Code::NotFound,
            storage::Error::Full { .. } => Code::ResourceExhausted,
            storage::Error::Raced { .. } => Code::Aborted,
            storage::Error::Failed { .. } => Code::Unavailable,
            storage::Error::Corrupt { .. } => Code::DataLoss,
            storage::Error::Url { .. } | storage::Error::Source { .. } => Code::InvalidArgument,
            _ => Code::Internal,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_farm_says_so_with_code_class_and_when_to_ask_again() {
        let status = Status::from(Error::Full { open: 5, limit: 5 });
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get(KIND).unwrap(), "exhausted");
        assert_eq!(status.metadata().get(RETRY_AFTER).unwrap(), "30");
        let message = status.message();
        assert!(
            message.contains("at most 5; try again in 30 s"),
            "{message}"
        );
    }

    #[test]
    fn a_store_that_is_away_may_be_asked_again() {
        let away = store::Error::Unavailable {
            reason: "timeout".to_owned(),
        };
        let status = Status::from(Error::from(away));
        assert_eq!(status.code(), Code::Unavailable);
        assert_eq!(status.metadata().get(RETRY_AFTER), None);
    }
}
