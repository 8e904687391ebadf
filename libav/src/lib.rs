//! The only room that touches FFmpeg's libraries: demux, decode, audio, software encoders.
//!
//! Not here: decisions. What to decode, how to scale and what a failure means for a job is decided
//! elsewhere. The one fact to know: nothing here opens a file or a network connection; all bytes
//! come through [`ByteSource`], so the crate works inside a sandbox that has neither.

// FFmpeg is a C library; every unsafe block says why it holds, and the public API is safe.
#![allow(unsafe_code)]

mod sys;

mod error;
mod log;

mod avio;
mod build_ids;
mod byte_source;
mod cpu;
mod dictionary;
mod frame_handle;
mod hdr;
mod memory;
mod packet;
mod resample;

mod decode;
mod demux;
mod encode;

pub use build_ids::{BuildIds, build_ids};
pub use byte_source::{ByteSource, FileSource, MemorySource};
pub use cpu::{CpuBaseline, CpuLimit, limit_cpu_flags, pin_cpu_flags};
pub use decode::{
    AudioDecoder, AudioFrame, Channel, DecodedPicture, DecoderOptions, TextCue, TextDecoder,
    VideoDecoder,
};
pub use demux::{CodecParameters, Demuxer, Disposition, StreamInfo, StreamKind};
pub use encode::{
    AudioCodec, AudioEncoder, AudioEncoderSettings, EncodedPacket, VideoEncoder, VideoEncoderKind,
    VideoEncoderSettings,
};
pub use error::{Error, Result};
pub use hdr::DolbyVision;
pub use log::recent_log;
pub use memory::return_freed_memory;
pub use packet::Packet;
pub use resample::Resampler;
