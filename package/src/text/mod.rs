//! Timed text: SubRip and WebVTT in, WebVTT out, whole (DASH) and segmented (HLS), and the WebVTT file
//! that places thumbnails. Cues hold text that is safe to write: what comes out of a source can
//! neither end its cue nor open a new one.

mod cue;
mod parse;
mod thumbnails;
mod write;

pub use cue::{Cue, clip};
pub use parse::{Encoding, Parsed, parse};
pub use thumbnails::thumbnails;
pub use write::{TimestampMap, segment_sizes, segments, whole};

#[cfg(test)]
mod tests;
