//! One chunk on one machine, as stages with bounded queues between them; and the other pieces of a
//! title that are made from its source: probe, sound, text, images, quality control.
//!
//! Not here: files, network, leases, storage. Everything is synchronous and reads the source through
//! [`libav::ByteSource`], so that it runs inside a worker that can reach nothing else. The one fact
//! to know: the bytes of a segment are a function of source and plan alone. Nothing may depend on
//! where a chunk starts, on threads, or on time.

#![forbid(unsafe_code)]

mod build_ids;
mod cpu;
mod error;
mod output;
mod stages;

mod audio;
mod chunk;
mod images;
mod probe;
pub mod qc;
mod text;

pub use audio::run_audio;
pub use build_ids::build_ids;
pub use chunk::run_chunk;
pub use cpu::cap_cpu;
pub use error::{Cause, Error, Place, Result};
pub use frame::ops::CpuLevel;
pub use images::run_images;
pub use libav::{ByteSource, FileSource, MemorySource};
pub use output::{AudioChunk, ImageBytes, OpenSource, Output, TextInput};
pub use probe::probe;
pub use text::run_text;
