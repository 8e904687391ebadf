//! The work itself: granting, claiming and committing.

use super::queue::{Asks, avoids};
use super::record::{ChunkRecord, Standing};
use super::state::State;
use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::rules::{CLAIMS_MAX, LOOK_MAX};
use crate::{Steal, Want};
use model::ChunkId;
use model::task::{Claim, Committed, Grant, Lease, TaskState, Token, UnitRecord};

impl State {
    pub(super) fn take(&mut self, want: &Want, now_ms: u64) -> Option<Grant> {
        if let Some(node) = self.nodes.get_mut(&want.node) {
            node.seen_at_ms = now_ms;
            if node.draining {
                return None;
            }
        }
        for (_, chunk) in self.delayed.up_to(now_ms, LOOK_MAX) {
            self.index(&chunk, now_ms);
        }
        let asks = Asks::of(want, now_ms);
        let found = self.find_queued(&asks).or_else(|| match want.steal {
            Steal::Never => None,
            Steal::WhenIdle => self.split_richest(&asks),
        });
        self.grant(&found?, want, now_ms)
    }

    /// Splits the richest held chunk that the node need not avoid; gives the new half.
    fn split_richest(&mut self, asks: &Asks<'_>) -> Option<ChunkId> {
        let mut found = None;
        for builds in asks.offered() {
            let rich = self.rich.get(builds).into_iter();
            let first = rich.flat_map(|rich| rich.iter()).take(LOOK_MAX);
            let mut fit = first.filter(|(_, id)| self.may_split(id, asks));
            if let Some(candidate) = fit.next() {
                found = Some(found.map_or(candidate, |best| std::cmp::min(best, candidate)));
            }
        }
        let victim = found.map(|(_, id)| id.clone())?;
        let task = self.task_mut(&victim)?;
        let number = task.next_number;
        task.next_number += 1;
        let half = task
            .chunks
            .get_mut(&victim.number)?
            .split(number, &task.committed);
        let id = half.chunk.id.clone();
        task.chunks.insert(number, half);
        self.index(&victim, asks.now_ms);
        Some(id)
    }

    /// Whether a part of a held chunk may go to the one who asks. It is held elsewhere, so there is an
    /// elsewhere for one that the node should avoid.
    fn may_split(&self, id: &ChunkId, asks: &Asks<'_>) -> bool {
        self.may_grant(&id.task.job)
            && self.fits(id, asks)
            && self
                .chunk(id)
                .is_some_and(|record| !avoids(record, asks.node))
    }

    fn grant(&mut self, id: &ChunkId, want: &Want, now_ms: u64) -> Option<Grant> {
        self.grants += 1;
        let token = Token {
            epoch: self.epoch,
            counter: self.grants,
        };
        let job = self.jobs.get_mut(&id.task.job)?;
        let task = job.tasks.get_mut(&id.task.name)?;
        let record = task.chunks.get_mut(&id.number)?;
        record.grant(Lease {
            node: want.node.clone(),
            token,
            expires_at_ms: now_ms.saturating_add(milliseconds(want.ttl)),
        });
        let grant = Grant {
            chunk: id.clone(),
            kind: task.kind.clone(),
            units: record.chunk.next..record.chunk.end,
            token,
            attempts: record.chunk.attempts,
            traceparent: job.record.traceparent.clone(),
        };
        self.index(id, now_ms);
        Some(grant)
    }

    pub(super) fn claim(&mut self, id: &ChunkId, token: Token, now_ms: u64) -> Result<Claim> {
        let record = self.chunk(id);
        let Some(record) = record.filter(|record| record.is_held_by(token, now_ms)) else {
            return Ok(Claim::Lost);
        };
        if record.free() == 0 {
            return Ok(Claim::Drained);
        }
        if record.chunk.claimed.len() >= CLAIMS_MAX {
            return Err(Error::Conflict {
                id: id.to_string(),
                reason: "as many units are claimed as may be at a time".to_owned(),
            });
        }
        let holder = record.chunk.lease.as_ref().map(|lease| lease.node.clone());
        let begun = holder.filter(|_| record.is_begun);
        let micros = record.micros;
        if self.yields(&id.task.job, begun.as_ref(), now_ms) {
            return Ok(Claim::Yield);
        }
        let Some(task) = self.task_mut(id) else {
            return Ok(Claim::Lost);
        };
        let record = task.chunks.get_mut(&id.number);
        let claimed = record.and_then(|record| record.claim(&task.committed));
        self.charge(&id.task.job, micros);
        self.index(id, now_ms);
        Ok(claimed.map_or(Claim::Drained, Claim::Unit))
    }

    pub(super) fn commit(&mut self, commit: &Commit<'_>, now_ms: u64) -> Result<Committed> {
        let (id, unit) = (commit.chunk, commit.unit);
        let Some(job) = self.jobs.get_mut(&id.task.job) else {
            return Ok(Committed::Gone);
        };
        let Some(task) = job.tasks.get_mut(&id.task.name) else {
            return Ok(Committed::Gone);
        };
        if job.record.phase.is_final() {
            return Ok(Committed::Gone);
        }
        if unit >= task.units {
            return Err(Error::Conflict {
                id: id.to_string(),
                reason: format!("task has {} units, there is no unit {unit}", task.units),
            });
        }
        if let Some(known) = task.committed.get(&unit) {
            let equal = known.digest == commit.record.digest;
            return Ok(if equal {
                Committed::Already
            } else {
                Committed::Conflict
            });
        }
        let mut known = task.committed.values();
        if known
            .next()
            .is_some_and(|known| known.config_digest != commit.record.config_digest)
        {
            return Ok(Committed::Conflict);
        }
        let is_held = |record: &ChunkRecord| {
            record.is_held_by(commit.token, now_ms) && record.chunk.claimed.contains(&unit)
        };
        let held = task.chunks.get(&id.number).is_some_and(is_held);
        let owner = if held {
            Some(id.number)
        } else {
            task.owner(unit)
        };
        task.committed.insert(unit, commit.record.clone());
        job.record.units_done += 1;
        job.record.version += 1;
        job.record.changed_at_ms = now_ms;
        let learned = self.costs.learn(&task.cost_class, commit.record, now_ms);
        if let Some(record) = task.chunks.get_mut(&id.number).filter(|_| held) {
            (record.chunk.attempts, record.chunk.room_attempts) = (0, 0);
        }
        let owned = owner.and_then(|number| task.chunks.get_mut(&number));
        if let (Some(record), Some(micros)) = (owned, learned) {
            record.micros = micros;
        }
        if let Some(number) = owner {
            self.shrink(id, number, unit, now_ms);
        }
        self.finish_if_complete(id, now_ms);
        Ok(if held {
            Committed::Accepted
        } else {
            Committed::Adopted
        })
    }

    /// Takes a committed unit off the chunk that it belongs to, and ends the chunk with its last.
    fn shrink(&mut self, id: &ChunkId, number: u32, unit: u32, now_ms: u64) {
        let Some(task) = self.task_mut(id) else {
            return;
        };
        let Some(record) = task.chunks.get_mut(&number) else {
            return;
        };
        if record.committed(unit) {
            task.chunks.remove(&number);
        }
        let mut states = task.chunks.values().map(|record| record.standing);
        let dead = task.dropped || states.any(|state| matches!(state, Standing::Dead { .. }));
        if task.state == TaskState::Dead && !dead {
            task.state = TaskState::Open;
            task.failure = None;
        }
        let chunk = ChunkId {
            task: id.task.clone(),
            number,
        };
        self.index(&chunk, now_ms);
    }

    fn finish_if_complete(&mut self, id: &ChunkId, now_ms: u64) {
        if self.task_mut(id).is_some_and(|task| task.is_complete()) {
            self.finish_task(&id.task, now_ms);
            self.mark(&id.task.job, now_ms);
        }
    }
}

/// What a commit says.
pub(super) struct Commit<'a> {
    pub(super) chunk: &'a ChunkId,
    pub(super) token: Token,
    pub(super) unit: u32,
    pub(super) record: &'a UnitRecord,
}
