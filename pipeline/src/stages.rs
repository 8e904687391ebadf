//! The stages of the picture path, in the order in which a picture meets them. The first two are
//! pulled by frame number (only they know what must be decoded for a frame), the others are pushed.
//!
//! ```text
//! decode ─▶ filter ─▶ measure            (the thread of the chunk)
//!              └─ 2 pictures ─▶ scale ─▶ encode ─▶ segment   (one thread for each rendition)
//! ```

mod decode;
mod encode;
mod filter;
mod measure;
mod pool;
mod scale;
mod segment;

pub(crate) use decode::Decode;
pub(crate) use encode::{Encode, Samples};
pub(crate) use filter::{Depths, Filter, Filtered};
pub(crate) use measure::Measure;
pub(crate) use pool::{Pool, Shared};
pub(crate) use scale::Scale;
pub(crate) use segment::{Muxer, config_facts};
