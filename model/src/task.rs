//! Tasks, units and chunks. A task is a run of units: the units of an encode task are the segments
//! of its rendition group, every other task has exactly one. A chunk is a run of units of one task
//! with a cursor; it is what is leased, stolen and split. So lease, claim, commit, retry and
//! stealing are one mechanism for all work.

use crate::{ChunkId, Failure, NodeId, TaskId};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// What a task does. The details are in the job's ticket and plan.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TaskKind {
    /// Reads what the source is.
    Probe,
    /// Encodes the segments of a rendition group.
    Encode {
        /// Name of the group in the plan.
        group: String,
    },
    /// Makes all outputs of a sound track.
    Audio {
        /// Index in the plan.
        index: u32,
    },
    /// Makes a text track.
    Text {
        /// Index in the plan.
        index: u32,
    },
    /// Makes sprites and poster.
    Images,
    /// Evaluates the rules of the profile.
    Qc,
    /// Writes the files of the version.
    Package,
    /// Reads every byte of the version back and checks it.
    Verify,
}

impl TaskKind {
    /// The task's name inside its job.
    pub fn name(&self) -> String {
        match self {
            Self::Probe => "probe".to_owned(),
            Self::Encode { group } => format!("video-{group}"),
            Self::Audio { index } => format!("audio-{index}"),
            Self::Text { index } => format!("text-{index}"),
            Self::Images => "images".to_owned(),
            Self::Qc => "qc".to_owned(),
            Self::Package => "package".to_owned(),
            Self::Verify => "verify".to_owned(),
        }
    }
}

/// A task to be added to a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewTask {
    /// Its id; adding a task that exists changes nothing.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// Tasks of the same job that must be done before it may run.
    pub after: Vec<TaskId>,
    /// Number of units.
    pub units: u32,
    /// Ranges of units that the work starts with; they cover `0..units` without overlap.
    pub chunks: Vec<Range<u32>>,
    /// Expected seconds of work for one unit, until units of its cost class have been committed.
    pub unit_seconds: f64,
    /// Tasks whose units cost about the same share a class, from whose commits the store learns what a
    /// unit takes; empty where nothing is to be learned.
    pub cost_class: String,
    /// Digest of the build ids that a node must have; empty for any node.
    pub builds: String,
    /// Memory that a slot takes for a chunk of it; 0 when that is too little to count.
    pub slot_bytes: u64,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Waits for other tasks.
    Blocked,
    /// Has queued or running chunks.
    Open,
    /// Every unit is committed.
    Done,
    /// A chunk of it rests in the DLQ.
    Dead,
}

/// A task as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// Its id.
    pub id: TaskId,
    /// What it does.
    pub kind: TaskKind,
    /// Where it is.
    pub state: TaskState,
    /// Number of units.
    pub units: u32,
    /// Units that are committed.
    pub units_done: u32,
    /// Seconds of work for one unit as they were expected when it was added.
    pub unit_seconds: f64,
    /// Digest of the build ids that a node must have.
    pub builds: String,
    /// Memory that a slot takes for a chunk of it.
    #[serde(default)]
    pub slot_bytes: u64,
    /// Its chunks that are not finished.
    pub chunks: Vec<Chunk>,
    /// Committed units, ascending, with what is known of them.
    pub committed: Vec<(u32, UnitRecord)>,
    /// Why it is dead.
    pub failure: Option<Failure>,
}

/// A run of units with a cursor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Its id.
    pub id: ChunkId,
    /// The next unit that is not claimed.
    pub next: u32,
    /// End of the run, exclusive. A split lowers it.
    pub end: u32,
    /// Units that are claimed and not committed.
    pub claimed: Vec<u32>,
    /// Failed attempts that counted, but for those below.
    pub attempts: u32,
    /// Attempts that ended because there was no room.
    #[serde(default)]
    pub room_attempts: u32,
    /// Attempts that ended without a word from the node.
    #[serde(default)]
    pub silent_attempts: u32,
    /// Not offered before, in milliseconds since 1970.
    pub not_before_ms: u64,
    /// Node on which the last attempt failed; others are preferred.
    pub avoid: Option<NodeId>,
    /// Why the last attempt failed, whether that counted or not.
    #[serde(default)]
    pub last_failure: Option<Failure>,
    /// Who holds it.
    pub lease: Option<Lease>,
    /// The chunk that it was split from, for people.
    pub stolen_from: Option<ChunkId>,
}

/// The right to a chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lease {
    /// The holder.
    pub node: NodeId,
    /// The number that makes a stale holder harmless.
    pub token: Token,
    /// Ends then unless renewed, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// A fencing token: later grants are greater, also across a lost store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Token {
    /// Raised whenever the store was rebuilt or failed over.
    pub epoch: u32,
    /// Raised with every grant.
    pub counter: u64,
}

/// What a commit says of one unit. Small on purpose: the facts are in object storage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRecord {
    /// SHA-256 over the unit's facts: another digest for the same unit is an incident.
    pub digest: String,
    /// Digest of the codec configurations of all renditions of the group: must be equal for all units
    /// of an encode task. Empty for other tasks.
    pub config_digest: String,
    /// Output frames in the unit, 0 for other tasks.
    pub frames: u32,
    /// Node that did the work.
    pub node: NodeId,
    /// Milliseconds that it took, without those in which the unit before was made as well; 0 when it was
    /// found by its content key.
    pub elapsed_ms: u64,
    /// Whether it was found by its content key and not encoded.
    pub reused: bool,
}

/// A granted lease: what a node needs to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// The chunk.
    pub chunk: ChunkId,
    /// What to do.
    pub kind: TaskKind,
    /// Where the chunk starts and ends now.
    pub units: Range<u32>,
    /// The token for claims and commits.
    pub token: Token,
    /// Attempts so far that failed or ended without a word, waits for room left out.
    pub attempts: u32,
    /// Trace of the job, may be empty.
    pub traceparent: String,
}

/// Answer to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// The unit is the caller's to do.
    Unit(u32),
    /// Nothing is left to claim in this chunk.
    Drained,
    /// Other work comes first, or the job is paused: finish what is claimed and hand the chunk back.
    Yield,
    /// Another node has nothing to do and may have the rest: ask again when what is claimed is committed.
    Later,
    /// The lease is not the caller's any more.
    Lost,
}

/// What there is to do next, for the one who does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next<T> {
    /// This.
    One(T),
    /// Perhaps something, once everything that was begun is done.
    Later,
    /// No more.
    Nothing,
}

impl<T> From<Option<T>> for Next<T> {
    fn from(next: Option<T>) -> Self {
        next.map_or(Self::Nothing, Self::One)
    }
}

/// Answer to a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// The unit is now done by this commit; the lease holds.
    Accepted,
    /// The unit is now done by this commit, although the lease was lost: good bytes are not thrown away.
    Adopted,
    /// The unit was done before with the same digest.
    Already,
    /// The unit was done before with another digest, or its codec configuration differs from that of
    /// the task: refused, an incident.
    Conflict,
    /// The job has ended or was cancelled: nothing was changed.
    Gone,
}
