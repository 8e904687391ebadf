//! A store under test with a clock that the test moves, and short ways to say what a test does.

use super::server::Server;
use crate::clock::ManualClock;
use crate::memory::MemoryStore;
use crate::redis::RedisStore;
use crate::{Advance, Counts, Disposition, Expired, Steal, Store, Submitted, Want};
use model::job::{NewJob, Phase, Urgency};
use model::node::NodeInfo;
use model::task::{Claim, Committed, Grant, NewTask, TaskKind, TaskRecord, UnitRecord};
use model::{ChunkId, Failure, FailureKind, JobId, NodeId, TaskId, TaskName};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const TTL: Duration = Duration::from_secs(60);
const CELL: &str = "contract";
const START_MS: u64 = 1_790_000_000_000;

pub(super) struct Fixture {
    pub(super) store: Arc<dyn Store>,
    time: Time,
}

enum Time {
    Manual(Arc<ManualClock>, Arc<MemoryStore>),
    Redis(Server),
}

impl Fixture {
    pub(super) fn memory() -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        Self {
            store: store.clone(),
            time: Time::Manual(clock, store),
        }
    }

    pub(super) async fn redis() -> Option<Self> {
        let server = Server::start()?;
        let store = RedisStore::open(&server.url(), CELL, 1).await.unwrap();
        let fixture = Self {
            store: Arc::new(store),
            time: Time::Redis(server),
        };
        fixture.pass(Duration::from_millis(START_MS)).await;
        Some(fixture)
    }

    /// The same server behind another connection, with another epoch.
    pub(super) async fn reopen(&self, epoch: u32) -> Option<RedisStore> {
        match &self.time {
            Time::Manual(..) => None,
            Time::Redis(server) => {
                Some(RedisStore::open(&server.url(), CELL, epoch).await.unwrap())
            }
        }
    }

    /// Kills the server and starts it again over its files; false where there is no server.
    pub(super) fn kill_and_restart(&self) -> bool {
        match &self.time {
            Time::Manual(..) => false,
            Time::Redis(server) => {
                server.kill_and_restart();
                true
            }
        }
    }

    /// Writes nonsense into a field of a record; false where there is no server.
    pub(super) async fn spoil(&self, key: &str, field: &str) -> bool {
        let Time::Redis(server) = &self.time else {
            return false;
        };
        let mut connection = Self::connection(server).await;
        let mut command = redis::cmd("HSET");
        command
            .arg(format!("{{magpie:{CELL}}}:4:{key}"))
            .arg(field)
            .arg("nonsense");
        let _: u64 = command.query_async(&mut connection).await.unwrap();
        true
    }

    /// Loses the queue of a receiver and nothing else, as a server does that evicts keys.
    pub(super) async fn lose_queue(&self, receiver: &str) {
        match &self.time {
            Time::Manual(_, store) => store.lose_queue(receiver),
            Time::Redis(server) => {
                let mut connection = Self::connection(server).await;
                let mut command = redis::cmd("DEL");
                command.arg(format!("{{magpie:{CELL}}}:4:notices:{receiver}"));
                let lost: u64 = command.query_async(&mut connection).await.unwrap();
                assert_eq!(lost, 1);
            }
        }
    }

    async fn connection(server: &Server) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(server.url()).unwrap();
        client.get_multiplexed_async_connection().await.unwrap()
    }

    /// Lets time go by.
    pub(super) async fn pass(&self, time: Duration) {
        self.turn(time.as_millis() as i64).await;
    }

    /// Sets the clock back.
    pub(super) async fn turn_back(&self, time: Duration) {
        self.turn(-(time.as_millis() as i64)).await;
    }

    async fn turn(&self, by_ms: i64) {
        match &self.time {
            Time::Manual(clock, _) => {
                let by = Duration::from_millis(by_ms.unsigned_abs());
                match by_ms < 0 {
                    true => clock.set_back(by),
                    false => clock.advance(by),
                }
            }
            Time::Redis(server) => {
                let mut connection = Self::connection(server).await;
                let mut command = redis::cmd("INCRBY");
                command.arg(format!("{{magpie:{CELL}}}:4:clock")).arg(by_ms);
                let _: u64 = command.query_async(&mut connection).await.unwrap();
            }
        }
    }

    /// Every key of the server; empty for memory.
    pub(super) async fn keys(&self) -> Vec<String> {
        match &self.time {
            Time::Manual(..) => Vec::new(),
            Time::Redis(server) => {
                let mut connection = Self::connection(server).await;
                let mut command = redis::cmd("KEYS");
                command.arg("*").query_async(&mut connection).await.unwrap()
            }
        }
    }

    /// Submits a job of this tenant with one task of single-unit chunks, ten seconds a unit.
    pub(super) async fn submit_for(&self, tenant: &str, id: &str, chunks: u32) -> JobId {
        let job = NewJob {
            tenant: tenant.parse().unwrap(),
            ..job(id, 50)
        };
        let ranges: Vec<Range<u32>> = (0..chunks).map(|unit| unit..unit + 1).collect();
        let task = NewTask {
            unit_seconds: 10.0,
            ..encode(id, &ranges)
        };
        self.store.submit(&job, &[task]).await.unwrap();
        job.id
    }

    pub(super) async fn submit(&self, id: &str, priority: u8, tasks: &[NewTask]) -> JobId {
        let job = job(id, priority);
        assert_eq!(
            self.store.submit(&job, tasks).await.unwrap(),
            Submitted::New
        );
        job.id
    }

    pub(super) async fn take(&self, node: &str) -> Option<Grant> {
        self.store.take(&want(node, Steal::Never)).await.unwrap()
    }

    pub(super) async fn steal(&self, node: &str) -> Option<Grant> {
        self.store.take(&want(node, Steal::WhenIdle)).await.unwrap()
    }

    pub(super) async fn claim(&self, grant: &Grant) -> Claim {
        self.store.claim(&grant.chunk, grant.token).await.unwrap()
    }

    pub(super) async fn commit(&self, grant: &Grant, unit: u32) -> Committed {
        let record = record(unit);
        self.store
            .commit(&grant.chunk, grant.token, unit, &record)
            .await
            .unwrap()
    }

    /// Claims and commits units until nothing is left; gives those that it did.
    pub(super) async fn work_off(&self, grant: &Grant) -> Vec<u32> {
        let mut units = Vec::new();
        while let Claim::Unit(unit) = self.claim(grant).await {
            self.commit(grant, unit).await;
            units.push(unit);
        }
        units
    }

    pub(super) async fn fail(&self, grant: &Grant, disposition: Disposition) -> bool {
        let failure = failure("it broke");
        self.store
            .fail(&grant.chunk, grant.token, &failure, disposition)
            .await
            .unwrap()
    }

    /// The chunks whose leases are over.
    pub(super) async fn expired(&self, grace: Duration) -> Vec<ChunkId> {
        let expired = self.store.expired(10, grace).await.unwrap();
        expired.into_iter().map(|lease| lease.chunk).collect()
    }

    /// Ends a lease as it is told of now, or would be if its time were over.
    pub(super) async fn expire(&self, grant: &Grant) -> bool {
        let told = self.store.expired(100, Duration::ZERO).await.unwrap();
        let told = told.into_iter().find(|lease| lease.chunk == grant.chunk);
        let lease = told.unwrap_or_else(|| Expired {
            chunk: grant.chunk.clone(),
            token: grant.token,
            node: node("n1"),
            silent_attempts: 0,
            worked_at_ms: 0,
        });
        self.expire_as(&lease, retry(Duration::ZERO)).await
    }

    /// Ends a lease as it was told of.
    pub(super) async fn expire_as(&self, lease: &Expired, disposition: Disposition) -> bool {
        let failure = failure("it ended");
        let ended = self.store.expire(lease, &failure, disposition);
        ended.await.unwrap()
    }

    /// Takes a step that must be possible.
    pub(super) async fn step(&self, job: &JobId, from: Phase, to: Phase, add: Vec<NewTask>) {
        let step = step(from, to, add);
        assert!(
            self.store.advance(job, &step).await.unwrap(),
            "{from} to {to}"
        );
    }

    pub(super) async fn task(&self, job: &JobId, name: &str) -> TaskRecord {
        let tasks = self.store.tasks(job).await.unwrap();
        tasks
            .into_iter()
            .find(|task| task.id.name.as_str() == name)
            .unwrap()
    }

    pub(super) async fn version(&self, job: &JobId) -> u64 {
        self.store.job(job).await.unwrap().version
    }

    pub(super) async fn register(&self, node: &str) {
        self.store.register(&info(node)).await.unwrap();
    }
}

pub(super) fn node(id: &str) -> NodeId {
    NodeId::new(id).unwrap()
}

pub(super) fn want(id: &str, steal: Steal) -> Want {
    Want {
        node: node(id),
        builds: String::new(),
        ttl: TTL,
        room_bytes: 1 << 34,
        at_hand: Vec::new(),
        steal,
    }
}

pub(super) fn info(id: &str) -> NodeInfo {
    NodeInfo {
        id: node(id),
        host: "host".to_owned(),
        version: "0.1.0".to_owned(),
        cores: 8,
        memory_bytes: 1 << 34,
        cpu: "a processor".to_owned(),
        gpus: Vec::new(),
        slots: 2,
        builds: model::plan::BuildIds::default(),
        unfit: String::new(),
        leaving: false,
    }
}

pub(super) fn job(id: &str, priority: u8) -> NewJob {
    NewJob {
        id: JobId::new(id).unwrap(),
        tenant: "acme".parse().unwrap(),
        title: "film".parse().unwrap(),
        profile: "standard".to_owned(),
        source_url: "file:///film.mkv".to_owned(),
        urgency: Urgency::of(priority),
        held_max: None,
        traceparent: "00-trace".to_owned(),
    }
}

/// A task of one unit.
pub(super) fn single(job: &str, kind: TaskKind, after: &[&str]) -> NewTask {
    let id = |name: &str| TaskId::new(job.parse().unwrap(), TaskName::new(name).unwrap());
    NewTask {
        id: id(&kind.name()),
        after: after.iter().map(|name| id(name)).collect(),
        kind,
        units: 1,
        chunks: std::iter::once(0..1).collect(),
        unit_seconds: 1.0,
        cost_class: String::new(),
        builds: String::new(),
        slot_bytes: 0,
    }
}

/// An encode task of a group `v` with these chunks, one second a unit.
pub(super) fn encode(job: &str, chunks: &[Range<u32>]) -> NewTask {
    let kind = TaskKind::Encode {
        group: "v".to_owned(),
    };
    NewTask {
        units: chunks.iter().map(|range| range.end).max().unwrap(),
        chunks: chunks.to_vec(),
        ..single(job, kind, &[])
    }
}

/// One chunk of so many units.
pub(super) fn run(job: &str, units: u32) -> NewTask {
    encode(job, std::slice::from_ref(&(0..units)))
}

pub(super) fn record(unit: u32) -> UnitRecord {
    UnitRecord {
        digest: format!("digest-{unit}"),
        config_digest: "avcc".to_owned(),
        frames: 48,
        node: node("n1"),
        elapsed_ms: 1_500 + 100 * u64::from(unit),
        reused: false,
    }
}

pub(super) fn failure(message: &str) -> Failure {
    Failure::new(FailureKind::NodeFault, "video-v", message)
}

pub(super) fn step(from: Phase, to: Phase, add: Vec<NewTask>) -> Advance {
    Advance {
        from,
        to,
        add,
        failure: None,
        title_version: None,
    }
}

pub(super) fn retry(delay: Duration) -> Disposition {
    Disposition::Retry {
        delay,
        counts: Counts::Attempt,
        elsewhere: false,
    }
}

pub(super) fn elsewhere() -> Disposition {
    Disposition::Retry {
        delay: Duration::ZERO,
        counts: Counts::Attempt,
        elsewhere: true,
    }
}
