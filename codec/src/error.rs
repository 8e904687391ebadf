//! What can go wrong when a codec is opened or used. What a candidate says is kept as its own
//! error; this crate only adds which candidate it was.

use model::FailureKind;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a decoder or encoder could not be opened or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No candidate decodes the stream; what each of them said.
    #[error("no decoder for {codec}: {tried}")]
    NoDecoder {
        /// libav's name of the codec.
        codec: String,
        /// Candidates and their reasons.
        tried: String,
    },
    /// The pinned family does not encode this rendition.
    #[error("encoder {family} does not take rendition {rendition}: {reason}")]
    NoEncoder {
        /// The family that the plan pinned.
        family: &'static str,
        /// Id of the rendition.
        rendition: String,
        /// What it does not take.
        reason: String,
    },
    /// The encoder itself gave up.
    #[error("encoder {family} stopped: {reason}")]
    Encoder {
        /// The family.
        family: &'static str,
        /// In its own words.
        reason: String,
    },
    /// The caller broke the contract of the seam.
    #[error("contract broken: {what}")]
    Contract {
        /// Which rule.
        what: String,
    },
    /// libav's own error.
    #[error(transparent)]
    Libav(#[from] libav::Error),
    /// A picture of an impossible shape.
    #[error(transparent)]
    Frame(#[from] frame::Error),
}

impl Error {
    /// Whose fault it is and what may help.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::NoDecoder { .. } | Self::NoEncoder { .. } => FailureKind::Unsupported,
            Self::Encoder { .. } => FailureKind::NodeFault,
            Self::Contract { .. } | Self::Frame(_) => FailureKind::Bug,
            Self::Libav(error) => error.kind(),
        }
    }
}
