//! Object storage: the truth of the farm. Local disk and S3 behind one type, with the few
//! operations that the farm is built on: create-if-absent, ranged reads, server-side copies and
//! compare-and-swap of one small object. Sources are read through the same room, below allowed roots.

mod compare_and_swap;
mod error;
mod object;
mod source;

pub use error::{Error, Result};
pub use object::{Created, Object, Storage};
pub use source::{Source, SourceRoots};
