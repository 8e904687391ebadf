//! The operations on pictures, one module each, under the names that the kernels and the shaders
//! carry too.
//!
//! All of them write into a picture that the caller owns and reshape it, so that a running pipeline
//! allocates nothing. Their order in a pipeline is not free: deinterlace (it needs the fields as
//! they were coded), convert, orient, then scale and tile (which take 8-bit 4:2:0 alone).

pub mod convert;
mod cpu;
pub mod deinterlace;
pub mod luma_stats;
pub mod orient;
pub mod scale;
pub mod tile;
pub mod tonemap;

pub use cpu::CpuLevel;

/// The names of the operations: folders in `kernels/` and `shaders/`, rows in the bench.
pub const OPS: &[&str] = &[
    "scale",
    "convert",
    "orient",
    "deinterlace",
    "luma_stats",
    "tile",
    "tonemap",
];
