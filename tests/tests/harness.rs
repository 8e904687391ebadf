//! The harness itself: what it starts runs, what it waits for is bounded, what it ends is gone.

use anyhow::Result;
use std::process::Command;
use std::time::Duration;
use tests::{Browser, Clip, Place, Process, Redis, require, wait_until};

const BOUND: Duration = Duration::from_secs(20);

fn shell(script: &str) -> Result<Process> {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Process::start("sh", command)
}

#[test]
fn a_line_is_found_and_the_exit_code_is_read() -> Result<()> {
    let mut process = shell("echo listening on 1234; echo late >&2; exit 3")?;
    assert_eq!(
        process.wait_for_line("listening", BOUND)?,
        "listening on 1234"
    );
    assert_eq!(process.wait(BOUND)?.code(), Some(3));
    assert_eq!(process.stderr(), "late\n");
    Ok(())
}

#[test]
fn a_process_that_ends_without_the_line_is_an_error_with_its_last_words() -> Result<()> {
    let mut process = shell("echo no such thing >&2; exit 1")?;
    let error = process
        .wait_for_line("listening", BOUND)
        .expect_err("the line never comes");
    assert!(format!("{error:#}").contains("no such thing"), "{error:#}");
    Ok(())
}

#[test]
fn killing_a_process_kills_its_children() -> Result<()> {
    let mut process = shell("sleep 600 & echo child $!; wait")?;
    let line = process.wait_for_line("child ", BOUND)?;
    let child = line.trim_start_matches("child ").to_owned();
    process.kill()?;
    wait_for_end_of(&child)
}

fn wait_for_end_of(process: &str) -> Result<()> {
    wait_until("the end of a process", BOUND, || {
        // A killed process whose parent is gone may stay a zombie where nothing reaps orphans.
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        Ok((status.is_empty() || status.contains("State:\tZ")).then_some(()))
    })
}

/// As a test that is killed does: what stands for the program is never dropped.
#[test]
fn a_process_does_not_outlive_the_thread_that_started_it() -> Result<()> {
    if require("setpriv").is_none() {
        return Ok(());
    }
    let started = std::thread::spawn(|| {
        let mut process = shell("echo started; exec sleep 600")?;
        process.wait_for_line("started", BOUND)?;
        let id = process.id();
        std::mem::forget(process);
        anyhow::Ok(id)
    });
    let id = started.join().expect("starting a shell does not panic")?;
    wait_for_end_of(&id.to_string())
}

#[test]
fn a_browser_does_not_outlive_the_thread_that_started_it() -> Result<()> {
    let (Some(chromium), Some(_)) = (require("chromium"), require("setpriv")) else {
        return Ok(());
    };
    let start = move || {
        let mut browser = Browser::start(&chromium)?;
        anyhow::ensure!(browser.value("1 + 1")? == 2, "it answers");
        anyhow::Ok(browser)
    };
    let started = std::thread::spawn(start);
    let mut browser = started.join().expect("starting it does not panic")?;
    wait_until("the end of the browser", BOUND, || {
        Ok(browser.value("1 + 1").is_err().then_some(()))
    })
}

#[test]
fn a_wait_ends_at_its_bound_and_says_for_what() {
    let bound = Duration::from_millis(50);
    let error = wait_until::<()>("godot", bound, || Ok(None)).expect_err("he never comes");
    assert_eq!(error.to_string(), "waited 50ms in vain for godot");
}

#[test]
fn a_killed_redis_comes_back_with_its_data_and_a_wiped_one_without() -> Result<()> {
    let Some(program) = require("redis-server") else {
        return Ok(());
    };
    let Some(client) = require("redis-cli") else {
        return Ok(());
    };
    let place = Place::new()?;
    let mut redis = Redis::start(&program, &place)?;
    let call = |words: &[&str], url: &str| -> Result<String> {
        let socket = url.trim_start_matches("redis+unix://");
        let output = Command::new(&client)
            .args(["-s", socket])
            .args(words)
            .output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    assert_eq!(call(&["SET", "key", "value"], &redis.url())?, "OK");
    redis.kill()?;
    redis.restart()?;
    assert_eq!(call(&["GET", "key"], &redis.url())?, "value");
    let written = redis.written()?;
    let sets: Vec<_> = written.iter().filter(|words| words[0] == "SET").collect();
    assert_eq!(sets, [&["SET", "key", "value"]]);
    redis.kill()?;
    redis.wipe()?;
    redis.restart()?;
    assert_eq!(call(&["GET", "key"], &redis.url())?, "");
    Ok(())
}

#[test]
fn a_clip_is_made_once_and_has_the_frames_it_was_asked_for() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let Some(ffprobe) = require("ffprobe") else {
        return Ok(());
    };
    let clip = Clip::seconds(2).size(160, 90).frame_rate("30000/1001");
    let path = clip.make(&ffmpeg)?;
    let made = std::fs::metadata(&path)?.modified()?;
    assert_eq!(clip.make(&ffmpeg)?, path);
    assert_eq!(std::fs::metadata(&path)?.modified()?, made);
    let output = Command::new(ffprobe)
        .args([
            "-v",
            "error",
            "-count_packets",
            "-select_streams",
            "v",
            "-of",
            "csv=p=0",
        ])
        .args([
            "-show_entries",
            "stream=width,height,r_frame_rate,nb_read_packets",
        ])
        .arg(&path)
        .output()?;
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "160,90,30000/1001,60"
    );
    assert_ne!(clip.silent().make(&ffmpeg)?, path);
    Ok(())
}
