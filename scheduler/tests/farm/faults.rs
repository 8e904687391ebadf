//! A store that answers every twentieth call with an error, sometimes after it did what it was asked: nobody
//! can know which. Jobs must end all the same, each publishing once.

use crate::harness::{Farm, eventually};
use crate::node::{Node, Script};
use async_trait::async_trait;
use model::catalog::CatalogEntry;
use model::job::{JobFilter, JobPage, JobRecord, NewJob, Phase, Urgency};
use model::node::{NodeInfo, NodeRecord};
use model::task::{Claim, Committed, Grant, NewTask, TaskRecord, Token, UnitRecord};
use model::work::WorkPage;
use model::{ChunkId, Failure, JobId, NodeId, TenantId, TitleId, layout};
use proto::v1;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{
    Advance, Attention, DeadChunk, Delivery, Disposition, Error, Expired, Losses, Notice, Posted,
    QueueDepth, Renewed, Result, Share, Store, Submitted, SystemClock, Want,
};
use tonic::{Code, Response, Status};

/// A store with faults in front of a sound one.
struct Faulty {
    sound: Arc<dyn Store>,
    calls: AtomicU64,
}

#[derive(PartialEq)]
enum Fate {
    Fine,
    FailsBefore,
    FailsAfter,
}

impl Faulty {
    /// What happens to the next call: one of forty fails before it is done, another one after.
    fn fate(&self) -> Fate {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        // Fibonacci hashing spreads the faults over the kinds of calls.
        match (call.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % 40 {
            0 => Fate::FailsBefore,
            1 => Fate::FailsAfter,
            _ => Fate::Fine,
        }
    }
}

fn unavailable<T>() -> Result<T> {
    Err(Error::Unavailable {
        reason: "a fault of the test".to_owned(),
    })
}

macro_rules! through {
    ($faulty:expr, $call:ident($($argument:expr),*)) => {{
        let fate = $faulty.fate();
        if fate == Fate::FailsBefore {
            return unavailable();
        }
        let answer = $faulty.sound.$call($($argument),*).await;
        if fate == Fate::FailsAfter { unavailable() } else { answer }
    }};
}

#[async_trait]
impl Store for Faulty {
    async fn raise_epoch(&self, epoch: u32) -> Result<()> {
        through!(self, raise_epoch(epoch))
    }
    async fn submit(&self, job: &NewJob, tasks: &[NewTask]) -> Result<Submitted> {
        through!(self, submit(job, tasks))
    }
    async fn restore(&self, job: &JobRecord) -> Result<Submitted> {
        through!(self, restore(job))
    }
    async fn job(&self, job: &JobId) -> Result<JobRecord> {
        through!(self, job(job))
    }
    async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        through!(self, jobs(filter, page, limit))
    }
    async fn tasks(&self, job: &JobId) -> Result<Vec<TaskRecord>> {
        through!(self, tasks(job))
    }
    async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        through!(self, advance(job, advance))
    }
    async fn revive(&self, job: &JobId) -> Result<()> {
        through!(self, revive(job))
    }
    async fn forget(&self, job: &JobId) -> Result<()> {
        through!(self, forget(job))
    }
    async fn attend(&self, hold: Duration) -> Result<Option<Attention>> {
        // A hold that nobody knows of lasts fifteen seconds, longer than this test should.
        match self.fate() {
            Fate::Fine => self.sound.attend(hold).await,
            Fate::FailsBefore | Fate::FailsAfter => unavailable(),
        }
    }
    async fn settle(&self, attention: &Attention) -> Result<()> {
        through!(self, settle(attention))
    }
    async fn nudge(&self, job: &JobId, delay: Duration) -> Result<()> {
        through!(self, nudge(job, delay))
    }
    async fn set_share(&self, tenant: &TenantId, share: &Share) -> Result<()> {
        through!(self, set_share(tenant, share))
    }
    async fn set_urgency(&self, job: &JobId, urgency: Urgency) -> Result<()> {
        through!(self, set_urgency(job, urgency))
    }
    async fn set_paused(&self, job: &JobId, paused: bool) -> Result<()> {
        through!(self, set_paused(job, paused))
    }
    async fn take(&self, want: &Want) -> Result<Option<Grant>> {
        // The same for a lease that its holder does not know of.
        match self.fate() {
            Fate::Fine => self.sound.take(want).await,
            Fate::FailsBefore | Fate::FailsAfter => unavailable(),
        }
    }
    async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<Claim> {
        through!(self, claim(chunk, token))
    }
    async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        through!(self, commit(chunk, token, unit, record))
    }
    async fn renew(
        &self,
        node: &NodeId,
        ttl: Duration,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<Renewed>> {
        through!(self, renew(node, ttl, leases))
    }
    async fn losses(&self, since_ms: u64) -> Result<Losses> {
        through!(self, losses(since_ms))
    }
    async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        through!(self, release(chunk, token))
    }
    async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        through!(self, fail(chunk, token, failure, disposition))
    }
    async fn expired(&self, limit: u32, grace: Duration) -> Result<Vec<Expired>> {
        through!(self, expired(limit, grace))
    }

    async fn expire(
        &self,
        lease: &Expired,
        failure: &Failure,
        disposition: Disposition,
    ) -> Result<bool> {
        through!(self, expire(lease, failure, disposition))
    }
    async fn register(&self, node: &NodeInfo) -> Result<()> {
        through!(self, register(node))
    }
    async fn nodes(&self, within: Duration) -> Result<Vec<NodeRecord>> {
        through!(self, nodes(within))
    }
    async fn drain(&self, node: &NodeId) -> Result<()> {
        through!(self, drain(node))
    }
    async fn dead(&self) -> Result<Vec<DeadChunk>> {
        through!(self, dead())
    }
    async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        through!(self, drop_dead(chunk))
    }
    async fn post(&self, notice: &Notice) -> Result<Posted> {
        through!(self, post(notice))
    }
    async fn deliver(&self, hold: Duration) -> Result<Option<Delivery>> {
        through!(self, deliver(hold))
    }
    async fn delivered(&self, delivery: &Delivery) -> Result<()> {
        through!(self, delivered(delivery))
    }
    async fn put_off(&self, delivery: &Delivery, delay: Duration) -> Result<()> {
        through!(self, put_off(delivery, delay))
    }
    async fn depth(&self) -> Result<QueueDepth> {
        through!(self, depth())
    }
    async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        through!(self, work_left(page, limit))
    }
    async fn now_ms(&self) -> Result<u64> {
        through!(self, now_ms())
    }
}

/// Asks again as long as the answer is that the store is away.
async fn again<T, F>(mut call: impl FnMut() -> F) -> std::result::Result<T, Status>
where
    F: Future<Output = std::result::Result<Response<T>, Status>>,
{
    loop {
        match call().await {
            Err(status) if status.code() == Code::Unavailable => tokio::task::yield_now().await,
            answer => return answer.map(Response::into_inner),
        }
    }
}

/// Works as an agent does that knows that answers get lost: what it may hold unknowingly, it hands back.
async fn work_patiently(node: Node) {
    let client = || node.client.clone();
    let register = v1::RegisterRequest {
        node: Some((&node.info()).into()),
        protocol_version: proto::PROTOCOL_VERSION,
    };
    let register = || {
        let (mut client, register) = (client(), register.clone());
        async move { client.register(register).await }
    };
    again(register).await.unwrap();
    loop {
        let take = || {
            let (mut client, want) = (client(), node.want(200));
            async move { client.take(want).await }
        };
        let Ok(answer) = again(take).await else {
            return;
        };
        if let Some(grant) = answer.grant {
            work_on(&node, &grant.try_into().unwrap()).await;
        }
    }
}

async fn work_on(node: &Node, grant: &Grant) {
    let client = || node.client.clone();
    let (chunk, token) = (grant.chunk.to_string(), Some(v1::Token::from(grant.token)));
    loop {
        let claim = || {
            let (mut client, chunk) = (client(), chunk.clone());
            async move { client.claim(v1::ClaimRequest { chunk, token }).await }
        };
        let Ok(answer) = again(claim).await else {
            break;
        };
        let Ok(Claim::Unit(unit)) = Claim::try_from(answer) else {
            break;
        };
        node.write_result(grant).await;
        let record = Some((&node.record(grant, unit).await).into());
        let commit = v1::CommitRequest {
            chunk: chunk.clone(),
            token,
            unit,
            record,
        };
        let commit = || {
            let (mut client, commit) = (client(), commit.clone());
            async move { client.commit(commit).await }
        };
        again(commit).await.unwrap();
    }
    let release = || {
        let (mut client, chunk) = (client(), chunk.clone());
        async move { client.release(v1::ReleaseRequest { chunk, token }).await }
    };
    again(release).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_often_costs_time_and_nothing_else() {
    let mut sound: Option<Arc<dyn Store>> = None;
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        sound = Some(config.store.clone());
        let (store, calls) = (config.store.clone(), AtomicU64::new(0));
        config.store = Arc::new(Faulty {
            sound: store,
            calls,
        });
    })
    .await;
    let sound = sound.unwrap();
    for id in ["n1", "n2"] {
        tokio::spawn(work_patiently(farm.node(id, Script::passing())));
    }
    let mut jobs = Vec::new();
    for number in 0..6 {
        let mut request = farm.request();
        request.idempotency_key = format!("upload-{number}");
        let submit = || {
            let (mut client, request) = (farm.client(), request.clone());
            async move { client.submit_job(request).await }
        };
        let id = again(submit).await.unwrap().job.unwrap().id;
        jobs.push(JobId::new(id).unwrap());
    }
    for job in &jobs {
        let ended = eventually("an end", || async {
            let record = sound.job(job).await.unwrap();
            record.phase.is_final().then_some(record)
        });
        let record = ended.await;
        assert_eq!(record.phase, Phase::Published, "{record:?}");
        assert_eq!(record.units, record.units_done);
    }
    let title = TitleId::new("bunny").unwrap();
    let entry: CatalogEntry = farm
        .storage
        .get_json(&layout::catalog(&title))
        .await
        .unwrap();
    assert_eq!((entry.revision, entry.history.len()), (6, 5));
}
