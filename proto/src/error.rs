//! What can be wrong with a message. It is always the sender's doing: nothing here fails by itself.

use model::FailureKind;

/// A message that does not mean anything in the model.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A field is missing or holds something that it must not.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field as the protocol names it.
        field: &'static str,
        /// Why.
        reason: String,
    },
}

/// Result of a conversion from the wire.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The class of the failure: another try with the same message cannot help.
    pub const fn kind(&self) -> FailureKind {
        FailureKind::Policy
    }
}

/// Names the field that a reason belongs to.
pub(crate) fn invalid(field: &'static str, reason: impl ToString) -> Error {
    Error::Invalid {
        field,
        reason: reason.to_string(),
    }
}

/// The value of a field that must be there.
pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| invalid(field, "is missing"))
}
