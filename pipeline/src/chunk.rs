//! One chunk: a run of segments of one rendition group, from source bytes to media segments.

use crate::error::{Error, Result};
use crate::output::Output;
use libav::ByteSource;
use model::plan::Plan;
use std::io;

/// Makes the segments that `next` names, in all renditions of a group. `next` blocks until the
/// caller has claimed a segment and gives `None` when there is no more; at most two are open at a
/// time. `emit` takes what is made, in order of the claims.
pub fn run_chunk(
    plan: &Plan,
    group: &str,
    source: Box<dyn ByteSource>,
    next: &mut dyn FnMut() -> Option<u32>,
    emit: &mut dyn FnMut(Output) -> io::Result<()>,
) -> Result<()> {
    let _ = (plan, source, next, emit);
    Err(Error::bug("chunk", group))
}
