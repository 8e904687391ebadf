//! The farm is away for longer than a lease while nodes work: Redis does not answer, or no scheduler does.
//! When it is back, nodes have a moment to come back too, and then have what they had.

use anyhow::{Result, ensure};
use std::thread::sleep;
use std::time::Duration;
use tests::{Farm, Place, Redis, Title, published, require, wait_for_the_end, wait_for_units};

/// Longer than a lease, which is three heartbeats of two seconds.
const OUTAGE: Duration = Duration::from_secs(8);

/// How much later than the farm its nodes are back: enough for the reaper to look for ended leases.
const LATER: Duration = Duration::from_secs(2);

/// Runs a title through a farm that is away in the middle of it; no attempt may fail by that.
fn costs_no_attempt(away: impl FnOnce(&mut Farm, &Redis) -> Result<()>) -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let calm = title.calm(&place)?;
    let redis = Redis::start(&program, &place)?;
    let mut farm = Farm::start_with(&place, &redis)?;
    let nodes = [
        farm.add_node(&["--slots", "1"])?,
        farm.add_node(&["--slots", "1"])?,
    ];
    let job = title.submit(&farm, "clip")?;
    wait_for_units(&farm, &job, 5)?;
    for node in &nodes {
        farm.node(node)?.freeze()?;
    }
    away(&mut farm, &redis)?;
    sleep(LATER);
    for node in &nodes {
        farm.node(node)?.thaw()?;
    }
    wait_for_the_end(&farm, &job)?;
    assert_eq!(calm, published(farm.storage(), "clip")?);
    let written = redis.written()?;
    let failed = |word: &&String| word.contains("lease ended without a word");
    let failures: Vec<&String> = written.iter().flatten().filter(failed).collect();
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(())
}

#[test]
fn a_redis_that_is_away_for_longer_than_a_lease_costs_no_attempt() -> Result<()> {
    costs_no_attempt(|_, redis| {
        redis.freeze()?;
        sleep(OUTAGE);
        redis.thaw()
    })
}

#[test]
fn schedulers_that_are_away_for_longer_than_a_lease_cost_no_attempt() -> Result<()> {
    costs_no_attempt(|farm, _| {
        farm.scheduler().kill()?;
        sleep(OUTAGE);
        farm.start_scheduler()
    })
}
