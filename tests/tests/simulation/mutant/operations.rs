//! The operations of a store with a mutant in it: those that the mutant does not touch are the store's own.

use super::{Mutant, MutantStore};
use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use std::time::Duration;
use store::{
    Advance, Attention, DeadChunk, Delivery, Disposition, Expired, Losses, Notice, Posted,
    QueueDepth, Renewed, Result, Share, Store, Submitted, Want,
};

#[async_trait]
impl Store for MutantStore {
    async fn raise_epoch(&self, epoch: u32) -> Result<()> {
        self.inner.raise_epoch(epoch).await
    }

    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted> {
        self.inner.submit(job, tasks).await
    }

    async fn restore(&self, job: &JobRecord) -> Result<Submitted> {
        self.inner.restore(job).await
    }

    async fn job(&self, job: &JobId) -> Result<JobRecord> {
        let mut record = self.inner.job(job).await?;
        if self.mutant == Mutant::Miscounts {
            record.units_done += self.state().repeated.get(job).copied().unwrap_or(0);
        }
        record.paused |= self.state().paused.contains(job);
        Ok(record)
    }

    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        self.inner.jobs(filter, page, limit).await
    }

    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        self.inner.tasks(job).await
    }

    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        let mut advance = advance.clone();
        if self.mutant == Mutant::ReleasesEarly {
            for task in &mut advance.add {
                task.after.pop();
            }
        }
        if self.mutant == Mutant::AdvancesFromAnywhere {
            let phase = self.inner.job(job).await?.phase;
            if phase.is_final() {
                return Ok(true);
            }
            advance.from = phase;
        }
        self.inner.advance(job, &advance).await
    }

    async fn revive(&self, job: &JobId) -> Result<()> {
        self.state().paused.remove(job);
        self.inner.revive(job).await
    }

    async fn forget(&self, job: &JobId) -> Result<()> {
        self.inner.forget(job).await
    }

    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        self.inner.attend(hold).await
    }

    async fn settle(&self, attention: &Attention) -> Result<()> {
        let mut attention = attention.clone();
        if self.mutant == Mutant::SettlesChanges {
            attention.version = u64::MAX;
        }
        self.inner.settle(&attention).await
    }

    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        self.inner.nudge(job, delay).await
    }

    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        let mut share = *share;
        match self.mutant {
            Mutant::IgnoresLimits => share.held_max = None,
            Mutant::IgnoresWeights => share.weight = 1,
            _ => {}
        }
        self.inner.set_share(tenant, &share).await
    }

    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        self.inner.set_urgency(job, urgency).await
    }

    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        if self.mutant == Mutant::GrantsPaused {
            let is_final = self.inner.job(job).await?.phase.is_final();
            match paused && !is_final {
                true => self.state().paused.insert(job.clone()),
                false => self.state().paused.remove(job),
            };
            return Ok(());
        }
        self.inner.set_paused(job, paused).await
    }

    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        if let Some(grant) = self.ghost(want) {
            return Ok(Some(grant));
        }
        let asked = Want {
            ttl: self.ttl(want.ttl),
            ..want.clone()
        };
        let Some(grant) = self.inner.take(&asked).await? else {
            return Ok(None);
        };
        self.passed_on(want, grant).await
    }

    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        if let Some(unit) = self.misclaimed(chunk).await? {
            return Ok(Claim::Unit(unit));
        }
        let token = self.obeyed(Mutant::DropsTheFence, chunk, token).await?;
        self.inner.claim(chunk, token).await
    }

    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        let token = self.obeyed(Mutant::DropsTheFence, chunk, token).await?;
        if self.mutant == Mutant::DropsLateCommits {
            let holder = self.obeyed(Mutant::DropsLateCommits, chunk, token).await?;
            if holder != token {
                return Ok(Committed::Gone);
            }
        }
        if self.loses_commit() {
            return Ok(Committed::Accepted);
        }
        let committed = self.inner.commit(chunk, token, unit, record).await?;
        if committed == Committed::Adopted && self.mutant == Mutant::CommitsUnclaimed {
            return Ok(Committed::Accepted);
        }
        if committed == Committed::Already {
            let job = chunk.task.job.clone();
            *self.state().repeated.entry(job).or_default() += 1;
            if self.mutant == Mutant::CommitsTwice {
                return Ok(Committed::Adopted);
            }
        }
        Ok(committed)
    }

    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>> {
        let mut obeyed = Vec::new();
        for (chunk, token) in leases {
            let token = self.obeyed(Mutant::RenewsForOthers, chunk, *token).await?;
            obeyed.push((chunk.clone(), token));
        }
        self.inner.renew(node, self.ttl(ttl), &obeyed).await
    }

    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        self.inner.losses(since_ms).await
    }

    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        let token = self.obeyed(Mutant::RepeatsTokens, chunk, token).await?;
        self.inner.release(chunk, token).await
    }

    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        let token = self.obeyed(Mutant::FailsOthers, chunk, token).await?;
        let disposition = self.twisted(disposition);
        self.inner.fail(chunk, token, failure, disposition).await
    }

    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        let disposition = self.twisted(disposition);
        if self.mutant == Mutant::EndsTheRenewed {
            let (chunk, token) = (&lease.chunk, lease.token);
            return self.inner.fail(chunk, token, failure, disposition).await;
        }
        self.inner.expire(lease, failure, disposition).await
    }

    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        let mut expired = self.inner.expired(limit, grace).await?;
        let hidden = self.state().hidden.clone();
        expired.retain(|lease| {
            self.mutant != Mutant::ForgetsExpired && !hidden.contains(&lease.chunk)
        });
        Ok(expired)
    }

    async fn register(&self, node: &NodeInfo) -> Result<()> {
        self.inner.register(node).await
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>> {
        let mut nodes = self.inner.nodes(within).await?;
        let state = self.state();
        for node in &mut nodes {
            node.draining |= state.draining.contains(&node.info.id);
        }
        Ok(nodes)
    }

    async fn drain(&self, node: &NodeId) -> Result<()> {
        if self.mutant == Mutant::GrantsToDraining {
            self.state().draining.insert(node.clone());
            return Ok(());
        }
        self.inner.drain(node).await
    }

    async fn dead(&self) -> Result<Vec<DeadChunk>> {
        self.inner.dead().await
    }

    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        self.inner.drop_dead(chunk).await
    }

    async fn post(&self, notice: &Notice) -> Result<Posted> {
        self.inner.post(notice).await
    }

    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>> {
        self.inner.deliver(hold).await
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<()> {
        self.inner.delivered(delivery).await
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        self.inner.put_off(delivery, delay).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.inner.depth().await
    }

    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        self.inner.work_left(page, limit).await
    }

    async fn now_ms(&self) -> Result<u64> {
        self.inner.now_ms().await
    }
}
