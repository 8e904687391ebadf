//! Leases: renewing, handing back, failing, expiring; and the DLQ where chunks rest that failed for
//! good.

use super::record::Standing;
use super::state::State;
use crate::clock::milliseconds;
use crate::error::{Error, Result};
use crate::rules::LOSSES_KEPT_MS;
use crate::{DeadAttempt, DeadChunk, Disposition, Expired, Losses, Renewed};
use model::task::{TaskState, Token};
use model::{ChunkId, Failure, NodeId};
use std::time::Duration;

/// Who looks for ended leases, and what that spares: nobody could renew what ended in a gap of the looks.
#[derive(Default)]
pub(super) struct Watch {
    /// When somebody looked last.
    looked_ms: u64,
    /// The latest time in which nobody looked for long: after the first, until the second.
    gap_ms: (u64, u64),
}

impl Watch {
    /// Notes a look; leases that ended in the answered time are spared. A clock that was set back leaves no
    /// times that are still to come.
    fn look(&mut self, grace_ms: u64, now_ms: u64) -> Option<(u64, u64)> {
        if self.looked_ms > now_ms || self.gap_ms.1 > now_ms {
            (self.looked_ms, self.gap_ms) = (now_ms, (0, 0));
        }
        if now_ms - self.looked_ms > grace_ms / 2 {
            self.gap_ms = (self.looked_ms, now_ms);
        }
        self.looked_ms = now_ms;
        (now_ms < self.gap_ms.1.saturating_add(grace_ms)).then_some(self.gap_ms)
    }
}

impl State {
    pub(super) fn renew(
        &mut self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
        now_ms: u64,
    ) -> Vec<Renewed> {
        if let Some(node) = self.nodes.get_mut(node) {
            node.seen_at_ms = now_ms;
        }
        let until = now_ms.saturating_add(milliseconds(ttl));
        let renewed = leases.iter().map(|(id, token)| {
            let record = self.chunk_mut(id);
            let held = record.filter(|record| record.is_leased_by(*token));
            let Some(lease) = held.and_then(|record| record.chunk.lease.as_mut()) else {
                return Renewed::Lost;
            };
            lease.expires_at_ms = until;
            self.index(id, now_ms);
            Renewed::Held
        });
        renewed.collect()
    }

    /// Notes that these nodes lost leases, and forgets of whom that was noted long ago.
    pub(super) fn note_losses(&mut self, nodes: Vec<NodeId>, now_ms: u64) {
        for node in nodes {
            self.losses.set(node, now_ms);
        }
        let old = self
            .losses
            .up_to(now_ms.saturating_sub(LOSSES_KEPT_MS), usize::MAX);
        for (_, node) in old {
            self.losses.remove(&node);
        }
    }

    pub(super) fn losses(&self, since_ms: u64, now_ms: u64) -> Losses {
        let kept_ms = now_ms.saturating_sub(LOSSES_KEPT_MS).saturating_add(1);
        let since_ms = since_ms.max(kept_ms);
        let noted = self.losses.iter().filter(|(at_ms, _)| *at_ms >= since_ms);
        Losses {
            nodes: noted.map(|(_, node)| node.clone()).collect(),
            until_ms: now_ms,
        }
    }

    pub(super) fn release(&mut self, id: &ChunkId, token: Token, now_ms: u64) {
        let record = self.chunk_mut(id);
        if let Some(record) = record.filter(|record| record.is_leased_by(token)) {
            record.chunk.not_before_ms = 0;
            record.end_lease(Standing::Queued);
            self.index(id, now_ms);
        }
    }

    pub(super) fn fail(
        &mut self,
        id: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
        now_ms: u64,
    ) -> bool {
        let record = self.chunk_mut(id);
        let Some(record) = record.filter(|record| record.is_leased_by(token)) else {
            return false;
        };
        let Some(lease) = &record.chunk.lease else {
            return false;
        };
        let attempt = DeadAttempt {
            node: lease.node.clone(),
            at_ms: now_ms,
            failure: failure.clone(),
        };
        record.fail(attempt, disposition, now_ms);
        self.index(id, now_ms);
        if disposition == Disposition::Dead {
            if let Some(task) = self.task_mut(id) {
                task.state = TaskState::Dead;
                task.failure = Some(failure.clone());
            }
            self.mark(&id.task.job, now_ms);
        }
        true
    }

    /// As [`Self::fail`], for a lease that is as it was when it was told of.
    pub(super) fn expire(
        &mut self,
        told: &Expired,
        failure: &Failure,
        disposition: Disposition,
        now_ms: u64,
    ) -> bool {
        let is_unchanged = self.chunk(&told.chunk).is_some_and(|record| {
            let lease = record.chunk.lease.as_ref();
            record.worked_at_ms == told.worked_at_ms
                && record.chunk.silent_attempts == told.silent_attempts
                && lease.is_some_and(|lease| lease.expires_at_ms <= now_ms)
        });
        is_unchanged && self.fail(&told.chunk, told.token, failure, disposition, now_ms)
    }

    pub(super) fn expired(&mut self, limit: u32, grace: Duration, now_ms: u64) -> Vec<Expired> {
        let spared = self.watch.look(milliseconds(grace), now_ms);
        let is_spared =
            |ends_ms: u64| spared.is_some_and(|(from, to)| from < ends_ms && ends_ms <= to);
        let ended = self.leases.iter();
        let ended = ended.take_while(|(ends_ms, _)| *ends_ms <= now_ms);
        let ended = ended.filter(|(ends_ms, _)| !is_spared(*ends_ms));
        let expired = ended.take(limit as usize).filter_map(|(_, id)| {
            let record = self.chunk(id)?;
            let lease = record.chunk.lease.as_ref()?;
            Some(Expired {
                token: lease.token,
                node: lease.node.clone(),
                silent_attempts: record.chunk.silent_attempts,
                worked_at_ms: record.worked_at_ms,
                chunk: id.clone(),
            })
        });
        expired.collect()
    }

    pub(super) fn dead(&self) -> Vec<DeadChunk> {
        let chunks = self.dead.iter().filter_map(|(at_ms, id)| {
            let task = self.jobs.get(&id.task.job)?.tasks.get(&id.task.name)?;
            let record = task.chunks.get(&id.number)?;
            Some(DeadChunk {
                chunk: id.clone(),
                units: task.units_left(record),
                failures: record.failures.clone(),
                dead_at_ms: *at_ms,
            })
        });
        chunks.collect()
    }

    pub(super) fn drop_dead(&mut self, id: &ChunkId, now_ms: u64) -> Result<()> {
        let not_found = || Error::NotFound {
            what: "chunk",
            id: id.to_string(),
        };
        self.dead.score(id).ok_or_else(not_found)?;
        let task = self.task_mut(id).ok_or_else(not_found)?;
        task.chunks.remove(&id.number);
        task.dropped = true;
        self.index(id, now_ms);
        Ok(())
    }
}
