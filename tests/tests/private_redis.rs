//! The private redis-server of a scheduler: it ends with its scheduler, however that ends, and what a
//! killed one left behind is in nobody's way.

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tests::{Clip, Farm, Magpie, Place, Process, lines_of_json, require, wait_until};

const BOUND: Duration = Duration::from_secs(60);

/// Processes at work in a folder: its redis-server goes there.
fn at_work_in(folder: &Path) -> Result<Vec<Pid>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list processes")? {
        let entry = entry?;
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        // Most processes are another's, or gone by now.
        let works_in = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        if works_in == folder {
            found.extend(id.and_then(Pid::from_raw));
        }
    }
    Ok(found)
}

fn wait_for_no_server(folder: &Path) -> Result<()> {
    wait_until("the end of redis-server", BOUND, || {
        Ok(at_work_in(folder)?.is_empty().then_some(()))
    })
}

/// Jobs that the scheduler knows of.
fn jobs(farm: &Farm) -> Result<usize> {
    let listed = farm.call(&["jobs", "--json"])?.finish(BOUND)?;
    ensure!(listed.code == Some(0), "{listed:?}");
    Ok(lines_of_json(&listed.stdout)?.len())
}

#[test]
fn a_killed_scheduler_takes_its_redis_along_and_the_next_one_has_the_jobs() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let folder = place.join("redis");
    let mut farm = Farm::start(&place)?;
    let source = farm.source(&Clip::seconds(1).make(&ffmpeg)?)?;
    let source = source.to_string_lossy();
    let submitted = farm.call(&["submit", &source])?.finish(BOUND)?;
    ensure!(submitted.code == Some(0), "{submitted:?}");
    ensure!(
        at_work_in(&folder)?.len() == 1,
        "there is no private redis-server"
    );
    farm.scheduler().kill()?;

    let mut farm = Farm::start(&place)?;
    assert_eq!(jobs(&farm)?, 1);
    farm.scheduler().kill()?;
    wait_for_no_server(&folder)
}

#[test]
fn a_server_that_was_left_behind_is_ended_and_the_farm_starts() -> Result<()> {
    let Some(program) = require("redis-server") else {
        return Ok(());
    };
    let place = Place::new()?;
    let folder = place.folder("redis")?;
    let mut command = Command::new(program);
    command.args(["--port", "0", "--save", "", "--unixsocket"]);
    command
        .arg(folder.join("redis.sock"))
        .arg("--dir")
        .arg(&folder);
    let mut left = Process::start("redis-server", command)?;
    wait_until("redis-server", BOUND, || {
        Ok(UnixStream::connect(folder.join("redis.sock")).ok())
    })?;
    let farm = Farm::start(&place)?;
    ensure!(
        left.wait(BOUND)?.success(),
        "it was killed and could not write its data"
    );
    assert_eq!(jobs(&farm)?, 0);
    Ok(())
}

#[test]
fn a_server_that_works_elsewhere_is_left_alone() -> Result<()> {
    let Some(program) = require("redis-server") else {
        return Ok(());
    };
    let place = Place::new()?;
    let (folder, elsewhere) = (place.folder("redis")?, place.folder("elsewhere")?);
    let mut command = Command::new(program);
    command.args(["--port", "0", "--save", "", "--unixsocket"]);
    command
        .arg(folder.join("redis.sock"))
        .arg("--dir")
        .arg(&elsewhere);
    let foreign = Process::start("redis-server", command)?;
    wait_until("redis-server", BOUND, || {
        Ok(UnixStream::connect(folder.join("redis.sock")).ok())
    })?;
    let refused = scheduler(&place, &folder)?.finish(BOUND)?;
    ensure!(refused.code == Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--redis-folder"), "{refused:?}");
    ensure!(
        UnixStream::connect(folder.join("redis.sock")).is_ok(),
        "another's server was ended: {foreign:?}"
    );
    Ok(())
}

#[test]
fn a_second_scheduler_does_not_touch_the_server_of_the_first() -> Result<()> {
    if require("redis-server").is_none() {
        return Ok(());
    }
    let place = Place::new()?;
    let farm = Farm::start(&place)?;
    let refused = scheduler(&place, &place.join("redis"))?.finish(BOUND)?;
    ensure!(refused.code == Some(2), "{refused:?}");
    assert!(refused.stderr.contains("another scheduler"), "{refused:?}");
    assert_eq!(jobs(&farm)?, 0);
    Ok(())
}

#[test]
fn a_server_that_hangs_while_its_scheduler_is_killed_ends_when_it_goes_on() -> Result<()> {
    if require("redis-server").is_none() {
        return Ok(());
    }
    let place = Place::new()?;
    let mut farm = Farm::start(&place)?;
    let folder = place.join("redis");
    let servers = at_work_in(&folder)?;
    for server in &servers {
        kill_process(*server, Signal::STOP).context("send SIGSTOP")?;
    }
    farm.scheduler().kill()?;
    ensure!(servers.len() == 1, "there is no private redis-server");
    for server in &servers {
        kill_process(*server, Signal::CONT).context("send SIGCONT")?;
    }
    wait_for_no_server(&folder)
}

#[test]
fn a_folder_of_another_user_is_refused_with_its_owner_and_what_to_do() -> Result<()> {
    let place = Place::new()?;
    // Nobody may make folders there, not even root.
    let refused = scheduler(&place, Path::new("/sys/magpie"))?.finish(BOUND)?;
    ensure!(refused.code == Some(2), "{refused:?}");
    for words in [
        "/sys/magpie",
        "/sys belongs to root",
        "--redis-folder",
        "MAGPIE_REDIS_FOLDER",
    ] {
        assert!(
            refused.stderr.contains(words),
            "{words}: {}",
            refused.stderr
        );
    }
    Ok(())
}

fn scheduler(place: &Place, redis_folder: &Path) -> Result<Magpie> {
    Magpie::new([
        "scheduler".as_ref(),
        "--storage".as_ref(),
        place.folder("storage")?.as_os_str(),
        "--redis-folder".as_ref(),
        redis_folder.as_os_str(),
        "--listen".as_ref(),
        "127.0.0.1:0".as_ref(),
        "--dashboard".as_ref(),
        "127.0.0.1:0".as_ref(),
    ])
}
