//! Stores that are wrong on purpose, each in one way. A simulation that does not notice them proves
//! nothing about the one that is right.

use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskKind, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::{
    Advance, Attention, DeadChunk, Delivery, Disposition, Expired, Losses, Notice, Posted,
    QueueDepth, Renewed, Result, Share, Store, Submitted, Want,
};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mutant {
    /// Claims and commits with a stale token are taken for those of the holder.
    DropsTheFence,
    /// A holder whose lease ended can renew that of the next.
    RenewsForOthers,
    /// A failure with a stale token ends the lease of the next holder.
    FailsOthers,
    /// What waited for a task is queued twice when it is done.
    ReleasesTwice,
    /// One of the tasks that a task waits for is forgotten.
    ReleasesEarly,
    /// The second half of a split goes to nobody.
    ForgetsTheHalf,
    /// A commit that was repeated counts again.
    CommitsTwice,
    /// The count of a job's units goes up with every repeated commit.
    Miscounts,
    /// Leases that end are told of to nobody.
    ForgetsExpired,
    /// Good bytes of a holder that was late are thrown away.
    DropsLateCommits,
}

#[derive(Default)]
struct State {
    /// Chunks that were handed to nobody.
    hidden: BTreeSet<ChunkId>,
    /// A grant that is handed out once more.
    ghost: Option<(NodeId, Grant)>,
    /// Commits that were repeated, by job.
    repeated: BTreeMap<JobId, u32>,
}

/// A store with a mutant in it.
pub(crate) struct MutantStore {
    inner: Arc<dyn Store>,
    mutant: Mutant,
    state: Mutex<State>,
}

impl MutantStore {
    pub(crate) fn new(inner: Arc<dyn Store>, mutant: Mutant) -> Self {
        Self {
            inner,
            mutant,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token of the chunk's holder for one of these mutants, else the token itself.
    async fn obeyed(&self, mutant: Mutant, chunk: &ChunkId, token: Token) -> Result<Token> {
        if self.mutant != mutant {
            return Ok(token);
        }
        let tasks = self.inner.tasks(&chunk.task.job).await?;
        let mut chunks = tasks.iter().flat_map(|task| &task.chunks);
        let lease = chunks
            .find(|known| known.id == *chunk)
            .and_then(|known| known.lease.clone());
        Ok(lease.map_or(token, |lease| lease.token))
    }

    /// Whether the chunk came from a split just now.
    async fn is_half(&self, chunk: &ChunkId) -> Result<bool> {
        let tasks = self.inner.tasks(&chunk.task.job).await?;
        let mut chunks = tasks.iter().flat_map(|task| &task.chunks);
        Ok(chunks.any(|known| known.id == *chunk && known.stolen_from.is_some()))
    }

    /// The grant that is handed out once more, to another node than the first time.
    fn ghost(&self, want: &Want) -> Option<Grant> {
        let mut state = self.state();
        let (_, mut grant) = state.ghost.take_if(|(node, _)| *node != want.node)?;
        grant.token.counter += 1;
        Some(grant)
    }
}

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
        self.inner.advance(job, &advance).await
    }

    async fn revive(&self, job: &JobId) -> Result<()> {
        self.inner.revive(job).await
    }

    async fn forget(&self, job: &JobId) -> Result<()> {
        self.inner.forget(job).await
    }

    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        self.inner.attend(hold).await
    }

    async fn settle(&self, attention: &Attention) -> Result<()> {
        self.inner.settle(attention).await
    }

    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        self.inner.nudge(job, delay).await
    }

    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        self.inner.set_share(tenant, share).await
    }
    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        self.inner.set_urgency(job, urgency).await
    }
    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        self.inner.set_paused(job, paused).await
    }
    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        if let Some(grant) = self.ghost(want) {
            return Ok(Some(grant));
        }
        let Some(grant) = self.inner.take(want).await? else {
            return Ok(None);
        };
        let waits = matches!(
            grant.kind,
            TaskKind::Qc | TaskKind::Package | TaskKind::Verify
        );
        if self.mutant == Mutant::ReleasesTwice && waits {
            self.state().ghost = Some((want.node.clone(), grant.clone()));
        }
        if self.mutant == Mutant::ForgetsTheHalf && self.is_half(&grant.chunk).await? {
            self.state().hidden.insert(grant.chunk);
            return Ok(None);
        }
        Ok(Some(grant))
    }

    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
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
        let committed = self.inner.commit(chunk, token, unit, record).await?;
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
        self.inner.renew(node, ttl, &obeyed).await
    }

    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        self.inner.losses(since_ms).await
    }

    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
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
        self.inner.fail(chunk, token, failure, disposition).await
    }

    async fn expired(&self, limit: u32) -> Result<Vec<Expired>> {
        let mut expired = self.inner.expired(limit).await?;
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
        self.inner.nodes(within).await
    }

    async fn drain(&self, node: &NodeId) -> Result<()> {
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
