//! Reading containers.

mod orientation;
mod reader;
mod stream;

pub use reader::Demuxer;
pub(crate) use stream::FULL_RANGE;
pub use stream::{CodecParameters, Disposition, StreamInfo, StreamKind};
