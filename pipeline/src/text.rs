//! Text tracks.

use crate::error::{Error, Result};
use crate::output::TextInput;
use model::facts::TextFacts;
use model::plan::Plan;

/// Makes the WebVTT file of a text track.
pub fn run_text(plan: &Plan, index: u32, input: TextInput) -> Result<(TextFacts, Vec<u8>)> {
    let _ = (plan, index, input);
    Err(Error::bug("text", ""))
}
