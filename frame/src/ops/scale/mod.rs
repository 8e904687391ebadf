//! Lanczos3 scaling of 4:2:0 pictures in 8 or 10 bits, from one source to every rung of a ladder.
//!
//! Every rung is scaled from the source itself, never from a larger rung: two passes of Lanczos
//! soften and ring more than one. The arithmetic is that of `fast_image_resize` (and of Pillow):
//! 16-bit fixed-point weights, the vertical pass first, each pass rounded to the sample's depth; a test holds
//! [`plain`] to that crate. It is not used in production because it cannot place left-sited chroma
//! (its crop box may not begin outside the picture) and computes the weights anew for each call.
//!
//! Chroma is sited as in MPEG-2 and H.264's default (ITU-T H.273, ChromaLocType 0): on the luma
//! column, between two luma rows. Scaling keeps it there, which takes a phase of its own.

mod deep;
pub mod plain;
mod scaler;
#[cfg(test)]
mod tests;
mod vector;
mod weights;

pub use scaler::Scaler;
pub use weights::{Siting, Weights};
