//! What can go wrong while a piece of a title is made: which stage said so, at which frame or time,
//! and whose fault it is. The cause is kept as the room below said it.

use model::{Failure, FailureKind};
use std::fmt;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of one stage.
#[derive(Debug, thiserror::Error)]
#[error("{stage}{place}: {cause}")]
pub struct Error {
    stage: &'static str,
    place: Place,
    #[source]
    cause: Cause,
}

/// Where in the title it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// Nowhere in particular.
    #[default]
    Nowhere,
    /// At a source frame, counted in presentation order from 0.
    SourceFrame(u32),
    /// In a segment, counted from 0.
    Segment(u32),
    /// In a stream of the source.
    Stream(u32),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nowhere => Ok(()),
            Self::SourceFrame(frame) => write!(f, " at source frame {frame}"),
            Self::Segment(segment) => write!(f, " in segment {segment}"),
            Self::Stream(stream) => write!(f, " in stream {stream}"),
        }
    }
}

/// What a stage ran into.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Demuxing, decoding or encoding by libav.
    #[error(transparent)]
    Libav(#[from] libav::Error),
    /// The seam for decoders and encoders.
    #[error(transparent)]
    Codec(#[from] codec::Error),
    /// An operation on pictures was asked for something impossible.
    #[error(transparent)]
    Frame(#[from] frame::Error),
    /// Writing boxes or reading text.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// Measuring loudness.
    #[error("loudness meter: {0}")]
    Loudness(#[from] ebur128::Error),
    /// Writing a picture file.
    #[error("jpeg: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// Output was not taken, or the source could not be opened again.
    #[error("the caller's end is gone: {0}")]
    Caller(#[from] std::io::Error),
    /// The source or the plan is refused.
    #[error("{message}")]
    Refused {
        /// Whose fault it is.
        kind: FailureKind,
        /// What is wrong, and where.
        message: String,
    },
}

impl Error {
    /// Where and what.
    pub fn new(stage: &'static str, cause: impl Into<Cause>) -> Self {
        Self {
            stage,
            place: Place::Nowhere,
            cause: cause.into(),
        }
    }

    /// A refusal in the words of this crate.
    pub fn refused(stage: &'static str, kind: FailureKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::new(stage, Cause::Refused { kind, message })
    }

    pub(crate) fn bad_input(stage: &'static str, message: impl Into<String>) -> Self {
        Self::refused(stage, FailureKind::BadInput, message)
    }

    pub(crate) fn bug(stage: &'static str, message: impl Into<String>) -> Self {
        Self::refused(stage, FailureKind::Bug, message)
    }

    /// The same error with its place.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }

    /// The stage that failed, such as `decode`.
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    /// Where it failed.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Whose fault it is and what may help.
    pub fn kind(&self) -> FailureKind {
        match &self.cause {
            Cause::Libav(error) => error.kind(),
            Cause::Codec(error) => error.kind(),
            Cause::Package(error) => error.kind(),
            // Shapes and levels are checked before these are asked.
            Cause::Frame(_) | Cause::Loudness(_) | Cause::Jpeg(_) => FailureKind::Bug,
            Cause::Caller(_) => FailureKind::Transient,
            Cause::Refused { kind, .. } => *kind,
        }
    }

    /// Whether decoding from an earlier access point may help.
    pub(crate) fn is_about_the_source(&self) -> bool {
        self.kind() == FailureKind::BadInput
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let place = format!("{}{}", error.stage, error.place);
        let mut message = error.cause.to_string();
        let mut source = std::error::Error::source(&error.cause);
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Failure::new(error.kind(), place, message)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::from(&error)
    }
}

/// Says which stage an error of another room came up in.
pub(crate) trait InStage<T> {
    /// The error as one of a stage.
    fn in_stage(self, stage: &'static str) -> Result<T>;
}

impl<T, E: Into<Cause>> InStage<T> for std::result::Result<T, E> {
    fn in_stage(self, stage: &'static str) -> Result<T> {
        self.map_err(|error| Error::new(stage, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_stage_place_and_cause() {
        let error = Error::bad_input("decode", "frame is missing").at(Place::SourceFrame(17));
        let failure = Failure::from(&error);
        assert_eq!(failure.kind, FailureKind::BadInput);
        assert_eq!(failure.place, "decode at source frame 17");
        assert_eq!(failure.message, "frame is missing");
        assert_eq!(
            error.to_string(),
            "decode at source frame 17: frame is missing"
        );
    }
}
