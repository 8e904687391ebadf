//! What can be wrong with a picture or a request on one. Bad pixels are never an error here, only
//! bad shapes: dimensions, formats, plane sizes.

use crate::{PixelFormat, Size};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a picture could not be made or an operation not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A side is zero or larger than [`crate::SIDE_MAX`]. The source (or the caller) must change.
    #[error("picture of {width}x{height} is outside 1..={max}", max = crate::SIDE_MAX)]
    Dimensions {
        /// The refused width.
        width: u32,
        /// The refused height.
        height: u32,
    },
    /// A plane has not the size or the sample type that the picture's format asks for.
    #[error("plane {index} does not fit a {format} picture of {size}")]
    PlaneMismatch {
        /// Index of the plane.
        index: usize,
        /// Format of the picture.
        format: PixelFormat,
        /// Size of the picture.
        size: Size,
    },
    /// The operation does not take this format; convert first.
    #[error("{operation} does not take {format}")]
    Format {
        /// Name of the operation, as in [`crate::ops::OPS`].
        operation: &'static str,
        /// The refused format.
        format: PixelFormat,
    },
    /// A picture has another size or range than the operation was set up for.
    #[error("{operation} expects {expected} and got {got}")]
    Shape {
        /// Name of the operation, as in [`crate::ops::OPS`].
        operation: &'static str,
        /// What was agreed.
        expected: String,
        /// What came.
        got: String,
    },
}
