//! What an operator installs, looked at by the programs that will read it.

use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;
use tests::sources::{Source, repository, sources};
use tests::{Place, Process, require, wait_until};

/// Exposure level that `systemd-analyze security` may report at most, in tenths.
const EXPOSURE_MAX: &str = "20";

fn deploy(path: &str) -> PathBuf {
    repository().join("deploy").join(path)
}

/// Copies of the units whose program exists on this machine.
fn units(place: &Place) -> Result<Vec<PathBuf>> {
    let names = ["magpie-node.service", "magpie-scheduler.service"];
    let copy = |name: &str| {
        let text = std::fs::read_to_string(deploy("systemd").join(name)).context("read a unit")?;
        ensure!(
            text.contains("ExecStart=/usr/bin/magpie "),
            "{name} starts something else"
        );
        let path = place.join(name);
        std::fs::write(&path, text.replace("/usr/bin/magpie", "/bin/true"))
            .context("copy a unit")?;
        Ok(path)
    };
    names.into_iter().map(copy).collect()
}

fn words(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn systemd_has_nothing_to_say_about_the_units() -> Result<()> {
    let Some(analyze) = require("systemd-analyze") else {
        return Ok(());
    };
    let place = Place::new()?;
    let output = Command::new(analyze)
        .args(["verify", "--man=no"])
        .args(units(&place)?)
        .output()?;
    // It warns about unknown keys and values, and succeeds all the same.
    assert!(
        output.status.success() && words(&output).is_empty(),
        "{}",
        words(&output)
    );
    Ok(())
}

#[test]
fn the_units_expose_little() -> Result<()> {
    let Some(analyze) = require("systemd-analyze") else {
        return Ok(());
    };
    let place = Place::new()?;
    for unit in units(&place)? {
        let output = Command::new(&analyze)
            .args([
                "security",
                "--offline=true",
                "--no-pager",
                "--threshold",
                EXPOSURE_MAX,
            ])
            .arg(unit)
            .output()?;
        assert!(output.status.success(), "{}", words(&output));
    }
    Ok(())
}

#[test]
fn the_settings_in_the_examples_are_settings_of_the_program() -> Result<()> {
    let sources = sources()?;
    let mut known = BTreeSet::new();
    for line in sources
        .iter()
        .filter(|source| source.room() == "cli")
        .flat_map(Source::shipped)
    {
        let names = line
            .code
            .split("env = \"")
            .skip(1)
            .filter_map(|rest| rest.split_once('"'));
        known.extend(names.map(|(name, _)| name));
    }
    let examples = sources
        .iter()
        .filter(|source| source.path.ends_with(".env"));
    let settings = examples
        .flat_map(|source| source.text.lines())
        .filter_map(|line| {
            line.trim_start_matches('#')
                .split_once('=')
                .map(|(name, _)| name)
        });
    let settings: BTreeSet<_> = settings
        .filter(|name| name.starts_with("MAGPIE_"))
        .collect();
    assert!(settings.len() > 3, "{settings:?}");
    let unknown: Vec<_> = settings.difference(&known).collect();
    assert!(
        unknown.is_empty(),
        "{unknown:?} in deploy/systemd/*.env, but magpie reads {known:?}"
    );
    Ok(())
}

#[test]
fn the_account_can_be_made() -> Result<()> {
    let Some(sysusers) = require("systemd-sysusers") else {
        return Ok(());
    };
    let root = Place::new()?;
    let output = Command::new(sysusers)
        .arg("--dry-run")
        .arg(format!("--root={}", root.path().display()))
        .arg(deploy("systemd/magpie.sysusers.conf"))
        .output()?;
    assert!(output.status.success(), "{}", words(&output));
    assert!(words(&output).contains("magpie"), "{}", words(&output));
    Ok(())
}

#[test]
fn the_redis_account_reaches_the_farms_keys_and_nothing_else() -> Result<()> {
    let Some(server) = require("redis-server") else {
        return Ok(());
    };
    let Some(client) = require("redis-cli") else {
        return Ok(());
    };
    let place = Place::new()?;
    let zeros = format!("#{}", "0".repeat(64));
    let rules = std::fs::read_to_string(deploy("redis/magpie.acl"))?;
    assert!(
        rules.contains(&zeros),
        "the example must not have a password that works"
    );
    let rules_file = place.join("acl");
    std::fs::write(&rules_file, rules.replace(&zeros, ">secret"))?;
    let _server = start_redis(&server, &place, &rules_file)?;

    let call = |words: &[&str]| redis(&client, &place, words);
    assert_eq!(call(&["SET", "magpie:a", "1"])?, "OK");
    assert_eq!(
        call(&["EVAL", "return redis.call('GET', KEYS[1])", "1", "magpie:a"])?,
        "1"
    );
    assert!(call(&["TIME"])?.lines().count() == 2);
    let forbidden: [&[&str]; 5] = [
        &["SET", "other", "1"],
        &["EVAL", "return redis.call('GET', 'other')", "0"],
        &["FLUSHALL"],
        &["CONFIG", "GET", "*"],
        &["KEYS", "*"],
    ];
    for words in forbidden {
        let answer = call(words)?;
        let is_refused = answer.contains("NOPERM") || answer.contains("can't access");
        assert!(is_refused, "{words:?}: {answer}");
    }
    Ok(())
}

fn start_redis(server: &Path, place: &Place, rules: &Path) -> Result<Process> {
    let mut command = Command::new(server);
    command
        .current_dir(place.path())
        .args(["--port", "0", "--save", "", "--unixsocket"]);
    command
        .arg(place.join("socket"))
        .arg("--aclfile")
        .arg(rules);
    let process = Process::start("redis-server", command)?;
    wait_until("redis-server", Duration::from_secs(10), || {
        Ok(
            std::os::unix::net::UnixStream::connect(place.join("socket"))
                .ok()
                .map(drop),
        )
    })
    .with_context(|| process.stdout())?;
    Ok(process)
}

fn redis(client: &Path, place: &Place, words: &[&str]) -> Result<String> {
    let output = Command::new(client)
        .arg("-s")
        .arg(place.join("socket"))
        .args(["--user", "magpie", "--pass", "secret", "--no-auth-warning"])
        .args(words)
        .output()
        .context("start redis-cli")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
