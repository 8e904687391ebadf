//! Failures. An empty kind is refused rather than guessed: the scheduler decides on it.

use crate::error::{Error, invalid};
use crate::v1;
use model::{Failure, FailureKind};

impl From<&Failure> for v1::Failure {
    fn from(failure: &Failure) -> Self {
        Self {
            kind: failure.kind.as_str().to_owned(),
            place: failure.place.clone(),
            message: failure.message.clone(),
            evidence: failure.evidence.clone(),
        }
    }
}

impl TryFrom<v1::Failure> for Failure {
    type Error = Error;
    fn try_from(wire: v1::Failure) -> Result<Self, Error> {
        let kind: FailureKind = wire.kind.parse().map_err(|e| invalid("failure.kind", e))?;
        Ok(Self::new(kind, wire.place, wire.message).with_evidence(&wire.evidence))
    }
}
