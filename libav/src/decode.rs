//! Decoding packets: pictures, samples, text.

mod ass;
mod audio;
mod context;
mod pixels;
mod samples;
mod text;
mod video;

pub(crate) use audio::EmptyLayout;
pub use audio::{AudioDecoder, AudioFrame, Channel};
pub use text::{TextCue, TextDecoder};
pub use video::{DecodedPicture, DecoderOptions, VideoDecoder};
