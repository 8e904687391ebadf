//! Reading containers.

mod orientation;
mod reader;
mod stream;

pub(crate) use stream::{FULL_RANGE, layout_name};
pub use reader::Demuxer;
pub use stream::{CodecParameters, Disposition, StreamInfo, StreamKind};
