//! Facts: what is known of a committed segment, of its pictures and of a sound track. They are
//! written beside the bytes in object storage, so that losing Redis loses none of them.

use serde::{Deserialize, Serialize};

/// One committed segment of one rendition: `segments/<content key>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// Content key under which it is found again.
    pub key: String,
    /// SHA-256 of the segment's bytes; they are at `segments/<key>/<sha256>.m4s`.
    pub sha256: String,
    /// Size of the segment file.
    pub size_bytes: u64,
    /// Samples in it.
    pub frames: u32,
    /// Decode time of the first sample, in ticks of the track.
    pub base_decode_time: u64,
    /// Length in ticks of the track.
    pub duration: u64,
    /// Codec configuration of the encoder that made it: equal in all segments of a rendition.
    pub config: CodecConfig,
    /// Fullness of the decoder's buffer at the end, in thousandths, where the family has one.
    pub vbv_end_permille: Option<u16>,
    /// Quality steps that were given up to fit the buffer; 0 normally.
    pub quality_retries: u8,
}

/// What the init segment is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CodecConfig {
    /// Sample entry type: `avc1`, `hvc1`, `av01`, `mp4a`, `ac-3`.
    pub entry: String,
    /// The configuration record (avcC, hvcC, av1C, AudioSpecificConfig, dac3), hexadecimal.
    pub record: String,
    /// Codecs parameter of RFC 6381.
    pub codecs: String,
}

/// What the frame pass saw in one segment: stored like a segment, under a content key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFacts {
    /// Content key.
    pub key: String,
    /// First output frame.
    pub first_frame: u32,
    /// One entry for each output frame.
    pub frames: Vec<FrameFacts>,
    /// Luma thumbnail of the first frame, 32 x 18, hexadecimal: compared with the last one of the
    /// segment before, because a difference across the border depends on no chunk.
    pub first_thumb: String,
    /// Luma thumbnail of the last frame.
    pub last_thumb: String,
    /// Sprite tiles: output frame of each, in order.
    pub tiles: Vec<u32>,
    /// SHA-256 of the tiles' bytes (128 x 72, yuv420p, one after another), which are at
    /// `segments/<key>/<sha256>.tiles`; empty where there are none.
    pub tiles_sha256: String,
}

/// Luma statistics of one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameFacts {
    /// Mean luma, in 1/256.
    pub mean: u16,
    /// Lowest luma.
    pub min: u8,
    /// Highest luma.
    pub max: u8,
    /// Part of the picture that is black, in 1/65536, saturating.
    pub black: u16,
    /// Mean absolute difference to the frame before in this segment, in 1/256; absent for the first.
    pub difference: Option<u16>,
}

/// One finished sound track in one output format: `segments/<content key>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioFacts {
    /// Content key.
    pub key: String,
    /// Output, such as `audio-0-aac2`.
    pub id: String,
    /// Codec configuration.
    pub config: CodecConfig,
    /// Channels of the output.
    pub channels: u32,
    /// Samples per second; also the timescale.
    pub sample_rate: u32,
    /// Encoder delay in samples, skipped by the edit list.
    pub priming: u32,
    /// Samples that are heard, priming and padding not counted.
    pub samples: u64,
    /// Segments in order.
    pub segments: Vec<AudioSegment>,
    /// Loudness of the source as it would be heard through this output, before gain.
    pub source: LoudnessFacts,
    /// Loudness of what was given to the encoder.
    pub output: LoudnessFacts,
    /// Gain that was applied, in hundredths of a decibel.
    pub gain_centi_db: i32,
    /// Whether the true-peak limit held the gain back from the target.
    pub limited: bool,
    /// Silent stretches of the source: start and end in samples.
    pub silences: Vec<(u64, u64)>,
    /// Source samples at full scale.
    pub clipped_samples: u64,
}

/// One segment of a sound track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioSegment {
    /// SHA-256 of its bytes, at `segments/<key>/<sha256>.m4s`.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
    /// Decode time of the first sample, in ticks.
    pub base_decode_time: u64,
    /// Length in ticks.
    pub duration: u64,
}

/// BS.1770 measurements; absent where the programme is silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LoudnessFacts {
    /// Integrated loudness, in hundredths of LUFS.
    pub integrated_centi_lufs: Option<i32>,
    /// True peak, in hundredths of dBTP.
    pub true_peak_centi_dbtp: Option<i32>,
    /// Loudness range, in hundredths of LU.
    pub range_centi_lu: Option<i32>,
}

/// One text track in WebVTT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextFacts {
    /// Content key.
    pub key: String,
    /// Output, such as `text-0`.
    pub id: String,
    /// SHA-256 of the WebVTT file, at `segments/<key>/<sha256>.vtt`.
    pub sha256: String,
    /// Cues in it.
    pub cues: u32,
    /// Cues that could not be read and were left out.
    pub skipped: u32,
}

/// Sprites and poster of a title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// Content key.
    pub key: String,
    /// SHA-256 of each sheet, at `segments/<key>/<sha256>.jpg`.
    pub sheets: Vec<ImageFile>,
    /// Tiles in all sheets.
    pub tiles: u32,
    /// The poster.
    pub poster: Option<ImageFile>,
    /// Output frame that the poster shows.
    pub poster_frame: u32,
}

/// One picture file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFile {
    /// SHA-256 of the file.
    pub sha256: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}
