//! Renditions: what one rung of the ladder is encoded as. Everything here is pinned by the plan
//! and hashed into the content key, so adding a field that changes bytes changes every key.

use crate::Rational;
use crate::hdr::HdrMetadata;
use crate::source::Color;
use serde::{Deserialize, Serialize};

/// A compressed video format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VideoCodec {
    /// ITU-T H.264.
    H264,
    /// ITU-T H.265.
    Hevc,
    /// AOMedia AV1.
    Av1,
}

impl VideoCodec {
    /// The short name used in rendition ids.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::Av1 => "av1",
        }
    }
}

impl VideoCodec {
    /// Frames by which every picture is shown after its decode time, before the edit list takes them
    /// back: the reordering depth of the encoders (x264 and x265 reorder by two pictures, with
    /// B-pyramids). It is the same in all segments of a rendition, so one edit list serves them. Negative
    /// composition offsets would need no edit list, but FFmpeg's reader mistimes those in fragments.
    pub const fn composition_delay_frames(self) -> u32 {
        match self {
            Self::H264 | Self::Hevc => 2,
            // Temporal units are in presentation order.
            Self::Av1 => 0,
        }
    }
}

/// Who encodes. One rendition never mixes families: one init segment serves all its segments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderFamily {
    /// libx264 through libav.
    X264,
    /// libx265 through libav.
    X265,
    /// The rav1e crate.
    Rav1e,
}

impl EncoderFamily {
    /// The name used in plans, reasons and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X264 => "x264",
            Self::X265 => "x265",
            Self::Rav1e => "rav1e",
        }
    }
}

/// One rung of the ladder as the planner pinned it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rendition {
    /// Unique in the job: codec and short edge, such as `h264-720p`.
    pub id: String,
    /// Format.
    pub codec: VideoCodec,
    /// Who encodes.
    pub family: EncoderFamily,
    /// Why this family was chosen, for people.
    pub family_reason: String,
    /// Coded width, even; samples are square.
    pub width: u32,
    /// Coded height, even.
    pub height: u32,
    /// Frames per second.
    pub frame_rate: Rational,
    /// Bits per component, 8 or 10.
    pub bit_depth: u8,
    /// Colour description that is signalled.
    pub color: Color,
    /// HDR metadata that is signalled; empty for SDR.
    #[serde(default, skip_serializing_if = "HdrMetadata::is_empty")]
    pub hdr: HdrMetadata,
    /// Rate control.
    pub rate: RateControl,
    /// Speed preset in the family's own words (`medium`, or rav1e's `8`).
    pub preset: String,
    /// Threads of one encoder; pinned because it changes the bytes.
    pub threads: u32,
}

/// How full the decoder's buffer is before the first picture of a segment, and must be again after its
/// last, in thousandths: then segments of any encodes may follow each other. With less, a segment where
/// the cap binds starts with fewer bits than a running encoder has.
pub const BUFFER_START_PERMILLE: u16 = 700;

/// Capped constant quality: the quality decides, the cap and the buffer bound the rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RateControl {
    /// CRF for x264 and x265, in hundredths (2300 is CRF 23); for rav1e the quantizer 0..255 in
    /// hundredths.
    pub quality_centi: u32,
    /// Highest rate into the decoder's buffer.
    pub maxrate_bps: u64,
    /// Size of the decoder's buffer.
    pub buffer_bits: u64,
}
