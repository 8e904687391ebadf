//! Sound.

use crate::error::{Error, Result};
use crate::output::{AudioChunk, OpenSource};
use model::facts::AudioFacts;
use model::plan::Plan;
use std::io;

/// Makes all outputs of a sound track. Opens the source twice: once to measure, once to encode.
pub fn run_audio(
    plan: &Plan,
    index: u32,
    open: &mut OpenSource<'_>,
    emit: &mut dyn FnMut(AudioChunk) -> io::Result<()>,
) -> Result<Vec<AudioFacts>> {
    let _ = (plan, index, open, emit);
    Err(Error::bug("audio", ""))
}
