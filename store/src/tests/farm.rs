//! A farm of random nodes: they steal, fail, hand back, vanish and answer late, in an order that a
//! seed decides. After every step each unit is committed or in exactly one chunk; at the end each
//! was committed once. A failing seed is printed.

use super::fixture::{
    Fixture, SECOND, TTL, encode, failure, job, node, record, retry, run, single, step, want,
};
use crate::faulty::{Faults, FaultyStore};
use crate::{Counts, Disposition, Error, Result, Steal, Store};
use futures::future::join_all;
use model::job::Phase;
use model::task::{Claim, Committed, Grant, TaskKind, TaskRecord, TaskState};
use model::{ChunkId, JobId};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Repeats an operation until its answer is heard.
macro_rules! again {
    ($operation:expr) => {
        loop {
            match $operation.await {
                Err(Error::Unavailable { .. }) => {}
                answer => break answer.unwrap(),
            }
        }
    };
}

const UNITS: u32 = 60;
const SEEDS: u64 = 6;

pub(super) async fn sixteen_workers_commit_each_unit_once(f: &Fixture) {
    let package = single("j1", TaskKind::Package, &["video-v"]);
    let id = f.submit("j1", 50, &[run("j1", UNITS), package]).await;
    let workers = (0..16).map(|worker| tokio::spawn(work(f.store.clone(), worker)));
    let done = join_all(workers)
        .await
        .into_iter()
        .flat_map(|done| done.unwrap());
    let mut done: Vec<_> = done.collect();
    let rest = f.take("late").await;
    if let Some(package) = rest {
        f.work_off(&package).await;
        done.push(("package".to_owned(), 0));
    }
    done.sort();
    let mut expected: Vec<_> = (0..UNITS)
        .map(|unit| ("video-v".to_owned(), unit))
        .collect();
    expected.insert(0, ("package".to_owned(), 0));
    assert_eq!(done, expected);
    let tasks = f.store.tasks(&id).await.unwrap();
    assert!(tasks.iter().all(|task| task.state == TaskState::Done));
}

/// Takes and steals until nothing is offered; gives what it did.
async fn work(store: Arc<dyn Store>, worker: u32) -> Vec<(String, u32)> {
    let want = want(&format!("n{worker}"), Steal::WhenIdle);
    let mut done = Vec::new();
    while let Some(grant) = store.take(&want).await.unwrap() {
        while let Claim::Unit(unit) = store.claim(&grant.chunk, grant.token).await.unwrap() {
            tokio::task::yield_now().await;
            let commit = store
                .commit(&grant.chunk, grant.token, unit, &record(unit))
                .await;
            assert_eq!(commit.unwrap(), Committed::Accepted);
            done.push((grant.kind.name(), unit));
        }
    }
    done
}

pub(super) async fn a_random_farm_loses_and_doubles_nothing(f: &Fixture) {
    for seed in 0..SEEDS {
        eprintln!("SEED={seed}");
        let mut farm = Farm::new(f, f.store.clone(), seed).await;
        farm.live(250).await;
        farm.end().await;
        assert!(
            farm.commits.values().all(|count| *count == 1),
            "{:?}",
            farm.commits
        );
        assert_eq!(farm.commits.len(), UNITS as usize);
        assert!(farm.steals > 0, "nothing was stolen");
    }
}

pub(super) async fn a_random_farm_behind_a_broken_connection_does_its_work(f: &Fixture) {
    let faults = Faults {
        before_percent: 10,
        after_percent: 10,
    };
    for seed in 100..100 + SEEDS {
        eprintln!("SEED={seed}");
        let faulty = FaultyStore::new(f.store.clone(), seed, faults);
        let mut farm = Farm::new(f, Arc::new(faulty), seed).await;
        farm.live(250).await;
        farm.end().await;
        // Some answers were lost, so some commits were seen as `Already` or not at all.
        assert!(
            farm.commits.values().all(|count| *count == 1),
            "{:?}",
            farm.commits
        );
    }
}

/// A job from its submission to its end, every operation repeated until its answer is heard.
pub(super) async fn a_caller_that_repeats_gets_through_a_broken_connection(f: &Fixture) {
    let faults = Faults {
        before_percent: 20,
        after_percent: 20,
    };
    for seed in 0..SEEDS {
        eprintln!("SEED={seed}");
        let store = FaultyStore::new(f.store.clone(), seed, faults);
        let id = format!("job-{seed}");
        let new = job(&id, 50);
        let package = single(&id, TaskKind::Package, &["video-v"]);
        let plan = step(
            Phase::Probing,
            Phase::Processing,
            vec![run(&id, 6), package],
        );
        let end = step(Phase::Processing, Phase::Rejected, vec![]);
        again!(store.submit(&new, &[]));
        again!(store.advance(&new.id, &plan));
        while again!(store.job(&new.id)).units_done < 7 {
            let want = want("n1", Steal::WhenIdle);
            if let Some(grant) = again!(store.take(&want)) {
                work_behind(&store, &grant).await;
            } else {
                f.pass(TTL).await;
            }
            for ended in again!(store.expired(10, Duration::ZERO)) {
                let why = failure("lease ended");
                again!(store.fail(&ended.chunk, ended.token, &why, retry(Duration::ZERO)));
            }
        }
        while !again!(store.job(&new.id)).phase.is_final() {
            let Some(attention) = again!(store.attend(SECOND)) else {
                f.pass(SECOND).await;
                continue;
            };
            again!(store.advance(&attention.job, &end));
            again!(store.settle(&attention));
        }
        let record = f.store.job(&new.id).await.unwrap();
        assert_eq!((record.phase, record.units_done), (Phase::Rejected, 7));
        f.pass(2 * SECOND).await;
        while let Some(attention) = again!(store.attend(SECOND)) {
            again!(store.settle(&attention));
        }
        again!(store.forget(&new.id));
        assert_eq!(f.store.depth().await.unwrap(), crate::QueueDepth::default());
    }
}

/// Does the chunk as far as it gets; a claim that was not heard is given back by the release.
async fn work_behind(store: &dyn Store, grant: &Grant) {
    loop {
        let unit = loop {
            match store.claim(&grant.chunk, grant.token).await {
                Ok(Claim::Unit(unit)) => break Some(unit),
                Ok(Claim::Drained | Claim::Yield | Claim::Later | Claim::Lost)
                | Err(Error::Conflict { .. }) => {
                    break None;
                }
                Err(error) => assert!(matches!(error, Error::Unavailable { .. }), "{error}"),
            }
        };
        let Some(unit) = unit else {
            again!(store.release(&grant.chunk, grant.token));
            return;
        };
        let committed = again!(store.commit(&grant.chunk, grant.token, unit, &record(unit)));
        assert!(
            !matches!(committed, Committed::Conflict | Committed::Gone),
            "{committed:?}"
        );
    }
}

struct Farm<'a> {
    fixture: &'a Fixture,
    /// What the nodes and the reaper see; the invariants are read from the fixture's store.
    store: Arc<dyn Store>,
    job: JobId,
    random: u64,
    /// What nodes hold, or held: some act on leases that they lost long ago.
    held: Vec<(Grant, Vec<u32>)>,
    /// How often a commit was accepted or adopted, by unit.
    commits: BTreeMap<u32, u32>,
    /// How often a chunk was split.
    steals: u32,
}

impl<'a> Farm<'a> {
    async fn new(fixture: &'a Fixture, store: Arc<dyn Store>, seed: u64) -> Self {
        let id = format!("farm-{seed}");
        let tasks = [encode(&id, &[0..20, 20..25, 25..UNITS])];
        let job = fixture.submit(&id, 50, &tasks).await;
        Self {
            fixture,
            store,
            job,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            held: Vec::new(),
            commits: BTreeMap::new(),
            steals: 0,
        }
    }

    /// Xorshift64 (Marsaglia 2003).
    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % bound as u64) as usize
    }

    async fn live(&mut self, steps: u32) {
        for _ in 0..steps {
            self.act().await;
            self.check().await;
        }
    }

    async fn act(&mut self) {
        let action = self.below(100);
        if action < 20 || self.held.is_empty() {
            return self.take().await;
        }
        let at = self.below(self.held.len());
        match action {
            20..50 => self.claim(at).await,
            50..80 => self.commit(at).await,
            80..86 => self.fail(at).await,
            86..90 => {
                let (grant, _) = &self.held[at];
                let _ = self.store.release(&grant.chunk, grant.token).await;
            }
            90..93 => self.renew(at).await,
            93..96 => drop(self.held.swap_remove(at)),
            96..98 => self.fixture.pass(TTL / 3).await,
            _ => self.reap().await,
        }
    }

    /// What is stolen is stolen from a holder that is busy.
    async fn take(&mut self) {
        let name = format!("n{}", self.below(5));
        let before = self.fixture.task(&self.job, "video-v").await.chunks;
        let Ok(Some(grant)) = self.store.take(&want(&name, Steal::WhenIdle)).await else {
            return;
        };
        if before.iter().all(|chunk| chunk.id != grant.chunk) {
            let after = self.fixture.task(&self.job, "video-v").await.chunks;
            let find = |id: &ChunkId| after.iter().find(|chunk| chunk.id == *id).unwrap();
            let victim = find(find(&grant.chunk).stolen_from.as_ref().unwrap());
            assert!(victim.lease.is_some() && !victim.claimed.is_empty());
            self.steals += 1;
        }
        self.held.push((grant, Vec::new()));
    }

    async fn claim(&mut self, at: usize) {
        let (grant, units) = &mut self.held[at];
        match self.store.claim(&grant.chunk, grant.token).await {
            Ok(Claim::Unit(unit)) => units.push(unit),
            Ok(Claim::Drained | Claim::Yield) if units.is_empty() => {
                let _ = self.store.release(&grant.chunk, grant.token).await;
            }
            Ok(Claim::Drained | Claim::Yield | Claim::Later | Claim::Lost)
            | Err(Error::Conflict { .. } | Error::Unavailable { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }

    async fn commit(&mut self, at: usize) {
        let (grant, units) = &mut self.held[at];
        let Some(unit) = units.pop() else {
            return;
        };
        let commit = self
            .store
            .commit(&grant.chunk, grant.token, unit, &record(unit))
            .await;
        match commit {
            Ok(Committed::Accepted | Committed::Adopted) => {
                *self.commits.entry(unit).or_default() += 1;
            }
            Ok(Committed::Already) => {}
            Err(Error::Unavailable { .. }) => units.push(unit),
            other => panic!("unit {unit}: {other:?}"),
        }
    }

    async fn fail(&mut self, at: usize) {
        let delay = Duration::from_secs(self.below(20) as u64);
        let (grant, _) = &self.held[at];
        let disposition = Disposition::Retry {
            delay,
            counts: Counts::Attempt,
            elsewhere: true,
        };
        let failure = failure("random");
        let _ = self
            .store
            .fail(&grant.chunk, grant.token, &failure, disposition)
            .await;
    }

    async fn renew(&mut self, at: usize) {
        let (grant, _) = &self.held[at];
        let leases = [(grant.chunk.clone(), grant.token)];
        let _ = self.store.renew(&node("n1"), TTL, &leases).await;
    }

    async fn reap(&mut self) {
        for ended in self
            .store
            .expired(4, Duration::ZERO)
            .await
            .unwrap_or_default()
        {
            let failure = failure("lease ended");
            let _: Result<bool> = self
                .store
                .fail(&ended.chunk, ended.token, &failure, retry(SECOND))
                .await;
        }
    }

    /// Each unit is committed or in exactly one chunk, and the depth agrees.
    async fn check(&self) {
        let task = self.fixture.task(&self.job, "video-v").await;
        let mut owners: BTreeMap<u32, Vec<&ChunkId>> = BTreeMap::new();
        for chunk in &task.chunks {
            for unit in chunk.claimed.iter().copied().chain(chunk.next..chunk.end) {
                owners.entry(unit).or_default().push(&chunk.id);
            }
            assert!(
                chunk.claimed.len() <= 2 && (chunk.lease.is_some() || chunk.claimed.is_empty())
            );
        }
        for unit in 0..UNITS {
            let committed = task.committed.iter().any(|(done, _)| *done == unit);
            let owned = owners.get(&unit).map_or(0, Vec::len);
            assert!(owned <= 1, "unit {unit} is in {:?}", owners[&unit]);
            assert!(committed || owned == 1, "unit {unit} is lost");
        }
        self.check_leases(&task).await;
    }

    async fn check_leases(&self, task: &TaskRecord) {
        let leases = task.chunks.iter().filter_map(|chunk| chunk.lease.as_ref());
        let mut tokens: Vec<_> = leases.map(|lease| lease.token).collect();
        let held = tokens.len() as u64;
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len() as u64, held, "two chunks have one token");
        let depth = self.fixture.store.depth().await.unwrap();
        assert_eq!(depth.chunks_held, held);
        assert_eq!(depth.chunks_queued, task.chunks.len() as u64 - held);
        assert_eq!(depth.units_left, u64::from(task.units - task.units_done));
        assert_eq!(depth.seconds_left, f64::from(task.units - task.units_done));
    }

    /// Lets what is left expire and has it done.
    async fn end(&mut self) {
        for _ in 0..300 {
            let task = self.fixture.task(&self.job, "video-v").await;
            if task.state == TaskState::Done {
                assert_eq!(task.units_done, UNITS);
                return;
            }
            self.fixture.pass(TTL / 4).await;
            self.reap().await;
            let Ok(Some(grant)) = self.store.take(&want("last", Steal::Never)).await else {
                continue;
            };
            self.held = vec![(grant, Vec::new())];
            for _ in 0..UNITS {
                self.claim(0).await;
                self.commit(0).await;
            }
            self.check().await;
        }
        panic!("the farm does not end its work");
    }
}
