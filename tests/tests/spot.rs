//! A cloud says that it takes a host away: its node ends by itself, and another finishes the title.

use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tests::{Farm, Place, Redis, Title, published, require, wait_for_the_end, wait_for_units};

/// A double of the metadata service of Compute Engine; answers with its address, and preempts when told.
fn metadata_service() -> Result<(String, Arc<AtomicBool>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}", listener.local_addr()?);
    let is_preempted = Arc::new(AtomicBool::new(false));
    let said = Arc::clone(&is_preempted);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream?);
            let mut line = String::new();
            while stream.read_line(&mut line)? > 2 {
                line.clear();
            }
            let body = match said.load(Ordering::Acquire) {
                true => "TRUE",
                false => "FALSE",
            };
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close");
            write!(stream.get_mut(), "{head}\r\n\r\n{body}")?;
        }
        anyhow::Ok(())
    });
    Ok((url, is_preempted))
}

#[test]
fn a_node_whose_host_is_taken_away_leaves_and_costs_no_attempt() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let calm = title.calm(&place)?;
    let redis = Redis::start(&program, &place)?;
    let mut farm = Farm::start_with(&place, &redis)?;
    let (url, is_preempted) = metadata_service()?;
    let spot = ["--slots", "1", "--spot", "gcp", "--spot-url", &url];
    let node = farm.add_node(&spot)?;
    let job = title.submit(&farm, "clip")?;
    wait_for_units(&farm, &job, 5)?;
    is_preempted.store(true, Ordering::Release);
    let leaving = farm.node(&node)?;
    let ended = leaving.wait(Duration::from_secs(60))?;
    ensure!(ended.success(), "{ended}: {}", leaving.stderr());
    let done = wait_for_units(&farm, &job, 5)?;

    // Whatever starts on the host now takes nothing.
    let mut late = farm.start_node("late", &spot)?;
    let ended = late.wait(Duration::from_secs(60))?;
    ensure!(ended.success(), "{ended}: {}", late.stderr());
    ensure!(wait_for_units(&farm, &job, 5)? == done, "it worked");

    farm.add_node(&["--slots", "1"])?;
    wait_for_the_end(&farm, &job)?;
    assert_eq!(calm, published(farm.storage(), "clip")?);
    let written = redis.written()?;
    let failed = written
        .iter()
        .flatten()
        .find(|word| word.contains("\"node_fault\""));
    ensure!(failed.is_none(), "{}", failed.context("a failure")?);
    Ok(())
}
