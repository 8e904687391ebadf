//! Decoder and encoder seams with their candidate tables.
//!
//! Not here: which family a rendition uses (the planner pins it) and containers. The one fact to
//! know: a family that a plan names is opened or refused, never replaced by another one, because
//! one init segment serves all segments of a rendition.

#![forbid(unsafe_code)]

mod decode;
mod encode;
mod error;

pub use decode::{Decoder, open_decoder};
pub use encode::{EncodeOptions, Encoder, open_encoder};
pub use error::{Error, Result};
pub use libav::{DecodedPicture, DecoderOptions, EncodedPacket};
