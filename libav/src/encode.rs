//! The software encoders of libav: H.264 and HEVC pictures, AAC and AC-3 sound.

mod audio;
mod context;
mod params;
mod settings;
mod video;

pub use audio::{AudioCodec, AudioEncoder, AudioEncoderSettings};
pub use context::EncodedPacket;
pub use settings::{VideoEncoderKind, VideoEncoderSettings};
pub use video::VideoEncoder;
