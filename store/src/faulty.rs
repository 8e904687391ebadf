//! A store that fails now and then, from a seed: before an operation happened or after it. A caller
//! cannot tell which, so what it does next is tested against both.

use crate::error::{Error, Result};
use crate::{
    Advance, Attention, DeadChunk, Delivery, Disposition, Expired, Losses, Notice, Posted,
    QueueDepth, Renewed, Share, Store, Submitted, Want,
};
use async_trait::async_trait;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;

/// How often operations fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Of a hundred operations, so many fail and did not happen.
    pub before_percent: u8,
    /// Of a hundred operations that happened, so many answer with an error all the same.
    pub after_percent: u8,
}

/// Another store behind a connection that breaks.
pub struct FaultyStore<S: ?Sized> {
    inner: Arc<S>,
    faults: Faults,
    state: Mutex<u64>,
}

impl<S: Store + ?Sized> FaultyStore<S> {
    /// Wraps a store. The same seed and the same order of operations give the same faults.
    pub fn new(inner: Arc<S>, seed: u64, faults: Faults) -> Self {
        Self {
            inner,
            faults,
            state: Mutex::new(seed),
        }
    }

    /// The store behind it, which does not fail.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// SplitMix64 (Steele, Lea and Flood 2014): small, and any seed will do.
    fn strikes(&self, percent: u8) -> bool {
        let mut state = self.state.lock();
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = *state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        bits % 100 < u64::from(percent)
    }

    async fn tried<T>(&self, operation: impl Future<Output = Result<T>> + Send) -> Result<T> {
        if self.strikes(self.faults.before_percent) {
            return Err(unavailable("connection broke before the request"));
        }
        let answer = operation.await?;
        if self.strikes(self.faults.after_percent) {
            return Err(unavailable("connection broke before the answer"));
        }
        Ok(answer)
    }
}

fn unavailable(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.to_owned(),
    }
}

#[async_trait]
impl<S: Store + ?Sized> Store for FaultyStore<S> {
    async fn raise_epoch(&self, epoch: u32) -> Result<()> {
        self.tried(self.inner.raise_epoch(epoch)).await
    }

    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted> {
        self.tried(self.inner.submit(job, tasks)).await
    }

    async fn restore(&self, job: &JobRecord) -> Result<Submitted> {
        self.tried(self.inner.restore(job)).await
    }

    async fn job(&self, job: &JobId) -> Result<JobRecord> {
        self.tried(self.inner.job(job)).await
    }

    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        self.tried(self.inner.jobs(filter, page, limit)).await
    }

    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        self.tried(self.inner.tasks(job)).await
    }

    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        self.tried(self.inner.advance(job, advance)).await
    }

    async fn revive(&self, job: &JobId) -> Result<()> {
        self.tried(self.inner.revive(job)).await
    }

    async fn forget(&self, job: &JobId) -> Result<()> {
        self.tried(self.inner.forget(job)).await
    }

    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        self.tried(self.inner.attend(hold)).await
    }

    async fn settle(&self, attention: &Attention) -> Result<()> {
        self.tried(self.inner.settle(attention)).await
    }

    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        self.tried(self.inner.nudge(job, delay)).await
    }

    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        self.tried(self.inner.set_share(tenant, share)).await
    }

    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        self.tried(self.inner.set_urgency(job, urgency)).await
    }

    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        self.tried(self.inner.set_paused(job, paused)).await
    }

    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        self.tried(self.inner.take(want)).await
    }

    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        self.tried(self.inner.claim(chunk, token)).await
    }

    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        self.tried(self.inner.commit(chunk, token, unit, record))
            .await
    }

    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>> {
        self.tried(self.inner.renew(node, ttl, leases)).await
    }

    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        self.tried(self.inner.losses(since_ms)).await
    }

    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        self.tried(self.inner.release(chunk, token)).await
    }

    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        self.tried(self.inner.fail(chunk, token, failure, disposition))
            .await
    }

    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        self.tried(self.inner.expired(limit, grace)).await
    }

    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        self.tried(self.inner.expire(lease, failure, disposition))
            .await
    }

    async fn register(&self, node: &NodeInfo) -> Result<()> {
        self.tried(self.inner.register(node)).await
    }

    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>> {
        self.tried(self.inner.nodes(within)).await
    }

    async fn drain(&self, node: &NodeId) -> Result<()> {
        self.tried(self.inner.drain(node)).await
    }

    async fn dead(&self) -> Result<Vec<DeadChunk>> {
        self.tried(self.inner.dead()).await
    }

    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        self.tried(self.inner.drop_dead(chunk)).await
    }

    async fn post(&self, notice: &Notice) -> Result<Posted> {
        self.tried(self.inner.post(notice)).await
    }

    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>> {
        self.tried(self.inner.deliver(hold)).await
    }

    async fn delivered(&self, delivery: &Delivery) -> Result<()> {
        self.tried(self.inner.delivered(delivery)).await
    }

    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        self.tried(self.inner.put_off(delivery, delay)).await
    }

    async fn depth(&self) -> Result<QueueDepth> {
        self.tried(self.inner.depth()).await
    }

    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        self.tried(self.inner.work_left(page, limit)).await
    }

    async fn now_ms(&self) -> Result<u64> {
        self.tried(self.inner.now_ms()).await
    }
}

#[cfg(test)]
mod tests {
    use super::{Faults, FaultyStore};
    use crate::clock::ManualClock;
    use crate::memory::MemoryStore;
    use crate::{Error, Store, Submitted};
    use model::job::{NewJob, Urgency};
    use std::sync::Arc;

    fn job(number: u32) -> NewJob {
        NewJob {
            id: format!("j{number}").parse().unwrap(),
            tenant: "acme".parse().unwrap(),
            title: "film".parse().unwrap(),
            profile: "standard".to_owned(),
            source_url: "file:///film.mkv".to_owned(),
            urgency: Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        }
    }

    fn faulty(before_percent: u8, after_percent: u8) -> FaultyStore<MemoryStore> {
        let faults = Faults {
            before_percent,
            after_percent,
        };
        let memory = MemoryStore::new(Arc::new(ManualClock::new(0)));
        FaultyStore::new(Arc::new(memory), 7, faults)
    }

    #[tokio::test]
    async fn an_operation_may_have_happened_before_it_fails() {
        let never = faulty(100, 0);
        assert!(matches!(
            never.submit(&job(1), &[]).await,
            Err(Error::Unavailable { .. })
        ));
        assert!(matches!(
            never.inner().job(&job(1).id).await,
            Err(Error::NotFound { .. })
        ));
        let unheard = faulty(0, 100);
        assert!(matches!(
            unheard.submit(&job(1), &[]).await,
            Err(Error::Unavailable { .. })
        ));
        assert!(unheard.inner().job(&job(1).id).await.is_ok());
    }

    #[tokio::test]
    async fn one_seed_gives_the_same_faults() {
        let mut runs = Vec::new();
        for _ in 0..2 {
            let store = faulty(20, 20);
            let mut answers = Vec::new();
            for number in 0..200 {
                answers.push(store.submit(&job(number), &[]).await.ok());
            }
            runs.push(answers);
        }
        assert_eq!(runs[0], runs[1]);
        let heard = runs[0]
            .iter()
            .filter(|answer| **answer == Some(Submitted::New))
            .count();
        assert!(
            (90..170).contains(&heard),
            "{heard} of 200, expected about 128"
        );
    }
}
