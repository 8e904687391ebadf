//! The tasks, one file for each kind. All write their result to storage before they commit, and all
//! may be repeated: what is there already is found by its content key or replaced by equal bytes.

mod allowance;
mod audio;
mod claims;
mod committed;
mod context;
mod describe;
mod encode;
mod hashes;
mod images;
mod memory;
mod mend;
mod package;
mod probe;
mod qc;
mod reuse;
mod single;
mod text;
mod unit;
mod verify;
mod version;
mod work;

pub(crate) use context::Context;
pub(crate) use encode::encode;
pub(crate) use single::single;
