//! Decoding packets: pictures, samples, text.

mod context;
mod pixels;
mod video;

pub use video::{DecodedPicture, DecoderOptions, VideoDecoder};
