//! The operations: each takes the lock and runs its part of the state.

use super::MemoryStore;
use super::work::Commit;
use crate::error::Result;
use crate::{
    Advance, Attention, DeadChunk, Delivery, Disposition, Expired, Losses, Notice, Posted,
    QueueDepth, Renewed, Share, Store, Submitted, Want, rules,
};
use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use std::time::Duration;

#[async_trait]
impl Store for MemoryStore {
    async fn raise_epoch(&self, epoch: u32) -> Result<()> {
        self.with(|state, _| state.epoch = state.epoch.max(epoch));
        Ok(())
    }

    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted> {
        rules::check_tasks(&job.id, tasks)?;
        Ok(self.with(|state, now| state.submit(job, tasks, now)))
    }

    async fn restore(&self, job: &JobRecord) -> Result<Submitted> {
        rules::check_ended(job)?;
        Ok(self.with(|state, _| state.restore(job)))
    }

    async fn job(&self, job: &JobId) -> Result<JobRecord> {
        self.with(|state, _| state.record(job))
    }

    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        self.with(|state, _| state.list(filter, page, limit))
    }

    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        self.with(|state, _| state.tasks(job))
    }

    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        rules::check_step(job, advance)?;
        self.with(|state, now| state.advance(job, advance, now))
    }

    async fn revive(&self, job: &JobId) -> Result<()> {
        self.with(|state, now| state.revive(job, now))
    }

    async fn forget(&self, job: &JobId) -> Result<()> {
        self.with(|state, now| state.forget(job, now))
    }

    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        Ok(self.with(|state, now| state.attend(hold, now)))
    }

    async fn settle(&self, attention: &Attention) -> Result<()> {
        self.with(|state, now| state.settle(attention, now));
        Ok(())
    }

    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        self.with(|state, now| state.nudge(job, delay, now))
    }

    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        self.with(|state, _| state.set_share(tenant, *share));
        Ok(())
    }

    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        self.with(|state, now| state.set_urgency(job, urgency, now))
    }

    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        self.with(|state, now| state.set_paused(job, paused, now))
    }

    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        Ok(self.with(|state, now| state.take(want, now)))
    }

    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        self.with(|state, now| state.claim(chunk, token, now))
    }

    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        let commit = Commit {
            chunk,
            token,
            unit,
            record,
        };
        self.with(|state, now| state.commit(&commit, now))
    }

    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>> {
        Ok(self.with(|state, now| state.renew(node, ttl, leases, now)))
    }

    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        Ok(self.with(|state, now| state.losses(since_ms, now)))
    }

    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        self.with(|state, now| state.release(chunk, token, now));
        Ok(())
    }

    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        Ok(self.with(|state, now| state.fail(chunk, token, failure, disposition, now)))
    }

    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        Ok(self.with(|state, now| state.expire(lease, failure, disposition, now)))
    }

    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        Ok(self.with(|state, now| state.expired(limit, grace, now)))
    }

    async fn register(&self, node: &NodeInfo) -> Result<()> {
        self.with(|state, now| state.register(node, now));
        Ok(())
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>> {
        Ok(self.with(|state, now| state.nodes_seen(within, now)))
    }

    async fn drain(&self, node: &NodeId) -> Result<()> {
        self.with(|state, _| state.drain(node))
    }

    async fn dead(&self) -> Result<Vec<DeadChunk>> {
        Ok(self.with(|state, _| state.dead()))
    }

    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        self.with(|state, now| state.drop_dead(chunk, now))
    }

    async fn post(&self, notice: &Notice) -> Result<Posted> {
        self.with(|state, now| state.post(notice, now))
    }

    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>> {
        Ok(self.with(|state, now| state.deliver(hold, now)))
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<()> {
        self.with(|state, now| state.delivered(delivery, now));
        Ok(())
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        self.with(|state, now| state.put_off(delivery, delay, now));
        Ok(())
    }

    async fn depth(&self) -> Result<QueueDepth> {
        Ok(self.with(|state, _| state.depth()))
    }

    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        self.with(|state, _| state.work_left(page, limit))
    }

    async fn now_ms(&self) -> Result<u64> {
        Ok(self.with(|_, now| now))
    }
}
