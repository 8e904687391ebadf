//! What the memory store keeps of jobs, tasks and chunks, and the transitions of a chunk as plain
//! functions on its record. Nothing here knows of queues or of time going by.

use super::queue::Summons;
use crate::rules::{self, FAILURES_MAX};
use crate::{Counts, DeadAttempt, Disposition};
use model::job::JobRecord;
use model::task::{Chunk, Lease, TaskKind, TaskState, Token, UnitRecord};
use model::{Failure, NodeId, TaskName};
use std::collections::{BTreeMap, BTreeSet};

/// A job with its tasks.
pub(super) struct Job {
    pub(super) record: JobRecord,
    /// Its number among all jobs, in the order of acceptance.
    pub(super) number: u64,
    /// Version at the last change that asks for a decision.
    pub(super) marked: u64,
    /// Version that was posted last.
    pub(super) posted: u64,
    /// Chunks of it that are held.
    pub(super) held: u32,
    pub(super) summons: Summons,
    /// Chunks that its tasks ever started with.
    pub(super) chunks: u64,
    pub(super) tasks: BTreeMap<TaskName, Task>,
    /// Names of tasks in the order in which they were added.
    pub(super) order: Vec<TaskName>,
    /// Tasks that wait, by the task that they wait for.
    pub(super) waiting: BTreeMap<TaskName, BTreeSet<TaskName>>,
}

/// A task with its units and chunks.
pub(super) struct Task {
    pub(super) kind: TaskKind,
    pub(super) state: TaskState,
    pub(super) units: u32,
    pub(super) unit_seconds: f64,
    pub(super) builds: String,
    pub(super) slot_bytes: u64,
    pub(super) cost_class: String,
    /// Tasks that are not done and that it waits for.
    pub(super) waits: usize,
    pub(super) committed: BTreeMap<u32, UnitRecord>,
    pub(super) chunks: BTreeMap<u32, ChunkRecord>,
    /// Number of the next chunk.
    pub(super) next_number: u32,
    /// Whether a person dropped a dead chunk, so that the task can never be done.
    pub(super) dropped: bool,
    pub(super) failure: Option<Failure>,
}

/// Where a chunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its task is blocked or its job has ended.
    Parked,
    /// Waits for a node.
    Queued,
    /// A node holds it.
    Held,
    /// In the DLQ since then.
    Dead { at_ms: u64 },
}

/// A chunk as the memory store keeps it.
pub(super) struct ChunkRecord {
    pub(super) chunk: Chunk,
    pub(super) standing: Standing,
    /// Units of it that are not committed, claimed ones included.
    pub(super) left: u32,
    /// Expected work of one unit in microseconds.
    pub(super) micros: u64,
    /// Where it stands among the chunks of its job; kept through retries.
    pub(super) place: u64,
    /// Whether its holder has claimed a unit of it.
    pub(super) is_begun: bool,
    /// Pace of its holder, in millionths.
    pub(super) pace: u64,
    /// When its holder claimed or committed a unit last, in milliseconds since 1970.
    pub(super) worked_at_ms: u64,
    /// Its grant, until the holder has committed a unit.
    pub(super) moved: Option<Moved>,
    /// Who held it last.
    pub(super) last: Option<NodeId>,
    pub(super) failures: Vec<DeadAttempt>,
}

/// A grant whose cost is to be learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    /// When it was granted.
    pub(super) at_ms: u64,
    /// Whether the node had the source at hand.
    pub(super) at_hand: bool,
}

impl Task {
    /// Whether its units are all committed.
    pub(super) fn is_complete(&self) -> bool {
        self.committed.len() == self.units as usize
    }

    /// Whether a chunk of it is dead or was dropped.
    pub(super) fn has_dead(&self) -> bool {
        let mut states = self.chunks.values().map(|record| record.standing);
        self.dropped || states.any(|state| matches!(state, Standing::Dead { .. }))
    }

    /// The unfinished chunk that a unit belongs to.
    pub(super) fn owner(&self, unit: u32) -> Option<u32> {
        let owns = |chunk: &Chunk| {
            chunk.claimed.contains(&unit) || (chunk.next..chunk.end).contains(&unit)
        };
        let found = self.chunks.iter().find(|(_, record)| owns(&record.chunk));
        found.map(|(number, _)| *number)
    }

    /// Units of a chunk that are not committed, ascending.
    pub(super) fn units_left(&self, record: &ChunkRecord) -> Vec<u32> {
        let unclaimed = record.chunk.next..record.chunk.end;
        let mut units = record.chunk.claimed.clone();
        units.extend(unclaimed.filter(|unit| !self.committed.contains_key(unit)));
        units.sort_unstable();
        units
    }
}

impl ChunkRecord {
    /// Units that are neither claimed nor committed.
    pub(super) fn free(&self) -> u32 {
        self.left - self.chunk.claimed.len() as u32
    }

    /// Whether a thief may have a part of it once it is held: its holder is busy with a unit, so the
    /// free ones really wait.
    pub(super) fn is_offered(&self) -> bool {
        self.free() > 0 && !self.chunk.claimed.is_empty()
    }

    /// Whether `token` is that of its lease, whose time may be over.
    pub(super) fn is_leased_by(&self, token: Token) -> bool {
        let lease = self.chunk.lease.as_ref();
        lease.is_some_and(|lease| lease.token == token)
    }

    pub(super) fn grant(&mut self, lease: Lease, pace: u64, moved: Moved) {
        self.chunk.lease = Some(lease);
        self.is_begun = false;
        self.pace = pace;
        self.moved = Some(moved);
        self.standing = Standing::Held;
    }

    /// Expected microseconds of its free units with its holder.
    pub(super) fn free_micros(&self) -> f64 {
        rules::paced(self.free(), self.micros, self.pace)
    }

    /// What a thief with this pace gets of it; see [`rules::stolen`].
    pub(super) fn stolen(&self, pace: u64, move_micros: f64, now_ms: u64) -> Option<u32> {
        let victim = rules::Victim {
            free: self.free(),
            claimed: self.chunk.claimed.len() as u32,
            unit_micros: rules::paced(1, self.micros, self.pace),
            quiet_ms: now_ms.saturating_sub(self.worked_at_ms),
        };
        rules::stolen(&victim, rules::paced(1, self.micros, pace), move_micros)
    }

    /// Claims the next unit that is not committed, if one is left.
    pub(super) fn claim(
        &mut self,
        committed: &BTreeMap<u32, UnitRecord>,
        now_ms: u64,
    ) -> Option<u32> {
        self.worked_at_ms = now_ms;
        if self.free() == 0 {
            return None;
        }
        while committed.contains_key(&self.chunk.next) {
            self.chunk.next += 1;
        }
        let unit = self.chunk.next;
        self.chunk.next += 1;
        self.chunk.claimed.push(unit);
        self.is_begun = true;
        Some(unit)
    }

    /// Notes that a unit of it is committed; answers whether nothing is left.
    pub(super) fn committed(&mut self, unit: u32) -> bool {
        self.chunk.claimed.retain(|claimed| *claimed != unit);
        self.left -= 1;
        self.left == 0
    }

    /// Ends the lease; claimed units are unclaimed. Committed units behind the cursor are skipped by
    /// the next claims.
    pub(super) fn end_lease(&mut self, standing: Standing) {
        if let Some(first) = self.chunk.claimed.iter().min() {
            self.chunk.next = *first;
        }
        self.chunk.claimed.clear();
        if let Some(lease) = self.chunk.lease.take() {
            self.last = Some(lease.node);
        }
        self.moved = None;
        self.standing = standing;
    }

    /// What went wrong before no longer counts.
    pub(super) fn forget_attempts(&mut self) {
        let chunk = &mut self.chunk;
        (chunk.attempts, chunk.room_attempts, chunk.silent_attempts) = (0, 0, 0);
    }

    /// Ends the lease with a failure.
    pub(super) fn fail(&mut self, attempt: DeadAttempt, disposition: Disposition, now_ms: u64) {
        let node = attempt.node.clone();
        self.chunk.last_failure = Some(attempt.failure.clone());
        self.failures.push(attempt);
        let excess = self.failures.len().saturating_sub(FAILURES_MAX);
        self.failures.drain(..excess);
        match disposition {
            Disposition::Dead => {
                self.chunk.attempts += 1;
                self.end_lease(Standing::Dead { at_ms: now_ms });
            }
            Disposition::Retry {
                delay,
                counts,
                elsewhere,
            } => {
                match counts {
                    Counts::Nothing => {}
                    Counts::Attempt => self.chunk.attempts += 1,
                    Counts::Room => self.chunk.room_attempts += 1,
                    Counts::Silent => self.chunk.silent_attempts += 1,
                }
                self.chunk.avoid = elsewhere.then_some(node);
                let delay_ms = crate::clock::milliseconds(delay);
                self.chunk.not_before_ms = now_ms.saturating_add(delay_ms);
                self.end_lease(Standing::Queued);
            }
        }
    }

    /// Takes so many of the last free units out of it, at least one, as a new chunk with that number.
    pub(super) fn split(
        &mut self,
        number: u32,
        taken: u32,
        committed: &BTreeMap<u32, UnitRecord>,
    ) -> Self {
        let free = (self.chunk.next..self.chunk.end).filter(|unit| !committed.contains_key(unit));
        let border = free
            .rev()
            .nth(taken.saturating_sub(1) as usize)
            .expect("free units lie between the cursor and the end");
        let mut id = self.chunk.id.clone();
        id.number = number;
        let chunk = Chunk {
            id,
            next: border,
            end: self.chunk.end,
            claimed: Vec::new(),
            attempts: self.chunk.attempts,
            room_attempts: self.chunk.room_attempts,
            silent_attempts: self.chunk.silent_attempts,
            not_before_ms: 0,
            avoid: None,
            last_failure: self.chunk.last_failure.clone(),
            lease: None,
            stolen_from: Some(self.chunk.id.clone()),
        };
        self.chunk.end = border;
        self.left -= taken;
        Self {
            chunk,
            standing: Standing::Queued,
            left: taken,
            micros: self.micros,
            place: self.place,
            is_begun: false,
            pace: self.pace,
            worked_at_ms: 0,
            moved: None,
            last: None,
            failures: self.failures.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
