//! Between storage and tasks: ranges of sources, pieces of output, and the one place that retries
//! storage. No scratch: what a worker makes is at most two segments of each rendition and goes from
//! memory to storage.

mod pieces;
mod retry;
mod source;

pub(crate) use pieces::{Content, Pieces, digest, digest_aside};
pub(crate) use retry::{delay, retrying};
pub(crate) use source::{BlockCache, SourceReader};
