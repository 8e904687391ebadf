//! Pictures and the plain arithmetic that every kernel must match.
//!
//! Not here: files, codecs, threads, devices. The one fact to know: every operation is integer
//! arithmetic with one defined result. The vectorised paths, the plain twins, the CUDA kernels and
//! the shaders must give the same bits, because equal pixels are what makes equal segments.

#![forbid(unsafe_code)]

mod error;
mod format;
pub mod ops;
mod picture;
mod plane;
mod pool;
mod thumb;

pub use error::{Error, Result};
pub use format::{PixelFormat, Range};
pub use picture::{Picture, SIDE_MAX, Size};
pub use plane::{Plane, Samples};
pub use pool::PicturePool;
pub use thumb::{THUMB_HEIGHT, THUMB_WIDTH, Thumb, thumb};
