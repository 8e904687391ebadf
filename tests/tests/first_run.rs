//! `./run` on a machine that lacks everything: it installs in few words, and names its log when an
//! installer fails. The installers are scripts of the test's.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tests::sources::repository;
use tests::{Finished, Place, Process};

const BOUND: Duration = Duration::from_secs(60);

/// As talkative as the real one.
const APT_GET: &str = "seq 1 1600";

/// The search path: programs of the test's before those of the machine, which has neither an S3 server
/// nor promtool.
fn programs(place: &Place, scripts: &[(&str, &str)]) -> Result<String> {
    let folder = place.folder("programs")?;
    for (name, script) in scripts {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    }
    let path = std::env::var_os("PATH").context("there is a PATH")?;
    let is_needed = |one: &PathBuf| {
        !["moto_server", "promtool"]
            .map(|tool| one.join(tool).exists())
            .contains(&true)
    };
    let others = std::env::split_paths(&path).filter(is_needed);
    let all = std::env::join_paths(std::iter::once(folder).chain(others))?;
    Ok(all.to_string_lossy().into_owned())
}

/// `./run setup` where nothing is installed yet.
fn set_up(place: &Place, apt_get: &str, python: &str) -> Result<Finished> {
    let scripts = [
        ("dpkg-query", "exit 1"),
        ("sudo", "[ \"$1\" = -v ] || exec \"$@\""),
        ("apt-get", apt_get),
        ("python3", python),
        ("cargo", ""),
    ];
    run(place, "setup", &scripts)
}

fn run(place: &Place, what: &str, scripts: &[(&str, &str)]) -> Result<Finished> {
    let mut command = Command::new(repository().join("run"));
    command
        .arg(what)
        .env("PATH", programs(place, scripts)?)
        .env("CARGO_TARGET_DIR", place.join("target"));
    let mut process = Process::start("run", command)?;
    let code = process.wait(BOUND)?.code();
    Ok(Finished {
        code,
        stdout: process.stdout(),
        stderr: process.stderr(),
    })
}

#[test]
fn installing_takes_a_line_for_each_step_and_the_rest_is_in_a_log() -> Result<()> {
    let place = Place::new()?;
    let finished = set_up(&place, APT_GET, "exit 1")?;
    ensure!(finished.code == Some(0), "{finished:?}");
    assert!(finished.stdout.lines().count() < 8, "{}", finished.stdout);
    assert!(
        finished.stdout.contains("build-essential"),
        "{}",
        finished.stdout
    );
    let log = std::fs::read_to_string(place.join("target/setup.log"))?;
    assert!(log.lines().count() > 1600, "{log}");
    Ok(())
}

#[test]
fn a_disk_that_holds_no_build_is_said_before_anything_is_done() -> Result<()> {
    let place = Place::new()?;
    let scripts = [
        ("df", "echo Avail; echo '    1'"),
        ("apt-get", "touch \"$0.called\""),
    ];
    for what in ["test", "demo", "check"] {
        let finished = run(&place, what, &scripts)?;
        ensure!(finished.code == Some(1), "{finished:?}");
        let words = "target has 1 GB free; a first build takes";
        assert!(finished.stderr.contains(words), "{finished:?}");
    }
    ensure!(!place.join("programs/apt-get.called").exists());
    Ok(())
}

#[test]
fn a_failed_installer_ends_it_with_its_last_words_and_the_log() -> Result<()> {
    let place = Place::new()?;
    let apt_get = format!("{APT_GET}; echo E: no such package >&2; exit 100");
    let finished = set_up(&place, &apt_get, "exit 1")?;
    ensure!(finished.code != Some(0), "{finished:?}");
    for words in [
        "apt-get update failed",
        "target/setup.log",
        "E: no such package",
    ] {
        assert!(finished.stderr.contains(words), "{words}: {finished:?}");
    }
    assert!(finished.stderr.lines().count() < 20, "{finished:?}");
    Ok(())
}

#[test]
fn checks_whose_tools_cannot_be_had_are_announced_as_skipped() -> Result<()> {
    let place = Place::new()?;
    let finished = set_up(&place, APT_GET, "echo no index >&2; exit 1")?;
    ensure!(finished.code == Some(0), "{finished:?}");
    for words in [
        "installing an S3 server",
        "checks on S3 will be skipped",
        "checks on alerts will be skipped",
    ] {
        assert!(finished.stdout.contains(words), "{words}: {finished:?}");
    }
    Ok(())
}
