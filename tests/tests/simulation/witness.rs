//! The store with a witness beside it. Every answer of the store is held against what the witness
//! remembers of earlier answers; after every change the job is looked at whole (`ledger`). What does not
//! hold is noted and ends the run.

use super::executor::at_once;
use super::ledger;
use super::memory::{Counts, Memory};
use model::job::{JobRecord, NewJob, Phase, Urgency};
use model::node::NodeInfo;
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;
use store::{
    Advance, Attention, Clock, Disposition, Expired, ManualClock, QueueDepth, Renewed, Result,
    Share, Store, Want,
};

/// The store as everybody in the simulation sees it.
pub(crate) struct Witness {
    inner: Arc<dyn Store>,
    clock: Arc<ManualClock>,
    memory: RefCell<Memory>,
    /// Of so many changes one is followed by a look at the whole job.
    look_each: u64,
}

impl Witness {
    pub(crate) fn new(inner: Arc<dyn Store>, clock: Arc<ManualClock>, look_each: u64) -> Self {
        Self {
            inner,
            clock,
            memory: RefCell::default(),
            look_each,
        }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.memory.borrow().counts
    }

    /// Hash of all that happened, in order.
    pub(crate) fn log_hash(&self) -> u64 {
        self.memory.borrow().log.finish()
    }

    pub(crate) fn violations(&self) -> Vec<String> {
        self.memory.borrow().violations.clone()
    }

    pub(crate) fn is_clean(&self) -> bool {
        self.memory.borrow().violations.is_empty()
    }

    /// The last events.
    pub(crate) fn tail(&self) -> Vec<String> {
        self.memory.borrow().tail.iter().cloned().collect()
    }

    /// Notes something that does not hold and that only the caller can see.
    pub(crate) fn hold(&self, holds: bool, what: impl FnOnce() -> String) {
        self.memory().hold(holds, what);
    }

    /// Notes something that happened outside of the store.
    pub(crate) fn note(&self, event: &dyn Debug) {
        self.memory().log(event);
    }

    fn memory(&self) -> std::cell::RefMut<'_, Memory> {
        let mut memory = self.memory.borrow_mut();
        memory.now_ms = self.clock.now_ms();
        memory
    }

    fn count_call(&self) {
        self.memory.borrow_mut().counts.calls += 1;
    }

    /// Looks at a job whole after a change of it.
    fn look(&self, job: &JobId) {
        let mut memory = self.memory();
        if !memory.counts.events.is_multiple_of(self.look_each) {
            return;
        }
        let record = at_once(self.inner.job(job));
        let tasks = at_once(self.inner.tasks(job));
        match (record, tasks) {
            (Ok(record), Ok(tasks)) => ledger::balance(&mut memory, &record, &tasks),
            _ => memory.hold(false, || format!("{job} is lost")),
        }
    }

    pub(crate) fn submit(&self, job: &NewJob, tasks: &[NewTask]) {
        let submitted = at_once(self.inner.submit(job, tasks));
        let mut memory = self.memory();
        memory.log(&("submit", &job.id));
        memory.hold(submitted.is_ok(), || format!("{} is refused", job.id));
        memory.phases.insert(job.id.clone(), Phase::Probing);
        memory.tenants.insert(job.id.clone(), job.tenant.clone());
        for task in tasks {
            memory.tasks.insert(task.id.clone(), task.clone());
        }
    }

    pub(crate) fn advance(&self, job: &JobId, step: &Advance) -> Result<bool> {
        self.count_call();
        let taken = at_once(self.inner.advance(job, step))?;
        let mut memory = self.memory();
        memory.log(&("advance", job, step.from, step.to, taken));
        if taken {
            let known = memory.phases.insert(job.clone(), step.to);
            memory.hold(known == Some(step.from), || {
                format!("{job} went on from {:?}, it was in {known:?}", step.from)
            });
            memory.hold(ledger::leads(step.from, step.to), || {
                format!("{job} was led from {} to {}", step.from, step.to)
            });
            for task in &step.add {
                let task = task.clone();
                memory.tasks.entry(task.id.clone()).or_insert(task);
            }
        }
        drop(memory);
        self.look(job);
        Ok(taken)
    }

    pub(crate) fn revive(&self, job: &JobId) -> Result<()> {
        at_once(self.inner.revive(job))?;
        let phase = at_once(self.inner.job(job))?.phase;
        let mut memory = self.memory();
        memory.log(&("revive", job, phase));
        memory.phases.insert(job.clone(), phase);
        memory.dig_up(job);
        drop(memory);
        self.look(job);
        Ok(())
    }

    pub(crate) fn job(&self, job: &JobId) -> Result<JobRecord> {
        at_once(self.inner.job(job))
    }

    pub(crate) fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        at_once(self.inner.tasks(job))
    }

    pub(crate) fn attend(&self, hold: Duration) -> Option<Attention> {
        self.count_call();
        at_once(self.inner.attend(hold)).ok().flatten()
    }

    pub(crate) fn settle(&self, attention: &Attention) {
        // A job that was not settled comes back.
        let _ = at_once(self.inner.settle(attention));
    }

    pub(crate) fn nudge(&self, job: &JobId, delay: Duration) {
        let _ = at_once(self.inner.nudge(job, delay));
    }

    pub(crate) fn take(&self, want: &Want) -> Option<Grant> {
        self.count_call();
        let grant = at_once(self.inner.take(want)).ok().flatten()?;
        let mut memory = self.memory();
        memory.log(&("take", &want.node, &grant.chunk, grant.token.counter));
        drop(memory);
        self.note_half(&grant.chunk);
        let mut memory = self.memory();
        memory.granted(want, &grant);
        drop(memory);
        self.look_at_limits(&grant.chunk);
        self.look(&grant.chunk.task.job);
        Some(grant)
    }

    /// Nothing of a paused job is granted, and no tenant holds more than it may.
    fn look_at_limits(&self, chunk: &ChunkId) {
        let mut memory = self.memory();
        let record = at_once(self.inner.job(&chunk.task.job));
        let paused = record.as_ref().is_ok_and(|job| job.paused);
        memory.hold(!paused, || format!("{chunk} of a paused job is granted"));
        let Ok(record) = record else { return };
        let share = memory.shares.get(&record.tenant);
        let Some(most) = share.and_then(|share| share.held_max) else {
            return;
        };
        let of_tenant = |(_, tenant): &(&JobId, &TenantId)| **tenant == record.tenant;
        let jobs = memory.tenants.iter().filter(of_tenant);
        let tasks = jobs.flat_map(|(job, _)| at_once(self.inner.tasks(job)).unwrap_or_default());
        let chunks = tasks.flat_map(|task| task.chunks);
        let held = chunks.filter(|chunk| chunk.lease.is_some()).count();
        memory.hold(held <= most as usize, || {
            format!("{} holds {held} chunks, it may hold {most}", record.tenant)
        });
    }

    pub(crate) fn set_paused(&self, job: &JobId, paused: bool) {
        // Refused when it ended meanwhile.
        let _ = at_once(self.inner.set_paused(job, paused));
        self.memory().log(&("paused", job, paused));
    }

    pub(crate) fn set_urgency(&self, job: &JobId, urgency: Urgency) {
        // Refused when it did not arrive yet.
        let _ = at_once(self.inner.set_urgency(job, urgency));
        self.memory().log(&("urgency", job, urgency));
    }

    pub(crate) fn set_share(&self, tenant: &TenantId, share: Share) {
        let set = at_once(self.inner.set_share(tenant, &share));
        let mut memory = self.memory();
        memory.log(&("share", tenant, share));
        memory.hold(set.is_ok(), || format!("the share of {tenant} is refused"));
        memory.shares.insert(tenant.clone(), share);
    }

    /// Expected seconds of the units that each tenant claimed.
    pub(crate) fn served(&self) -> BTreeMap<TenantId, f64> {
        self.memory.borrow().served.clone()
    }

    /// Expected seconds of the longest unit.
    pub(crate) fn longest_unit(&self) -> f64 {
        let memory = self.memory.borrow();
        let seconds = memory.tasks.values().map(|task| task.unit_seconds);
        seconds.fold(0.0, f64::max)
    }

    /// A half has met what the chunk has met that it was split from.
    fn note_half(&self, chunk: &ChunkId) {
        let mut memory = self.memory();
        let first = memory
            .tasks
            .get(&chunk.task)
            .map_or(0, |task| task.chunks.len());
        if (chunk.number as usize) < first || !memory.halves.insert(chunk.clone()) {
            return;
        }
        memory.counts.steals += 1;
        let tasks = at_once(self.inner.tasks(&chunk.task.job)).unwrap_or_default();
        let mut chunks = tasks.iter().flat_map(|task| &task.chunks);
        let half = chunks.find(|known| known.id == *chunk);
        if let Some(parent) = half.and_then(|half| half.stolen_from.as_ref()) {
            let tried = memory.tried(parent);
            memory.tried.insert(chunk.clone(), tried);
        }
    }

    pub(crate) fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        self.count_call();
        let claim = at_once(self.inner.claim(chunk, token))?;
        let mut memory = self.memory();
        memory.log(&("claim", chunk, token.counter, claim));
        memory.claimed(chunk, token, claim);
        drop(memory);
        self.look(&chunk.task.job);
        Ok(claim)
    }

    pub(crate) fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        self.count_call();
        let committed = at_once(self.inner.commit(chunk, token, unit, record))?;
        let mut memory = self.memory();
        memory.log(&("commit", chunk, token.counter, unit, committed));
        memory.committed(chunk, token, (unit, &record.digest), committed);
        drop(memory);
        self.look(&chunk.task.job);
        Ok(committed)
    }

    pub(crate) fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Vec<Renewed> {
        self.count_call();
        let renewed = at_once(self.inner.renew(node, ttl, leases)).unwrap_or_default();
        let mut memory = self.memory();
        memory.log(&("renew", node, &renewed));
        let until_ms = memory.now_ms + ttl.as_millis() as u64;
        for ((chunk, token), renewed) in leases.iter().zip(&renewed) {
            if *renewed == Renewed::Lost {
                memory.counts.lost += 1;
                continue;
            }
            let current = memory.is_current(chunk, *token);
            memory.hold(current, || {
                format!("a lease of {chunk} that had ended was renewed")
            });
            if let Some(held) = memory.holders.get_mut(chunk) {
                held.until_ms = until_ms;
            }
        }
        renewed
    }

    pub(crate) fn release(&self, chunk: &ChunkId, token: Token) {
        self.count_call();
        let _ = at_once(self.inner.release(chunk, token));
        let mut memory = self.memory();
        memory.log(&("release", chunk, token.counter));
        if memory.is_current(chunk, token) {
            memory.holders.remove(chunk);
        }
        drop(memory);
        self.look(&chunk.task.job);
    }

    pub(crate) fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        self.count_call();
        let failed = at_once(self.inner.fail(chunk, token, failure, disposition))?;
        let mut memory = self.memory();
        memory.log(&(
            "fail",
            chunk,
            token.counter,
            failure.kind,
            disposition,
            failed,
        ));
        if failed {
            let current = memory.is_current(chunk, token);
            memory.hold(current, || {
                format!("a stale failure ended a lease of {chunk}")
            });
            memory.failed(chunk, failure.kind, disposition);
        }
        drop(memory);
        self.look(&chunk.task.job);
        Ok(failed)
    }

    /// As `fail`, for the reaper.
    pub(crate) fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        self.count_call();
        let (chunk, token) = (&lease.chunk, lease.token);
        let ended = at_once(self.inner.expire(lease, failure, disposition))?;
        let mut memory = self.memory();
        memory.log(&("expire", chunk, token.counter, disposition, ended));
        if ended {
            let current = memory.is_current(chunk, token);
            memory.hold(current, || {
                format!("a stale failure ended a lease of {chunk}")
            });
            let alive = memory.is_alive(chunk, token);
            memory.hold(!alive, || {
                format!("the lease of {chunk} was renewed and expired")
            });
            memory.fell_silent(chunk, disposition);
        }
        drop(memory);
        self.look(&chunk.task.job);
        Ok(ended)
    }

    pub(crate) fn expired(&self, limit: u32, grace: Duration) -> Vec<Expired> {
        self.count_call();
        let expired = at_once(self.inner.expired(limit, grace)).unwrap_or_default();
        let mut memory = self.memory();
        for lease in &expired {
            memory.counts.expired += 1;
            let ended = !memory.is_alive(&lease.chunk, lease.token);
            memory.hold(ended, || {
                format!("the lease of {} has not expired", lease.chunk)
            });
        }
        expired
    }

    pub(crate) fn register(&self, node: &NodeInfo) {
        let _ = at_once(self.inner.register(node));
        let draining = self.is_draining(&node.id) && self.still_drains(&node.id);
        let mut memory = self.memory();
        memory.log(&("register", &node.id, draining));
        if !draining {
            memory.draining.remove(&node.id);
        }
    }

    pub(crate) fn drain(&self, node: &NodeId) {
        if at_once(self.inner.drain(node)).is_ok() {
            let mut memory = self.memory();
            memory.log(&("drain", node));
            memory.draining.insert(node.clone());
        }
    }

    /// Whether a node was told to drain and has not been let back since.
    pub(crate) fn is_draining(&self, node: &NodeId) -> bool {
        self.memory.borrow().draining.contains(node)
    }

    /// What the store says of it; only when a node registers may that change.
    fn still_drains(&self, node: &NodeId) -> bool {
        let nodes = at_once(self.inner.nodes(Duration::from_secs(86_400))).unwrap_or_default();
        nodes
            .iter()
            .any(|known| known.info.id == *node && known.draining)
    }

    pub(crate) fn depth(&self) -> QueueDepth {
        at_once(self.inner.depth()).unwrap_or_default()
    }

    /// Holds the end of a run against everything that was remembered.
    pub(crate) fn close(&self, job: &JobId) {
        let record = at_once(self.inner.job(job));
        let tasks = at_once(self.inner.tasks(job));
        let mut memory = self.memory();
        match (record, tasks) {
            (Ok(record), Ok(tasks)) => {
                ledger::balance(&mut memory, &record, &tasks);
                ledger::close(&mut memory, &record, &tasks);
            }
            _ => memory.hold(false, || format!("{job} is lost")),
        }
    }
}
