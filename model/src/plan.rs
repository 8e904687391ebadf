//! The plan of a job: everything that decides the output bytes, pinned. Written once to
//! `jobs/<job>/plan.json`; every task and every resume reads it and decides nothing anew.

use crate::frame_map::FrameMap;
use crate::grid::OutputGrid;
use crate::hdr::HdrTransfer;
use crate::job::Urgency;
use crate::profile::Profile;
use crate::rendition::Rendition;
use crate::source::{AudioTrack, FieldOrder, Orientation, TextTrack, VideoTrack};
use crate::{JobId, Rational, TenantId, TitleId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::Range;

/// Versions of everything that turns source bytes into output bytes, by name. Identity of output
/// holds between nodes whose ids are equal.
pub type BuildIds = BTreeMap<String, String>;

/// What was asked: `jobs/<job>/ticket.json`, written before the submitter gets an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The title it makes a version of.
    pub title: TitleId,
    /// Where the source is: a `file` or `s3` URL.
    pub source_url: String,
    /// Text tracks beside the source.
    pub sidecars: Vec<Sidecar>,
    /// The profile as it was when the job was accepted.
    pub profile: Profile,
    /// How urgent it was when it was accepted.
    #[serde(flatten)]
    pub urgency: Urgency,
    /// Chunks of it that may be held at a time; any number when `None`.
    #[serde(default)]
    pub held_max: Option<u32>,
    /// Where state changes are posted; empty for nowhere.
    pub webhook_url: String,
    /// W3C traceparent of the submitter, may be empty.
    pub traceparent: String,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_at_ms: u64,
}

/// A text file beside the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Where it is.
    pub url: String,
    /// BCP 47 language.
    pub language: String,
    /// Only foreign dialogue and signs.
    pub forced: bool,
    /// For the deaf and hard of hearing.
    pub hearing_impaired: bool,
}

/// What the probe task found: `jobs/<job>/probe.json`. The plan pins the builds of the node that
/// probed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probed {
    /// The source.
    pub source: crate::source::SourceInfo,
    /// Versions on the node that probed it.
    pub builds: BuildIds,
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The title.
    pub title: TitleId,
    /// Where the source is.
    pub source_url: String,
    /// SHA-256 of the source.
    pub source_sha256: String,
    /// Size of the source.
    pub source_size_bytes: u64,
    /// The profile.
    pub profile: Profile,
    /// Versions that all work of this job must match.
    pub builds: BuildIds,
    /// Pictures, where the source has any.
    pub video: Option<VideoPlan>,
    /// Sound tracks.
    pub audio: Vec<AudioPlan>,
    /// Text tracks.
    pub text: Vec<TextPlan>,
    /// Sprite tiles are cut from every so many output frames.
    pub tile_frames: u32,
    /// Length of the title: of its pictures, or of its longest sound track where it has none.
    pub duration: Rational,
    /// Borders of sound segments, in seconds, ascending: every segment holds the codec frames that
    /// start before its end.
    pub audio_borders: Vec<Rational>,
}

/// How pictures are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VideoPlan {
    /// The source track with its frame table.
    pub track: VideoTrack,
    /// What is done to every picture before it is scaled.
    pub filters: Filters,
    /// The grid.
    pub grid: OutputGrid,
    /// Which source frame each output frame shows.
    pub map: FrameMap,
    /// How the map came about, for people.
    pub map_reason: String,
    /// Renditions that are encoded together from one decode. The first group leads: it also emits
    /// sprite tiles and picture facts.
    pub groups: Vec<RenditionGroup>,
    /// The chunks that the work starts with, as ranges of segments; stealing splits them.
    pub chunks: Vec<Range<u32>>,
}

/// Renditions that share a decode.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenditionGroup {
    /// Its name, such as `h264` or `av1-2160p`; the task is `video-h264`.
    pub name: String,
    /// Its renditions, smallest first.
    pub renditions: Vec<Rendition>,
    /// Distance of keyframes in frames.
    pub keyframe_frames: u32,
    /// Pictures of the next segment that a segment's encoder is shown, so that it ends as one that goes
    /// on would. At most the next segment's.
    #[serde(default)]
    pub lookahead_frames: u32,
}

/// What is done to every decoded picture before it is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filters {
    /// The scan type that is made progressive; `None` leaves pictures as they are.
    pub deinterlace: Option<FieldOrder>,
    /// The turn that brings pictures upright.
    pub orientation: Orientation,
    /// How HDR becomes SDR; `None` leaves light as it is coded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tonemap: Option<ToneMap>,
}

/// How HDR becomes SDR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToneMap {
    /// How the source codes light.
    pub transfer: HdrTransfer,
    /// The brightest light to expect, in cd/m².
    pub peak_nits: u32,
}

/// How a sound track is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AudioPlan {
    /// Number of the track in the title; the task is `audio-<index>`.
    pub index: u32,
    /// The source track.
    pub track: AudioTrack,
    /// Container time, in seconds, that becomes 0 in the output: sound before it is cut, a later
    /// start is filled with silence.
    pub zero: Rational,
    /// What is made of it.
    pub outputs: Vec<AudioOutput>,
}

/// One output of a sound track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioOutput {
    /// Unique in the job, such as `audio-0-aac2`.
    pub id: String,
    /// Format.
    pub codec: AudioCodec,
    /// 2 or 6 channels.
    pub channels: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// Rate.
    pub bitrate_bps: u32,
}

/// A compressed sound format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC-LC.
    Aac,
    /// AC-3.
    Ac3,
}

/// How a text track is made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextPlan {
    /// Number of the track in the title; the task and the output are `text-<index>`.
    pub index: u32,
    /// The source track.
    pub track: TextTrack,
    /// Container time, in seconds, that becomes 0 in the output; 0 for sidecars.
    pub zero: Rational,
}

impl Plan {
    /// A group of renditions by name.
    pub fn group(&self, name: &str) -> Option<&RenditionGroup> {
        self.video
            .as_ref()?
            .groups
            .iter()
            .find(|group| group.name == name)
    }

    /// Whether a group emits sprite tiles and picture facts.
    pub fn leads(&self, name: &str) -> bool {
        self.video
            .as_ref()
            .and_then(|v| v.groups.first())
            .is_some_and(|first| first.name == name)
    }
}
