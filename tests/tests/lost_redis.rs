//! A Redis that forgets, in the middle of a job: everything, or what it wrote last. Storage knows it all,
//! so no job is lost, and what was committed is not encoded again.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::time::Duration;
use tests::{
    Farm, Place, Redis, Title, at, listed, published, require, wait_for_the_end, wait_for_units,
    wait_until,
};

const BOUND: Duration = Duration::from_secs(600);

/// Two schedulers, two nodes and their Redis.
fn start(place: &Place, program: &Path) -> Result<(Farm, Redis)> {
    let redis = Redis::start(program, place)?;
    let mut farm = Farm::start_with(place, &redis)?;
    farm.add_scheduler()?;
    for _ in 0..2 {
        farm.add_node(&["--slots", "1"])?;
    }
    Ok((farm, redis))
}

/// Each commit of a segment of a job that Redis wrote down: task and unit, and whether the segment was found
/// in storage. A commit of a unit that is done already writes nothing.
fn commits(written: &[Vec<String>], job: &str) -> Result<Vec<((String, String), bool)>> {
    let mut found = Vec::new();
    for words in written {
        let [command, key, unit, record, ..] = &words[..] else {
            continue;
        };
        let task = key.split_once(":units:").map(|(_, task)| task);
        let task = task.filter(|task| task.starts_with(job) && task.contains("/video-"));
        if let Some(task) = task.filter(|_| command == "HSET") {
            let reused = record.split(' ').nth(2).context("a record has parts")?;
            found.push(((task.to_owned(), unit.clone()), reused == "1"));
        }
    }
    Ok(found)
}

#[test]
fn a_redis_flushed_in_mid_run_costs_no_job_and_no_committed_segment() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let calm = title.calm(&place)?;
    let (farm, redis) = start(&place, &program)?;
    let short = Title::make(&place, &ffmpeg, 2)?;
    let ended = short.submit(&farm, "earlier")?;
    wait_for_the_end(&farm, &ended)?;
    let job = title.submit(&farm, "clip")?;
    let waits = short.submit(&farm, "later")?;
    wait_for_units(&farm, &job, 5)?;
    redis.flush()?;

    let recovered = farm.recover()?.finish(BOUND)?;
    ensure!(recovered.code == Some(0), "{recovered:?}");
    let said = recovered.json()?;
    let number = |name: &str| said[name].as_u64().unwrap_or_default();
    ensure!(number("submitted") + number("known") == 2, "{said}");
    ensure!(number("ended") == 1 && number("published") == 1, "{said}");
    let open = said["open"].as_array().context("the open jobs")?;
    let survey = open.iter().find(|one| one["job"] == job.as_str());
    let survey = survey.with_context(|| said.to_string())?;
    for id in [&job, &waits] {
        wait_for_the_end(&farm, id)?;
    }
    assert_eq!(calm, published(farm.storage(), "clip")?);
    listed(&farm, &ended)?.context("a job that had ended is listed again")?;

    let written = redis.written()?;
    let flushed = written
        .iter()
        .position(|words| words[0].eq_ignore_ascii_case("flushall"));
    let (before, after) = written.split_at(flushed.context("it was flushed")?);
    let before = commits(before, &job)?;
    let after: BTreeMap<_, _> = commits(after, &job)?.into_iter().collect();
    ensure!(
        !before.is_empty() && after.len() == 12,
        "{before:?} {after:?}"
    );
    let again: Vec<_> = before.iter().filter(|(unit, _)| !after[unit]).collect();
    ensure!(again.is_empty(), "encoded again: {again:?}");
    let reused = after.values().filter(|reused| **reused);
    let (before_flush, reused) = (before.len(), reused.count());
    writeln!(
        std::io::stderr(),
        "{before_flush} of 12 segments were committed before, {reused} were not encoded after"
    )?;
    let found = survey["segments_found"].as_u64().unwrap_or_default();
    ensure!(
        found >= before.len() as u64 && survey["segments"] == 12,
        "{survey}"
    );
    Ok(())
}

/// Waits until Redis has written more commits of segments of a job than it had.
fn wait_for_commits(redis: &Redis, job: &str, least: usize) -> Result<()> {
    wait_until("more commits", BOUND, || {
        let known = commits(&redis.written()?, job)?.len();
        Ok((known >= least).then_some(()))
    })
}

#[test]
fn what_a_killed_redis_had_not_synced_costs_no_job_and_no_segment() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let short = Title::make(&place, &ffmpeg, 2)?;
    let calm = title.calm(&place)?;
    let (farm, mut redis) = start(&place, &program)?;
    let job = title.submit(&farm, "clip")?;
    wait_for_commits(&redis, &job, 2)?;
    let synced = redis.length()?;
    // Accepted, and some segments more committed, in what is lost.
    let late = short.submit(&farm, "late")?;
    let before = commits(&redis.written()?, &job)?.len();
    wait_for_commits(&redis, &job, before + 2)?;
    let lost = commits(&redis.written()?, &job)?;
    redis.kill_and_lose(synced)?;
    let kept = commits(&redis.written()?, &job)?.len();
    ensure!(kept < lost.len(), "no commit was lost: {kept}");
    redis.restart()?;
    let lost_commits = lost.len() - kept;
    writeln!(
        std::io::stderr(),
        "{lost_commits} of {} commits and a job were lost",
        lost.len()
    )?;

    for id in [&job, &late] {
        wait_for_the_end(&farm, id)?;
    }
    assert_eq!(calm, published(farm.storage(), "clip")?);
    let all = commits(&redis.written()?, &job)?;
    let by_unit: BTreeMap<_, _> = all.iter().cloned().collect();
    ensure!(
        all.len() == 12 && by_unit.len() == 12,
        "committed twice: {all:?}"
    );
    let again = lost.iter().skip(kept);
    let again: Vec<_> = again.filter(|(unit, _)| !by_unit[unit]).collect();
    ensure!(again.is_empty(), "encoded again: {again:?}");
    Ok(())
}

#[test]
fn a_private_redis_is_recovered_beside_its_scheduler_and_without_it() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 2)?;
    let mut farm = Farm::start(&place)?;
    let job = title.submit(&farm, "waits")?;
    let recover = |farm: &Farm, known: u64, submitted: u64| {
        let finished = farm.recover()?.finish(BOUND)?;
        ensure!(finished.code == Some(0), "{finished:?}");
        let said = finished.json()?;
        ensure!(
            said["known"] == known && said["submitted"] == submitted,
            "{said}"
        );
        ensure!(said["open"][0]["job"] == job.as_str(), "{said}");
        anyhow::Ok(at(&said, "/epoch")?.as_u64().unwrap_or_default())
    };
    let beside = recover(&farm, 1, 0)?;
    farm.scheduler().kill()?;
    // A server removes its socket when it has ended, and would remove that of the next one.
    let socket = place.join("redis/redis.sock");
    wait_until("the end of the private Redis", BOUND, || {
        Ok((!socket.exists()).then_some(()))
    })?;
    std::fs::remove_dir_all(place.join("redis"))?;
    let without = recover(&farm, 0, 1)?;
    ensure!(without > beside, "{without} follows {beside}");
    ensure!(recover(&farm, 1, 0)? > without, "it may be repeated");
    farm.start_scheduler()?;
    farm.add_node(&["--slots", "1"])?;
    wait_for_the_end(&farm, &job)
}
