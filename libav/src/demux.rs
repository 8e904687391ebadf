//! Reading containers.

mod orientation;
mod reader;
mod stream;

pub use reader::Demuxer;
pub use stream::{CodecParameters, Disposition, StreamInfo, StreamKind};
pub(crate) use stream::{FULL_RANGE, layout_name};
