//! What agent and worker say to each other. Headers only; a comment says what the payload is.

use crate::sandbox::Proof;
#[cfg(debug_assertions)]
use crate::sandbox::misbehave::Misbehaviour;
use model::Failure;
use model::facts::{PictureFacts, SegmentFacts};
use model::task::Next;
use serde::{Deserialize, Serialize};

/// The worker's first frame.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    /// How it is confined.
    pub(crate) proof: Proof,
}

/// The one request of a worker's life. Payload: the plan as JSON; for `Text` a ticket needs no more
/// than the plan either; empty for `Probe`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What to do.
    pub(crate) work: Work,
    /// Bytes of the source that may be read.
    pub(crate) source_bytes: u64,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Work {
    /// Say what the source is.
    Probe,
    /// Encode the segments that are handed out.
    Chunk {
        /// Rendition group of the plan.
        group: String,
    },
    /// Make all outputs of a sound track.
    Audio {
        /// Index in the plan.
        index: u32,
    },
    /// Make a text track; the source is the sidecar where the track is one.
    Text {
        /// Index in the plan.
        index: u32,
    },
    /// Make sprites and poster. So many [`Tiles`] frames follow, one for each segment.
    Images {
        /// Segments of the title.
        segments: u32,
    },
    /// Break.
    #[cfg(debug_assertions)]
    Misbehave(Misbehaviour),
}

/// Follows an `Images` request. Payload: the tiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tiles {
    /// Facts of the segment.
    pub(crate) facts: PictureFacts,
}

/// The agent's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// To `Read`. Payload: the bytes, fewer than asked for only at the end.
    Data,
    /// To `Claim`.
    Claimed {
        /// The segment to encode.
        next: Next<u32>,
    },
}

/// What a worker says while it works.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    /// Wants a range of the source; one at a time.
    Read {
        /// First byte.
        offset: u64,
        /// At most [`READ_BYTES_MAX`].
        bytes: u32,
    },
    /// Wants another segment; one at a time.
    Claim,
    /// A segment of a rendition is ready. Payload: its bytes.
    Segment {
        /// Which segment.
        segment: u32,
        /// Which rendition.
        rendition: String,
        /// What is known of it.
        facts: Box<SegmentFacts>,
    },
    /// The pictures of a segment were looked at. Payload: the sprite tiles.
    Pictures {
        /// Which segment.
        segment: u32,
        /// What was seen.
        facts: Box<PictureFacts>,
    },
    /// Everything of a segment was said.
    UnitDone {
        /// Which segment.
        segment: u32,
    },
    /// Still working.
    Progress {
        /// Which segment.
        segment: u32,
        /// Output frames of the segment that are done.
        done: u32,
    },
    /// A part of the result. Payload: its bytes.
    Piece {
        /// Output that it belongs to, such as `audio-0-aac2`.
        output: String,
    },
    /// The end. Payload: the result as JSON.
    Done,
    /// The end, without a result.
    Failed(Failure),
}

/// Longest range that is read at once.
pub(crate) const READ_BYTES_MAX: u32 = 1 << 20;
