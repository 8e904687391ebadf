//! The catalog: which version of a title is published. One small object for each title, written
//! last; switching it is what publishing is, and writing an older version back is rolling back.

use crate::qc::Verdict;
use crate::{JobId, Rational, TenantId, TitleId};
use serde::{Deserialize, Serialize};

/// `catalog/<title>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CatalogEntry {
    /// The title.
    pub title: TitleId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The version that viewers get.
    pub version: u32,
    /// The job that made it.
    pub job: JobId,
    /// Path of the version's folder in storage, such as `titles/bunny/v3`.
    pub path: String,
    /// HLS multivariant playlist, relative to `path`.
    pub hls: String,
    /// DASH manifest, relative to `path`.
    pub dash: String,
    /// Length in seconds.
    pub duration: Rational,
    /// When it was switched, in milliseconds since 1970.
    pub published_at_ms: u64,
    /// Counts the switches of this title; a rollback raises it too.
    pub revision: u64,
    /// Versions that were published before, oldest first, and may be rolled back to.
    pub history: Vec<u32>,
    /// Trace of the job, may be empty.
    pub traceparent: String,
}

/// `titles/<title>/v<n>/version.json`: reserves the number, then says what is in the folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VersionFile {
    /// The job that fills the folder.
    pub job: JobId,
    /// The version.
    pub version: u32,
}

/// Result of the package task, `jobs/<job>/tasks/package.json`: every file of the version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageManifest {
    /// Folder of the version.
    pub path: String,
    /// HLS multivariant playlist, relative to `path`.
    pub hls: String,
    /// DASH manifest, relative to `path`.
    pub dash: String,
    /// Length in seconds.
    pub duration: Rational,
    /// Every file with its hash, ordered by path.
    pub files: Vec<PackagedFile>,
    /// One line for each rendition and sound track, for tables.
    pub tracks: Vec<PackagedTrack>,
}

/// One file of a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackagedFile {
    /// Path relative to the version's folder.
    pub path: String,
    /// SHA-256.
    pub sha256: String,
    /// Size.
    pub size_bytes: u64,
}

/// What a person wants to know of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackagedTrack {
    /// Rendition or output id.
    pub id: String,
    /// Codecs parameter.
    pub codecs: String,
    /// Width, 0 for sound and text.
    pub width: u32,
    /// Height, 0 for sound and text.
    pub height: u32,
    /// Samples: frames of pictures, codec frames of sound, cues of text.
    pub samples: u64,
    /// Mean rate.
    pub average_bps: u64,
    /// Highest rate of a segment.
    pub peak_bps: u64,
    /// Language, empty for pictures.
    pub language: String,
    /// Integrated loudness in hundredths of LUFS, for sound.
    pub loudness_centi_lufs: Option<i32>,
}

/// `jobs/<job>/report.json`: what came of a job. Written once, when the job ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The job as it ended.
    pub job: crate::job::JobRecord,
    /// What quality control said, where it came so far.
    pub verdict: Option<Verdict>,
    /// What was published.
    pub published: Option<CatalogEntry>,
}
