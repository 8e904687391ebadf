//! Object storage: the truth of the farm. Local disk and S3 behind one type, with the few
//! operations that the farm is built on: create-if-absent, ranged reads, server-side copies and
//! compare-and-swap of one small object. Sources are read through the same room, below allowed roots.
//!
//! What was written is there after a power cut: each write is synced before it returns, so an object
//! that is named by another one, written later, is never lost or empty while the other is there.
//!
//! Nothing is tried twice here. Whoever calls owns the retry and decides by [`Error`].

mod compare_and_swap;
mod disk;
mod error;
mod name;
mod object;
mod open;
mod s3;
mod source;
mod source_roots;

pub use error::{Error, Result};
pub use object::{Created, Object, Storage};
pub use source::Source;
pub use source_roots::SourceRoots;
