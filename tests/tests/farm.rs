//! The farm as its operators use it: every command against a scheduler with a private Redis and real
//! nodes.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Browser, Clip, Farm, Place, at, lines_of_json, require, wait_until};

const BOUND: Duration = Duration::from_secs(300);

/// Calls a command that must succeed; answers with its JSON lines.
fn call(farm: &Farm, arguments: &[&str]) -> Result<Vec<Value>> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let finished = farm.call(&all)?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{arguments:?}: {finished:?}");
    lines_of_json(&finished.stdout)
}

fn text<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    Ok(at(value, pointer)?.as_str().unwrap_or_default())
}

fn submit(farm: &Farm, source: &Path, options: &[&str]) -> Result<String> {
    let source = source.to_string_lossy();
    let mut arguments = vec!["submit", &*source, "--profile", "preview", "--title", "it"];
    arguments.extend(options);
    Ok(text(&call(farm, &arguments)?[0], "/id")?.to_owned())
}

#[test]
fn a_title_is_submitted_watched_published_and_rolled_back() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let source = farm.source(&Clip::seconds(3).make(&ffmpeg)?)?;
    // Accepted without a node; the job says what it waits for.
    let job = submit(&farm, &source, &["--idempotency-key", "monday"])?;
    assert_eq!(
        submit(&farm, &source, &["--idempotency-key", "monday"])?,
        job
    );
    let node = farm.add_node(&["--slots", "2"])?;
    let watched = call(&farm, &["watch", &job])?;
    assert_eq!(text(&watched[0], "/phase")?, "published");

    // `--wait` prints the result of the job instead of the job.
    let source = source.to_string_lossy();
    let again = ["submit", &*source, "--profile", "preview", "--title", "it"];
    let again = [&again[..], &["--idempotency-key", "tuesday", "--wait"]].concat();
    let second = call(&farm, &again)?;
    assert_eq!(text(&second[0], "/phase")?, "published");
    assert_ne!(text(&second[0], "/job")?, job);
    let titles = call(&farm, &["publish", "list", "it"])?;
    assert_eq!(at(&titles[0], "/version")?, 2);
    let back = call(&farm, &["publish", "rollback", "it", "1"])?;
    assert_eq!(at(&back[0], "/version")?, 1);
    let refused = farm
        .call(&["publish", "rollback", "it", "7"])?
        .finish(BOUND)?;
    ensure!(refused.code == Some(1), "{refused:?}");
    ensure!(
        refused.stderr.contains("v7 was never published"),
        "{refused:?}"
    );

    let nodes = call(&farm, &["nodes"])?;
    assert_eq!(text(&nodes[0], "/id")?, node);
    assert_eq!(call(&farm, &["jobs", "--phase", "published"])?.len(), 2);
    assert_eq!(call(&farm, &["jobs", "--limit", "1"])?.len(), 1);
    Ok(())
}

#[test]
fn a_broken_source_rests_in_the_dlq_and_the_node_lives_on() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "1"])?;
    let broken = place.join("broken.mp4");
    std::fs::write(&broken, b"not a film")?;
    let broken = farm.source(&broken)?;
    let job = submit(&farm, &broken, &[])?;
    let watched = farm.call(&["watch", &job, "--json"])?.finish(BOUND)?;
    ensure!(watched.code == Some(1), "{watched:?}");
    assert_eq!(text(&watched.json()?, "/failure/kind")?, "bad_input");

    let dead = call(&farm, &["dlq", "list"])?;
    let chunk = text(&dead[0], "/id")?.to_owned();
    ensure!(chunk.starts_with(&job), "{chunk}");
    let shown = call(&farm, &["dlq", "show", &chunk])?;
    assert_eq!(text(&shown[0], "/attempts/0/failure/kind")?, "bad_input");
    // Mended in place: the retry reads it anew.
    std::fs::copy(Clip::seconds(2).make(&ffmpeg)?, &broken)?;
    call(&farm, &["dlq", "retry", &job])?;
    let watched = call(&farm, &["watch", &job])?;
    assert_eq!(text(&watched[0], "/phase")?, "published");
    assert!(call(&farm, &["dlq", "list"])?.is_empty());
    Ok(())
}

/// Processor time that a process has had, in hundredths of a second; `None` when it is dead.
fn busy(process: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // What follows the name: the state first, user and system time as the twelfth and thirteenth.
    let fields: Vec<&str> = stat.rsplit(") ").next()?.split(' ').collect();
    let time = |at: usize| fields.get(at)?.parse::<u64>().ok();
    (fields[0] != "Z").then(|| Some(time(11)? + time(12)?))?
}

/// The child of a node that has worked for longest, if any has for a second: the spare ones are idle.
fn encoder(node: u32) -> Result<Option<u32>> {
    let mut children = String::new();
    for thread in std::fs::read_dir(format!("/proc/{node}/task")).context("threads of the node")? {
        let list = thread?.path().join("children");
        children += &std::fs::read_to_string(list).unwrap_or_default();
    }
    let children = children.split_whitespace().filter_map(|id| id.parse().ok());
    let worked = children.filter_map(|id| Some((busy(id)?, id)));
    Ok(worked
        .max()
        .filter(|(time, _)| *time > 100)
        .map(|(_, id)| id))
}

#[test]
fn a_job_is_cancelled_and_a_node_drains() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let node = farm.add_node(&["--slots", "1"])?;
    let long = Clip::seconds(60).size(1280, 720).make(&ffmpeg)?;
    let source = farm.source(&long)?.to_string_lossy().into_owned();
    let submitted = call(&farm, &["submit", &source, "--title", "long"])?;
    let job = text(&submitted[0], "/id")?.to_owned();
    wait_until("the first segment", BOUND, || {
        let jobs = call(&farm, &["jobs"])?;
        Ok((at(&jobs[0], "/units_done")?.as_u64() > Some(1)).then_some(()))
    })?;
    let process = farm.node(&node)?.id();
    let worker = wait_until("an encoder at work", BOUND, || encoder(process))?;
    let cancelled = call(&farm, &["cancel", &job])?;
    let gone = || Ok(busy(worker).is_none().then_some(()));
    wait_until("the end of the encoder", Duration::from_secs(1), gone)?;
    assert_eq!(text(&cancelled[0], "/phase")?, "cancelled");
    wait_until("the node to let go", Duration::from_secs(30), || {
        let nodes = call(&farm, &["nodes"])?;
        let holds = at(&nodes[0], "/holds")?.as_array().map_or(0, Vec::len);
        Ok((holds == 0).then_some(()))
    })?;

    call(&farm, &["nodes", "--drain", &node])?;
    let status = farm.node(&node)?.wait(BOUND)?;
    ensure!(status.success(), "a drained node ended with {status}");
    ensure!(
        !farm.storage().join("catalog/long.json").exists(),
        "a cancelled title was published"
    );
    Ok(())
}

/// A farm whose scheduler meets a ticket in storage that nobody can open, and that ticket.
fn recovering(place: &Place) -> Result<(Farm, PathBuf)> {
    let mut farm = Farm::start(place)?;
    farm.scheduler().kill()?;
    let ticket = farm.storage().join("jobs/j1/ticket.json");
    std::fs::create_dir_all(ticket.parent().context("it has a folder")?)?;
    // A link that leads to itself.
    std::os::unix::fs::symlink(&ticket, &ticket)?;
    farm.start_scheduler()?;
    Ok((farm, ticket))
}

#[test]
fn a_farm_that_recovers_says_so_beside_its_jobs() -> Result<()> {
    let Some(_) = require("redis-server") else {
        return Ok(());
    };
    let place = Place::new()?;
    let (farm, ticket) = recovering(&place)?;
    let says_so = || {
        let listed = farm.call(&["jobs"])?.finish(BOUND)?;
        ensure!(listed.code == Some(0), "{listed:?}");
        Ok(listed.stderr.contains("recovering 1"))
    };
    wait_until("the recovery is said", BOUND, || {
        Ok(says_so()?.then_some(()))
    })?;
    std::fs::remove_file(ticket)?;
    wait_until("it has ended", BOUND, || Ok((!says_so()?).then_some(())))
}

#[test]
fn a_farm_that_recovers_says_so_on_its_page() -> Result<()> {
    let (Some(_), Some(chromium)) = (require("redis-server"), require("chromium")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let (mut farm, ticket) = recovering(&place)?;
    let mut browser = Browser::start(&chromium)?;
    browser.open(&farm.dashboard()?)?;
    let figures = "document.getElementById('figures').innerText.toLowerCase()";
    browser.wait_for(&format!("{figures}.includes('recovering')"), BOUND)?;
    std::fs::remove_file(ticket)?;
    let ended = format!("{figures}.includes('nodes') && !{figures}.includes('recovering')");
    browser.wait_for(&ended, BOUND)
}

#[test]
fn a_wiped_redis_costs_no_job() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let job = {
        let farm = Farm::start(&place)?;
        let source = farm.source(&Clip::seconds(2).make(&ffmpeg)?)?;
        submit(&farm, &source, &[])?
        // Scheduler and Redis die here without a goodbye.
    };
    std::fs::remove_dir_all(place.join("redis"))?;
    let mut farm = Farm::start(&place)?;
    farm.add_node(&["--slots", "1"])?;
    let watched = call(&farm, &["watch", &job])?;
    assert_eq!(text(&watched[0], "/phase")?, "published");
    Ok(())
}
