//! What the probe found in a source. Everything later is decided from these facts alone.

use crate::Rational;
use crate::hdr::{HdrMetadata, HdrTransfer};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// A probed source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SourceInfo {
    /// SHA-256 of the source's bytes, lower-case hexadecimal.
    pub sha256: String,
    /// Size of the source.
    pub size_bytes: u64,
    /// Short name of the demuxer, such as `mov,mp4,m4a,3gp,3g2,mj2`.
    pub container: String,
    /// The video track that is processed: the default one, else the one with most pixels.
    /// Attached pictures are never it.
    pub video: Option<VideoTrack>,
    /// All audio tracks in stream order.
    pub audio: Vec<AudioTrack>,
    /// All text tracks in stream order.
    pub text: Vec<TextTrack>,
    /// What was found and is left alone, for people: data tracks, attached pictures, further
    /// video tracks, odd metadata.
    pub notes: Vec<String>,
}

/// A video track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoTrack {
    /// Index of the stream in the container.
    pub stream: u32,
    /// libav's name of the codec, such as `h264`.
    pub codec: String,
    /// Coded width in samples, before rotation and aspect.
    pub width: u32,
    /// Coded height in samples.
    pub height: u32,
    /// Width of a sample divided by its height; 1 where the source does not say.
    pub sample_aspect: Rational,
    /// How the picture must be turned to be shown upright.
    pub orientation: Orientation,
    /// Progressive, or which field comes first.
    pub field_order: FieldOrder,
    /// libav's name of the pixel format, such as `yuv422p10le`.
    pub pixel_format: String,
    /// Bits per component.
    pub bit_depth: u8,
    /// Colour description.
    pub color: Color,
    /// What it says about high dynamic range.
    #[serde(default, skip_serializing_if = "HdrMetadata::is_empty")]
    pub hdr: HdrMetadata,
    /// Seconds per tick of the timestamps in `frames`.
    pub time_base: Rational,
    /// The container's own idea of the frame rate; a hint only.
    pub nominal_frame_rate: Option<Rational>,
    /// Every frame in presentation order.
    pub frames: FrameTable,
}

impl VideoTrack {
    /// Width and height as shown: square samples, turned upright. Not yet even.
    pub fn display_size(&self) -> (u32, u32) {
        let stretched = Rational::whole(i64::from(self.width))
            .checked_mul(self.sample_aspect)
            .map_or(i64::from(self.width), Rational::round);
        let width = u32::try_from(stretched).unwrap_or(self.width).max(1);
        if self.orientation.swaps_axes() {
            (self.height, width)
        } else {
            (width, self.height)
        }
    }

    /// The transfer function, where it is one of high dynamic range.
    pub fn hdr_transfer(&self) -> Option<HdrTransfer> {
        HdrTransfer::of(self.color.transfer)
    }
}

/// Clockwise turn, then optional left-right mirror, that brings a decoded picture upright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Orientation {
    /// Clockwise quarter turns, 0 to 3.
    pub quarter_turns: u8,
    /// Mirrored left to right after the turn.
    pub mirrored: bool,
}

impl Orientation {
    /// Whether width and height change places.
    pub fn swaps_axes(self) -> bool {
        self.quarter_turns % 2 == 1
    }
}

/// Scan type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOrder {
    /// Whole frames.
    Progressive,
    /// Interlaced, top field shown first.
    TopFirst,
    /// Interlaced, bottom field shown first.
    BottomFirst,
}

/// Colour description in the code points of ITU-T H.273; 2 means unspecified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color {
    /// ColourPrimaries.
    pub primaries: u8,
    /// TransferCharacteristics.
    pub transfer: u8,
    /// MatrixCoefficients.
    pub matrix: u8,
    /// Full range (0..255) instead of video range (16..235).
    pub full_range: bool,
}

impl Color {
    /// BT.709, video range.
    pub const BT709: Self = Self {
        primaries: 1,
        transfer: 1,
        matrix: 1,
        full_range: false,
    };
    /// Nothing known.
    pub const UNSPECIFIED: Self = Self {
        primaries: 2,
        transfer: 2,
        matrix: 2,
        full_range: false,
    };
}

/// Presentation times of all frames and where decoding may start.
///
/// The times are kept as runs of equal distance, because a film of two hours has 172,800 frames
/// and mostly one run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FrameTable {
    #[serde(deserialize_with = "bounded_runs")]
    runs: Vec<PtsRun>,
    /// Frames in presentation order at which a decoder may start, ascending.
    pub access_points: Vec<AccessPoint>,
    /// Presentation end of the last frame, in ticks.
    pub end_pts: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct PtsRun {
    first: i64,
    step: i64,
    count: u32,
}

impl PtsRun {
    /// The time of a frame of the run, or of one that would follow; `None` when no number holds it.
    fn at(&self, frame: u32) -> Option<i64> {
        let since = self.step.checked_mul(i64::from(frame))?;
        self.first.checked_add(since)
    }
}

/// Most frames of a table: 115 hours at 120 frames per second. A table comes from a process that parses
/// hostile bytes, and a few bytes of runs could claim more frames than there is memory.
pub const FRAMES_MAX: u32 = 50_000_000;

fn bounded_runs<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<PtsRun>, D::Error> {
    let runs = Vec::<PtsRun>::deserialize(from)?;
    let frames: u64 = runs.iter().map(|run| u64::from(run.count)).sum();
    let fits = |run: &PtsRun| run.at(run.count.saturating_sub(1)).is_some();
    if frames > u64::from(FRAMES_MAX) || !runs.iter().all(fits) {
        return Err(D::Error::custom(format!(
            "a table of {frames} frames is beyond the bounds"
        )));
    }
    Ok(runs)
}

/// A frame at which the container says that a decoder may start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessPoint {
    /// Index of the frame in presentation order.
    pub frame: u32,
    /// Timestamp to seek to: the decode time of its packet, in ticks.
    pub dts: i64,
}

impl FrameTable {
    /// Builds the table from presentation times in ascending order. Any times will do: they come from
    /// hostile bytes, and two may be further apart than a number can say.
    pub fn new(pts: &[i64], access_points: Vec<AccessPoint>, end_pts: i64) -> Self {
        let mut runs: Vec<PtsRun> = Vec::new();
        for &value in pts {
            if let Some(run) = runs.last_mut() {
                if run.count == 1
                    && let Some(step) = value.checked_sub(run.first)
                {
                    run.step = step;
                    run.count = 2;
                    continue;
                }
                if run.count > 1 && run.at(run.count) == Some(value) {
                    run.count += 1;
                    continue;
                }
            }
            runs.push(PtsRun {
                first: value,
                step: 0,
                count: 1,
            });
        }
        Self {
            runs,
            access_points,
            end_pts,
        }
    }

    /// Number of frames.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Whether there is no frame at all.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// All presentation times in ascending order.
    pub fn pts(&self) -> impl Iterator<Item = i64> + '_ {
        self.runs
            .iter()
            .flat_map(|run| (0..i64::from(run.count)).map(move |i| run.first + run.step * i))
    }

    /// Presentation time of one frame; `None` past the end.
    pub fn pts_of(&self, frame: u32) -> Option<i64> {
        let mut left = frame;
        for run in &self.runs {
            if left < run.count {
                return Some(run.first + run.step * i64::from(left));
            }
            left -= run.count;
        }
        None
    }

    /// The last access point at or before a frame.
    pub fn access_point_before(&self, frame: u32) -> Option<AccessPoint> {
        let after = self
            .access_points
            .partition_point(|point| point.frame <= frame);
        after.checked_sub(1).map(|index| self.access_points[index])
    }
}

/// An audio track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioTrack {
    /// Index of the stream in the container.
    pub stream: u32,
    /// libav's name of the codec.
    pub codec: String,
    /// Samples per second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u32,
    /// libav's name of the layout, such as `5.1(side)`.
    pub layout: String,
    /// BCP 47 language, `und` where unknown.
    pub language: String,
    /// Title of the track, may be empty.
    pub title: String,
    /// Whether the container marks it as the default.
    pub is_default: bool,
    /// Presentation time of its first sample, in seconds on the container's clock.
    pub start: Rational,
    /// Length in seconds as the container or its packets say.
    pub duration: Rational,
}

/// A text track, inside the source or beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextTrack {
    /// Where the text is.
    pub origin: TextOrigin,
    /// libav's name of the codec, such as `mov_text`, `subrip`, `webvtt`.
    pub codec: String,
    /// BCP 47 language, `und` where unknown.
    pub language: String,
    /// Title of the track, may be empty.
    pub title: String,
    /// Only foreign dialogue and signs.
    pub forced: bool,
    /// For the deaf and hard of hearing.
    pub hearing_impaired: bool,
}

/// Where a text track comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TextOrigin {
    /// A stream of the source, by index.
    Stream(u32),
    /// A file of its own, by URL.
    Sidecar(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_table_gives_back_what_it_was_built_from() {
        let pts = [0, 1001, 2002, 3003, 3100, 9000, 9001, 9002];
        let points = vec![
            AccessPoint { frame: 0, dts: 0 },
            AccessPoint {
                frame: 4,
                dts: 3000,
            },
        ];
        let table = FrameTable::new(&pts, points, 9003);
        assert_eq!(table.pts().collect::<Vec<_>>(), pts);
        assert_eq!(table.len(), 8);
        assert_eq!(table.pts_of(4), Some(3100));
        assert_eq!(table.pts_of(8), None);
        assert_eq!(table.access_point_before(3).unwrap().frame, 0);
        assert_eq!(table.access_point_before(4).unwrap().frame, 4);
        let text = serde_json::to_string(&table).unwrap();
        assert_eq!(serde_json::from_str::<FrameTable>(&text).unwrap(), table);
    }

    #[test]
    fn times_at_the_ends_of_what_a_number_holds_are_kept() {
        for pts in [
            vec![i64::MIN, i64::MAX],
            vec![i64::MIN, 0, i64::MAX],
            vec![-2, i64::MAX - 1, i64::MAX],
            vec![i64::MAX - 2, i64::MAX - 1, i64::MAX],
            vec![i64::MAX, i64::MIN, i64::MAX],
        ] {
            let table = FrameTable::new(&pts, Vec::new(), i64::MAX);
            assert_eq!(table.pts().collect::<Vec<_>>(), pts);
            let text = serde_json::to_string(&table).unwrap();
            assert_eq!(serde_json::from_str::<FrameTable>(&text).unwrap(), table);
        }
    }

    #[test]
    fn a_table_that_claims_more_frames_than_there_is_memory_is_refused() {
        for runs in [
            r#"{"first":0,"step":1,"count":4000000000}"#,
            r#"{"first":9223372036854775807,"step":1,"count":2}"#,
        ] {
            let text = format!(r#"{{"runs":[{runs}],"access_points":[],"end_pts":0}}"#);
            assert!(serde_json::from_str::<FrameTable>(&text).is_err(), "{runs}");
        }
    }

    #[test]
    fn a_steady_film_is_one_run() {
        let pts: Vec<i64> = (0..172_800).map(|i| i * 512).collect();
        assert_eq!(FrameTable::new(&pts, Vec::new(), 0).runs.len(), 1);
    }
}
