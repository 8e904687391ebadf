//! What the work of this room gives back while it runs.

use model::facts::{PictureFacts, SegmentFacts};
use std::io;
use std::time::Duration;

/// Opens the source again from its start. A track of sound is read twice.
pub type OpenSource<'a> = dyn FnMut() -> io::Result<Box<dyn libav::ByteSource>> + 'a;

/// Something that a chunk made.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// One rendition of a segment.
    Segment {
        /// Segment, from 0.
        segment: u32,
        /// Id of the rendition.
        rendition: String,
        /// The CMAF media segment.
        bytes: Vec<u8>,
        /// What is known of it; key and hash are set.
        facts: SegmentFacts,
    },
    /// What the frame pass saw; only from the group that leads.
    Pictures {
        /// Segment, from 0.
        segment: u32,
        /// What was measured.
        facts: PictureFacts,
        /// The sprite tiles, one after another; empty where there are none.
        tiles: Vec<u8>,
    },
    /// Everything of a segment was given.
    UnitDone {
        /// Segment, from 0.
        segment: u32,
        /// Output frames in every rendition of it.
        frames: u32,
        /// From its claim, or from the end of the segment before if that was later.
        elapsed: Duration,
    },
    /// Frames of a segment that were decoded and given to the encoders.
    Progress {
        /// Segment, from 0.
        segment: u32,
        /// Output frames so far.
        frames: u32,
    },
}

/// One segment of one output of a sound track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioChunk {
    /// Id of the output, such as `audio-0-aac2`.
    pub output: String,
    /// Content key of the output.
    pub key: String,
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The CMAF media segment.
    pub bytes: Vec<u8>,
}

/// A picture file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageBytes {
    /// SHA-256 of the bytes.
    pub sha256: String,
    /// The JPEG file.
    pub bytes: Vec<u8>,
}

/// Where the text of a track comes from.
pub enum TextInput {
    /// A stream of the source.
    Source(Box<dyn libav::ByteSource>),
    /// The bytes of a SubRip or WebVTT file.
    Sidecar(Vec<u8>),
}

/// SHA-256 of bytes, lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(bytes))
}
