//! Writes init and media segments. Bytes are a function of the arguments alone.
//!
//! Tracks start at presentation time zero by an edit list, which takes back what the encoder delays:
//! reordered pictures, and the priming of sound. Negative composition offsets (`trun` version 1) are
//! written where a caller gives them; the farm does not, because FFmpeg mistimes them in fragments.

mod boxes;
mod init;
mod sample_entry;
mod segment;

pub use init::init_segment;
pub use segment::media_segment;

use crate::codec_config::CodecConfig;
use model::hdr::HdrMetadata;
use model::source::Color;

/// What an init segment says of its one track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackInit {
    /// Pictures or sound.
    pub kind: TrackKind,
    /// Ticks per second.
    pub timescale: u32,
    /// BCP 47 tag; `und` where the track has no language.
    pub language: String,
    /// Configuration of the decoder.
    pub config: CodecConfig,
    /// Media time in ticks at which presentation starts: the encoder delay of sound. `None` writes
    /// no edit list.
    pub edit: Option<u64>,
}

/// The medium of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrackKind {
    /// Pictures with square samples.
    Video {
        /// Width in samples, at most 65535.
        width: u32,
        /// Height in samples, at most 65535.
        height: u32,
        /// Colour description for the `colr` box.
        color: Color,
        /// HDR metadata for the `mdcv` and `clli` boxes; what is not known is not written.
        hdr: HdrMetadata,
    },
    /// Sound.
    Audio {
        /// Channels that are heard.
        channels: u32,
        /// Samples per second, at most 65535.
        sample_rate: u32,
    },
}

/// A media segment: one fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// `mfhd` sequence number; segments of a track count from 1.
    pub sequence_number: u32,
    /// `tfdt`: decode time of the first sample in ticks.
    pub base_decode_time: u64,
    /// Samples in decode order; at least one.
    pub samples: Vec<Sample>,
}

/// One sample in the form of its ISO binding: length-prefixed NAL units, OBUs without delimiters,
/// raw AAC frames, AC-3 sync frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Bytes.
    pub data: Vec<u8>,
    /// Ticks until the next sample is decoded.
    pub duration: u32,
    /// Presentation time less decode time, in ticks; may be negative.
    pub composition_offset: i32,
    /// Whether decoding may start here.
    pub is_sync: bool,
}

/// `sample_flags` (ISO/IEC 14496-12 8.8.3.1) of a sample that depends on no other.
pub(crate) const FLAGS_SYNC: u32 = 0x0200_0000;
/// `sample_flags` of a sample that depends on others.
pub(crate) const FLAGS_NON_SYNC: u32 = 0x0101_0000;

#[cfg(test)]
mod tests;
