//! Reading JSON with messages that say where it went wrong.

use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;

/// Reads one JSON file.
pub fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parse {}", path.display()))
}

/// The value at a JSON pointer (RFC 6901), such as `/renditions/0/id`.
pub fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value
        .pointer(pointer)
        .with_context(|| format!("nothing at {pointer} in {value}"))
}

/// One JSON value per line.
pub fn lines_of_json(text: &str) -> Result<Vec<Value>> {
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line:?}")))
        .collect()
}
