//! A primary that dies in the middle of a job, and a replica in its place that lacks what was written last.

use anyhow::{Result, ensure};
use model::task::{TaskKind, UnitRecord};
use std::collections::BTreeMap;
use std::io::Write;
use std::time::{Duration, Instant};
use store::Store;
use store::redis::RedisStore;
use tests::{Farm, Place, Sentinels, Title, published, require, wait_until};
use tokio::runtime::Runtime;

const BOUND: Duration = Duration::from_secs(600);

/// The store as a scheduler sees it.
struct View {
    runtime: Runtime,
    store: RedisStore,
}

impl View {
    fn open(url: &str) -> Result<Self> {
        let runtime = Runtime::new()?;
        let store = runtime.block_on(RedisStore::open(url, "main", 0))?;
        Ok(Self { runtime, store })
    }

    /// The committed segments of a job, as the primary of now knows them; `None` while there is none.
    fn committed(&self, job: &str) -> Result<Option<BTreeMap<u32, UnitRecord>>> {
        let job = job.parse().map_err(anyhow::Error::msg)?;
        let tasks = match self.runtime.block_on(self.store.tasks(&job)) {
            Err(store::Error::Unavailable { .. }) => return Ok(None),
            tasks => tasks?,
        };
        let is_encode = |kind: &TaskKind| matches!(kind, TaskKind::Encode { .. });
        let encode = tasks.into_iter().find(|task| is_encode(&task.kind));
        let committed = encode.into_iter().flat_map(|task| task.committed);
        Ok(Some(committed.collect()))
    }

    fn wait_for_commits(&self, job: &str, least: usize) -> Result<BTreeMap<u32, UnitRecord>> {
        wait_until("commits", BOUND, || {
            let known = self.committed(job)?;
            Ok(known.filter(|known| known.len() >= least))
        })
    }
}

#[test]
fn a_failover_to_a_replica_that_lacks_writes_costs_no_job_and_no_segment() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let short = Title::make(&place, &ffmpeg, 2)?;
    let calm = title.calm(&place)?;
    let mut redis = Sentinels::start(&program, &place)?;
    let url = redis.url();
    let mut farm = Farm::start_at(&place, url.clone())?;
    farm.add_scheduler()?;
    for _ in 0..2 {
        farm.add_node(&["--slots", "1"])?;
    }
    let job = title.submit(&farm, "clip")?;
    let view = View::open(&url)?;
    let kept = view.wait_for_commits(&job, 2)?.len();
    redis.cut_replica_off()?;
    let late = short.submit(&farm, "late")?;
    let before = view.wait_for_commits(&job, kept + 2)?;
    ensure!(before.len() < 12, "it was too fast");
    redis.kill_primary()?;
    let killed = Instant::now();
    wait_until("the replica in its place", BOUND, || {
        Ok(redis.is_failed_over().then_some(()))
    })?;
    let took = killed.elapsed();
    for id in [&job, &late] {
        let watched = farm.call(&["watch", id, "--json"])?.finish(BOUND)?;
        ensure!(watched.code == Some(0), "{watched:?}");
    }
    assert_eq!(calm, published(farm.storage(), "clip")?);
    let after = view.wait_for_commits(&job, 12)?;
    ensure!(after.len() == 12, "{after:?}");
    let lost = before
        .iter()
        .filter(|(unit, record)| after[unit] != **record);
    let lost: Vec<_> = lost.map(|(unit, _)| &after[unit]).collect();
    writeln!(
        std::io::stderr(),
        "failed over after {took:?}; a job and {} of {} commits were lost",
        lost.len(),
        before.len()
    )?;
    ensure!(!lost.is_empty(), "the replica lacked nothing");
    ensure!(
        lost.iter().all(|record| record.reused),
        "encoded again: {lost:?}"
    );
    Ok(())
}
