//! The work itself: granting, claiming and committing.

use super::queue::{Asks, avoids};
use super::record::{ChunkRecord, Moved};
use super::state::State;
use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::rules::{self, CLAIMS_MAX, HUNGRY_MS, LOOK_MAX};
use crate::{Steal, Want};
use model::ChunkId;
use model::task::{Claim, Committed, Grant, Lease, TaskState, Token, UnitRecord};
use std::time::Duration;

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
        if found.is_none() && want.steal == Steal::WhenIdle {
            self.note_hungry(&asks);
        }
        self.grant(&found?, &asks, want.ttl)
    }

    /// Splits the held chunk that is worth most to the one who asks; gives the new half.
    fn split_richest(&mut self, asks: &Asks<'_>) -> Option<ChunkId> {
        let (victim, taken) = self.find_victim(asks)?;
        let task = self.task_mut(&victim)?;
        let number = task.next_number;
        task.next_number += 1;
        let half = task
            .chunks
            .get_mut(&victim.number)?
            .split(number, taken, &task.committed);
        let id = half.chunk.id.clone();
        task.chunks.insert(number, half);
        self.index(&victim, asks.now_ms);
        Some(id)
    }

    /// The richest held chunk, less what a move of it costs, and how many units of it to take.
    fn find_victim(&self, asks: &Asks<'_>) -> Option<(ChunkId, u32)> {
        let costs = [false, true].map(|at_hand| self.costs.of_move(at_hand));
        let least_cost = costs[0].min(costs[1]);
        let mut best: Option<(f64, &ChunkId, u32)> = None;
        for builds in asks.offered() {
            let rich = self.rich.get(builds).into_iter();
            for (score, id) in rich.flat_map(|rich| rich.iter()).take(LOOK_MAX) {
                let rich = (u64::MAX - score) as f64;
                // Those that follow have less.
                if best.is_some_and(|(worth, ..)| rich - least_cost <= worth) {
                    break;
                }
                let cost = costs[usize::from(asks.at_hand.contains(&id.task.job))];
                if best.is_none_or(|(worth, ..)| rich - cost > worth)
                    && let Some(taken) = self.may_split(id, asks, cost)
                {
                    best = Some((rich - cost, id, taken));
                }
            }
        }
        best.map(|(_, id, taken)| (id.clone(), taken))
    }

    /// How many units of a held chunk the one who asks may have. It is held elsewhere, so there is an
    /// elsewhere for one that the node should avoid.
    fn may_split(&self, id: &ChunkId, asks: &Asks<'_>, move_micros: f64) -> Option<u32> {
        let record = self.chunk(id)?;
        let may = self.may_grant(&id.task.job) && self.fits(id, asks) && !avoids(record, asks.node);
        may.then(|| record.stolen(self.pace_of(asks.node), move_micros, asks.now_ms))?
    }

    fn grant(&mut self, id: &ChunkId, asks: &Asks<'_>, ttl: Duration) -> Option<Grant> {
        self.grants += 1;
        let token = Token {
            epoch: self.epoch,
            counter: self.grants,
        };
        let (now_ms, pace) = (asks.now_ms, self.pace_of(asks.node));
        let job = self.jobs.get_mut(&id.task.job)?;
        let task = job.tasks.get_mut(&id.task.name)?;
        let record = task.chunks.get_mut(&id.number)?;
        let lease = Lease {
            node: asks.node.clone(),
            token,
            expires_at_ms: now_ms.saturating_add(milliseconds(ttl)),
        };
        let at_hand = asks.at_hand.contains(&id.task.job);
        let moved = Moved {
            at_ms: now_ms,
            at_hand,
        };
        record.grant(lease, pace, moved);
        let grant = Grant {
            chunk: id.clone(),
            kind: task.kind.clone(),
            units: record.chunk.next..record.chunk.end,
            token,
            attempts: record.chunk.attempts + record.chunk.silent_attempts,
            traceparent: job.record.traceparent.clone(),
        };
        self.index(id, now_ms);
        Some(grant)
    }

    /// Notes that one who asked goes away with nothing.
    fn note_hungry(&mut self, asks: &Asks<'_>) {
        let now_ms = asks.now_ms;
        self.hungry
            .retain(|_, (at_ms, _)| at_ms.saturating_add(HUNGRY_MS) > now_ms);
        for builds in asks.offered() {
            let entry = (now_ms, asks.room_bytes);
            self.hungry.insert(builds.to_owned(), entry);
        }
    }

    /// Whether one who went away with nothing lately may have the rest of a chunk.
    fn is_wanted(&self, id: &ChunkId, now_ms: u64) -> bool {
        let job = self.jobs.get(&id.task.job);
        let task = job.and_then(|job| job.tasks.get(&id.task.name));
        let hungry = task.and_then(|task| {
            let hungry = self.hungry.get(&task.builds);
            hungry.filter(|(_, room)| *room >= task.slot_bytes)
        });
        hungry.is_some_and(|(at_ms, _)| at_ms.saturating_add(HUNGRY_MS) > now_ms)
            && self.may_grant(&id.task.job)
    }

    pub(super) fn claim(&mut self, id: &ChunkId, token: Token, now_ms: u64) -> Result<Claim> {
        let record = self.chunk(id);
        let Some(record) = record.filter(|record| record.is_leased_by(token)) else {
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
        let (micros, is_busy) = (record.micros, !record.chunk.claimed.is_empty());
        if self.yields(&id.task.job, begun.as_ref(), now_ms) {
            return Ok(Claim::Yield);
        }
        if is_busy && self.is_wanted(id, now_ms) {
            return Ok(Claim::Later);
        }
        let Some(task) = self.task_mut(id) else {
            return Ok(Claim::Lost);
        };
        let record = task.chunks.get_mut(&id.number);
        let claimed = record.and_then(|record| record.claim(&task.committed, now_ms));
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
            return Ok(match known.digest == commit.record.digest {
                true => Committed::Already,
                false => Committed::Conflict,
            });
        }
        let before = task.committed.values().next();
        if before.is_some_and(|before| before.config_digest != commit.record.config_digest) {
            return Ok(Committed::Conflict);
        }
        let is_held = |record: &ChunkRecord| {
            record.is_leased_by(commit.token) && record.chunk.claimed.contains(&unit)
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
        let known = self.costs.known(&task.cost_class);
        let elapsed_ms = rules::elapsed_ms(commit.record);
        let learns = self.costs.learn(&task.cost_class, elapsed_ms, now_ms);
        if let Some(record) = task.chunks.get_mut(&id.number).filter(|_| held) {
            record.forget_attempts();
            let moved = record.moved.take();
            record.worked_at_ms = now_ms;
            if learns {
                let micros = known.map(|_| record.micros);
                record.micros = rules::learned_of_chunk(micros, elapsed_ms, record.pace);
                if let Some(moved) = moved {
                    self.costs.learn_move(moved, elapsed_ms, now_ms);
                }
                let holder = record.chunk.lease.as_ref();
                let node = holder.and_then(|lease| self.nodes.get_mut(&lease.node));
                if let (Some(node), Some(known)) = (node, known) {
                    node.pace = rules::learned_pace(node.pace, elapsed_ms, known);
                    record.pace = node.pace;
                }
            }
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
        if task.state == TaskState::Dead && !task.has_dead() {
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
