//! Reads init and media segments back, to verify what is about to be published. Strict: it accepts
//! the boxes that [`super::write`] writes, in their order, and refuses all else with the box and its
//! byte offset. It never panics and never allocates more than a few times its input.

mod cursor;
mod init;
mod sample_entry;
mod samples;
mod segment;

pub use init::init_segment;
pub use samples::check_samples;
pub use segment::{Fragment, FragmentSample, SegmentFacts, media_segment};

#[cfg(test)]
mod tests;
