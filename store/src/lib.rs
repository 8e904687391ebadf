//! Every atomic operation of the farm, each with its guarantee. Two backends: `memory` serves one
//! process, the simulation and tests; `redis` serves the farm. One contract suite runs on both.
//!
//! Redis coordinates; object storage is the truth. Nothing here holds media bytes or facts, only who
//! may do what and what is done. Times come from the store's own clock, never from a caller's.

mod clock;
pub mod error;
pub mod faulty;
pub mod memory;
mod outbox;
mod page;
pub mod redis;
mod rules;
#[cfg(test)]
mod tests;

pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, Result};
pub use outbox::{Delivery, Notice, Posted};
pub use rules::{LEAD_SECONDS, OLDEST_TURN};

use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Phase, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Result of [`Store::submit`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitted {
    /// The job is new.
    New,
    /// A job with this id exists; nothing was changed.
    Exists,
}

/// One step of a job's life, done if the job is still in the phase it was decided in.
#[derive(Debug, Clone, PartialEq)]
pub struct Advance {
    /// The phase that the decision was made in.
    pub from: Phase,
    /// The phase after it; may be the same.
    pub to: Phase,
    /// Tasks to add. Those that exist already are left as they are.
    pub add: Vec<NewTask>,
    /// Why the job failed or was rejected.
    pub failure: Option<Failure>,
    /// Version of the title that the job fills, once it is known.
    pub title_version: Option<u32>,
}

/// A job that needs a decision, held for a moment by one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// The job.
    pub job: JobId,
    /// Its version when it was handed out.
    pub version: u64,
}

/// What a failure leads to; decided by the scheduler's retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disposition {
    /// The chunk is queued again, not before `delay`.
    Retry {
        /// Time to wait.
        delay: Duration,
        /// What the attempt counts as.
        counts: Counts,
        /// Whether other nodes are preferred.
        elsewhere: bool,
    },
    /// The chunk goes to the DLQ and its task is dead.
    Dead,
}

/// Which count of a chunk an attempt raises. A wait for room is no failed attempt, so that waits and
/// failures do not add up to a dead chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counts {
    /// None.
    Nothing,
    /// [`model::task::Chunk::attempts`].
    Attempt,
    /// [`model::task::Chunk::room_attempts`].
    Room,
    /// [`model::task::Chunk::silent_attempts`].
    Silent,
}

/// State of a lease that a node asked to renew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Renewed {
    /// Renewed for another TTL.
    Held,
    /// Ended or taken away: stop the work.
    Lost,
}

/// Answer of [`Store::losses`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Losses {
    /// Nodes that lost a lease, each once.
    pub nodes: Vec<NodeId>,
    /// When that was so; where the next question goes on, in milliseconds since 1970.
    pub until_ms: u64,
}

/// A lease that ended without a word from its holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// The chunk.
    pub chunk: ChunkId,
    /// The token of the lease that ended.
    pub token: Token,
    /// Who held it.
    pub node: NodeId,
    /// [`model::task::Chunk::silent_attempts`] before this one.
    pub silent_attempts: u32,
    /// When somebody who held the chunk claimed or committed something last, in milliseconds since 1970.
    pub worked_at_ms: u64,
}

/// A chunk that rests until a person acts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadChunk {
    /// The chunk.
    pub chunk: ChunkId,
    /// Units of it that are not done.
    pub units: Vec<u32>,
    /// The failures of its attempts, oldest first; bounded to the last eight.
    pub failures: Vec<DeadAttempt>,
    /// When it came here, in milliseconds since 1970.
    pub dead_at_ms: u64,
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeadAttempt {
    /// Where it ran.
    pub node: NodeId,
    /// When it failed, in milliseconds since 1970.
    pub at_ms: u64,
    /// Why.
    pub failure: Failure,
}

/// How much there is to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct QueueDepth {
    /// Jobs that are not in a final phase.
    pub jobs: u64,
    /// Chunks that wait for a node.
    pub chunks_queued: u64,
    /// Chunks that wait for a person to let their paused jobs go on.
    pub chunks_paused: u64,
    /// Chunks that a node holds.
    pub chunks_held: u64,
    /// Units not committed of chunks that wait for a node or are held.
    pub units_left: u64,
    /// Expected seconds of work in those units.
    pub seconds_left: f64,
    /// Chunks in the DLQ.
    pub dead: u64,
}

/// What a node asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// The node.
    pub node: NodeId,
    /// Digest of its build ids; tasks that name another digest are not offered.
    pub builds: String,
    /// How long the lease lasts without a renewal.
    pub ttl: Duration,
    /// Memory of the node that no slot has taken; chunks that need more are not offered.
    pub room_bytes: u64,
    /// Jobs whose source the node has at hand, so that starting on them costs it less; those past
    /// [`AT_HAND_MAX`] are left out.
    pub at_hand: Vec<JobId>,
    /// Whether it may take a part of a chunk that another node holds.
    pub steal: Steal,
}

/// A tenant's part of the farm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Work that it gets while others wait too, in proportion; 1 to [`WEIGHT_MAX`].
    pub weight: u32,
    /// Chunks of it that may be held at a time; any number when `None`.
    pub held_max: Option<u32>,
}

/// Most jobs in a [`Want`] that are at hand.
pub const AT_HAND_MAX: usize = 16;

/// Largest weight of a tenant.
pub const WEIGHT_MAX: u32 = 1000;

impl Default for Share {
    fn default() -> Self {
        Self {
            weight: 1,
            held_max: None,
        }
    }
}

/// Whether a take may split a held chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Steal {
    /// Queued chunks only.
    Never,
    /// When no queued chunk fits: the second half of the unclaimed part of the richest held chunk
    /// whose holder has at least one unit claimed. A holder that has claimed nothing is about to claim,
    /// and work that changes hands before anyone starts on it would go round between idle slots.
    /// A single unclaimed unit is taken whole; the victim keeps what it has claimed.
    ///
    /// Richest is what is expected to take longest where it is held, less what moving it costs. All is
    /// learned from commits: what the units of a chunk take, how fast a node is, and what a move costs to a
    /// node that has the source at hand and to one that has not. A thief that is slower than the victim gets
    /// less than half, a faster one more, and nobody gets what would then not be done sooner.
    WhenIdle,
}

/// The store. Every method is one atomic step: it happens whole or not at all, and callers on other
/// machines see it before or after, never half. Every method may be repeated after an
/// [`Error::Unavailable`], when the caller does not know whether it happened; what a repetition then
/// does is stated.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Raises the epoch, never lowers it: tokens that are granted and versions of jobs that are submitted
    /// from now on are greater than all of lower epochs. May be repeated.
    async fn raise_epoch(&self, epoch: u32) -> Result<()>;

    /// Adds a job in phase `Probing` with its first tasks. It needs a decision at once if there are none, else
    /// when the first of them ends: those that wait in a long queue keep no other job from being decided
    /// about. A repetition answers `Exists`.
    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted>;

    /// Adds a job that has ended, as a store knew it that is lost: it is listed, has no tasks and needs no
    /// decision. [`Error::Conflict`] when it has not ended. One that is known stays as it is, so also on
    /// a repetition, which answers `Exists`.
    async fn restore(&self, job: &JobRecord) -> Result<Submitted>;

    /// The job; [`Error::NotFound`] when there is none.
    async fn job(&self, job: &JobId) -> Result<JobRecord>;

    /// Jobs, newest first. `page` is empty or the `next` of the page before, else it is an
    /// [`Error::Conflict`]. Each job is shown as it was when it was looked at; a page is no one moment. A
    /// page for which many jobs were looked at in vain has fewer than `limit`, or none, and a `next`.
    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage>;

    /// The tasks of a job with their unfinished chunks and committed units.
    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>>;

    /// Takes a step if the job is still in `advance.from`; answers whether it did. Tasks are added in
    /// the same step: blocked until all of `after` are done, else their chunks are queued. A final
    /// phase takes the job's chunks out of the queue and ends their leases, of which `losses` tells. A
    /// repetition finds another phase and answers false, or changes nothing where `from` equals `to`.
    /// [`Error::Conflict`] when no step may lead so ([`Phase::leads_to`]), wherever the job is, and when a
    /// task is not of this job or its chunks do not cover its units.
    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool>;

    /// Leads a failed job back to the phase it failed in: its dead chunks are queued again with no
    /// attempts counted, and it is not paused. [`Error::Conflict`] when the job has not failed, so also on a repetition, and
    /// when one of its dead chunks was dropped.
    async fn revive(&self, job: &JobId) -> Result<()>;

    /// Removes a job in a final phase with everything that is kept of it; [`Error::Conflict`] while
    /// it is in another phase. An unknown job is as good as removed, so a repetition does nothing.
    async fn forget(&self, job: &JobId) -> Result<()>;

    /// Takes a job that changed since it was last settled, and holds it for `hold`, so that one caller
    /// at a time decides about it. `None` when there is none. The job that is due for longest comes
    /// first. A repetition finds another job or none; the first comes again after its hold.
    async fn attend(&self, hold: Duration) -> Result<Option<Attention>>;

    /// Says that a job was decided about. If it changed meanwhile it stays in need of attention.
    async fn settle(&self, attention: &Attention) -> Result<()>;

    /// Marks a job as in need of attention after `delay`; the earlier of two nudges stands. A nudge
    /// that comes due while the job is held waits for the end of the hold.
    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()>;

    /// Sets a tenant's part of the farm; it is [`Share::default`] until then. May be repeated.
    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()>;

    /// Makes a job more or less urgent, from the next grant or claim on. May be repeated.
    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()>;

    /// Pauses a job or lets it go on. Chunks of a paused job are not granted, and their holders are told
    /// to hand them back at the next claim. [`Error::Conflict`] when the job has ended. May be repeated.
    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()>;

    /// Grants a chunk: a queued one, else, if asked, a part of a held one, which is offered only while its
    /// holder has a unit claimed ([`Steal::WhenIdle`]).
    ///
    /// Of the queued ones, the tenant comes first that got the least work for its weight (start-time fair
    /// queuing: Goyal, Vin, Cheng, "Start-time Fair Queuing", SIGCOMM 1996; a tenant that had nothing
    /// queued starts level with the one that was served last); of its jobs the most urgent, then the
    /// oldest; of the job's chunks the first, before it those that this node held last. Each [`OLDEST_TURN`]th grant of a tenant is for its oldest
    /// job instead, so no job waits for ever behind more urgent ones. Jobs and tenants that hold as many
    /// chunks as they may are passed over.
    ///
    /// A node that drains gets none. A chunk that failed on a node and shall be tried
    /// elsewhere is not offered to it while another node that could run it was seen within 10 s.
    /// A repetition may grant another chunk; the first lease then ends by itself.
    async fn take(&self, want: &Want) -> Result<Option<Grant>>;

    /// Claims the next unit of a held chunk that is not committed. At most two units are claimed and
    /// not committed at a time ([`Error::Conflict`]). While one is, and one who asked for work and may have
    /// the rest went away with nothing in the last 3 s, the answer is `Later`, and the rest may be stolen. The unit's expected seconds are charged to the tenant.
    ///
    /// After its first unit a holder is told to `Yield` when a job of the same tenant that is queued for
    /// this node overtakes this one ([`Urgency::overtakes`]), or when this tenant is [`LEAD_SECONDS`] ahead
    /// of another whose job is. No more holders are told so for a job than it has chunks queued, and the
    /// node's next take is for that job.
    /// A repetition may claim another unit, and the first is then claimed with nobody working on it.
    /// So a holder that is told `Drained` or gets the conflict, and that has committed all that it
    /// knows of, releases the chunk: this does nothing if the chunk is finished.
    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim>;

    /// Marks a unit as done. The commit of a task's last unit makes the task done and queues what
    /// waited for it in the same step. A chunk with nothing left is finished and its lease ends.
    /// `Accepted` sets both counts of the chunk back to none: only failures with no work between them
    /// add up. The failures that are kept for people stay. `Adopted` resets nothing.
    /// A repetition answers `Already`.
    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed>;

    /// Renews leases and notes a sign of life of the node. A lease whose time is over lives again unless
    /// it was ended: whoever was away, its holder or the farm, still has it if it comes back in time.
    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>>;

    /// The nodes of which an `advance` ended leases at `since_ms` or later, but less than a minute ago: what
    /// they would only hear with their next renewal. What happens in the millisecond of the answer is told
    /// of again in the next one.
    async fn losses(&self, since_ms: u64) -> Result<Losses>;

    /// Hands a chunk back without a failure: its claimed units are unclaimed, it is queued at once.
    /// A stale token changes nothing.
    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()>;

    /// Ends a lease with a failure. A stale token changes nothing and answers false, so also a
    /// repetition.
    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool>;

    /// Leases whose time is over, at most `limit`. They stay until `expire`, `fail` or `release` is called
    /// with their token. Where nobody asked for half of `grace`, the store or all schedulers were away and
    /// no holder could renew: what ended in that gap is told of when `grace` has passed since it, or after
    /// the next gap. So each call is noted, and made by nobody but those who end leases.
    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>>;

    /// As `fail`, unless the lease is no longer as it was told of: renewed since, or its holder claimed or
    /// committed something. Then it answers false too.
    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool>;

    /// Adds or replaces a node. One that drained and was seen within 60 s still drains, also when its
    /// process was restarted meanwhile; any other that registers does not drain: a node that shall work
    /// again stays away for longer or comes with another id. Nodes that were silent for a day and hold
    /// nothing are forgotten.
    async fn register(&self, node: &NodeInfo) -> Result<()>;

    /// All nodes that were seen within `within`, by id.
    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>>;

    /// Tells a node to finish what it holds and take nothing new.
    async fn drain(&self, node: &NodeId) -> Result<()>;

    /// The DLQ, oldest first.
    async fn dead(&self) -> Result<Vec<DeadChunk>>;

    /// Removes a chunk from the DLQ for good; its job stays failed. [`Error::NotFound`] when it is
    /// not there, so also on a repetition.
    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()>;

    /// Queues a notice about a job for its receiver, unless one of this version of the job or of a later
    /// one was queued before, so also on a repetition. Where there is no room, one that tells of an end
    /// takes the place of the receiver's oldest that does not and that is not its first.
    async fn post(&self, notice: &Notice) -> Result<Posted>;

    /// The first notice of the receiver that is due for longest, and holds that receiver for `hold`, so
    /// that it gets one notice at a time and in order. `None` when none is due. A repetition finds
    /// another receiver or none; the first comes again after its hold. A receiver whose queue was lost is
    /// forgotten.
    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>>;

    /// Takes a notice off the queue of its receiver, which is due at once with what is left. Does
    /// nothing if the notice is not its first, so also on a repetition.
    async fn delivered(&self, delivery: &Delivery) -> Result<()>;

    /// Puts a receiver off for `delay` and counts that. Does nothing if the notice is not its first.
    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()>;

    /// How much there is to do.
    async fn depth(&self) -> Result<QueueDepth>;

    /// What is left of each job that has not ended, newest first, in pages like those of [`Self::jobs`].
    /// Units count what those of their cost class are known to take now, which chunks that were added
    /// before follow only with their next commit: sums differ a little from [`Self::depth`].
    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage>;

    /// Milliseconds since 1970 on the store's clock.
    async fn now_ms(&self) -> Result<u64>;
}
