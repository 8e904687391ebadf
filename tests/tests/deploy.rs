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

/// A debug build's first page faults, and a cold redis-server.
const START_BOUND: Duration = Duration::from_secs(60);

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

/// Does what the README says about files, below another root.
fn install(root: &Path) -> Result<()> {
    let readme = std::fs::read_to_string(deploy("README.md"))?;
    let lines = readme.lines().filter(|line| line.starts_with("install "));
    let magpie = tests::magpie_path()?;
    let mut installed = 0;
    for line in lines {
        let words: Vec<_> = line.split_whitespace().collect();
        let [options @ .., source, target] = &words[1..] else {
            anyhow::bail!("{line} names no file");
        };
        let source = match *source {
            "target/release/magpie" => magpie.clone(),
            path => repository().join(path),
        };
        let target = root.join(target.trim_start_matches('/'));
        let output = Command::new("install")
            .args(options)
            .arg(source)
            .arg(target)
            .output()?;
        ensure!(output.status.success(), "{line}: {}", self::words(&output));
        installed += 1;
    }
    ensure!(installed == 7, "{installed} files are installed");
    Ok(())
}

/// The settings that a unit reads, with the folders of the host moved below another root.
fn settings(root: &Path, unit: &str) -> Result<Vec<(String, String)>> {
    let path = root.join("usr/lib/systemd/system").join(unit);
    let unit = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file = unit
        .lines()
        .find_map(|line| line.strip_prefix("EnvironmentFile=-/"))
        .context("a unit reads its settings")?;
    let text = std::fs::read_to_string(root.join(file)).context("read settings")?;
    let active = text.lines().filter(|line| !line.starts_with('#'));
    let pairs = active.filter_map(|line| line.split_once('='));
    let below = |value: &str| match value.strip_prefix('/') {
        Some(path) => root.join(path).to_string_lossy().into_owned(),
        None => value.to_owned(),
    };
    Ok(pairs
        .map(|(name, value)| (name.to_owned(), below(value)))
        .collect())
}

/// Starts the program of a unit with its settings.
fn start_unit(root: &Path, unit: &str, more: &[(&str, &str)]) -> Result<Process> {
    let program = root.join("usr/bin/magpie");
    let verb = unit
        .trim_start_matches("magpie-")
        .trim_end_matches(".service");
    let mut command = Command::new(program);
    command.arg(verb).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command
        .envs(settings(root, unit)?)
        .envs(more.iter().copied());
    Process::start(unit, command)
}

#[test]
fn what_the_readme_installs_starts_a_farm_as_it_is() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        tests::skip("only root may install for another user");
        return Ok(());
    }
    let (Some(sysusers), Some(tmpfiles), Some(_)) = (
        require("systemd-sysusers"),
        require("systemd-tmpfiles"),
        require("redis-server"),
    ) else {
        return Ok(());
    };
    let place = Place::new()?;
    let root = place.folder("host")?;
    install(&root)?;
    let at = format!("--root={}", root.display());
    for (program, option) in [(sysusers, None), (tmpfiles, Some("--create"))] {
        let file = if option.is_some() {
            "tmpfiles.d"
        } else {
            "sysusers.d"
        };
        let output = Command::new(program)
            .args(option)
            .arg(&at)
            .arg(root.join("usr/lib").join(file).join("magpie.conf"))
            .output()?;
        ensure!(output.status.success(), "{}", words(&output));
    }
    let redis = place.join("redis").to_string_lossy().into_owned();
    let scheduler = [
        ("MAGPIE_LISTEN", "127.0.0.1:0"),
        ("MAGPIE_DASHBOARD", "127.0.0.1:0"),
        ("MAGPIE_REDIS_FOLDER", &redis),
    ];
    let mut scheduler = start_unit(&root, "magpie-scheduler.service", &scheduler)?;
    let line = scheduler.wait_for_line("api at http://", START_BOUND)?;
    let url = line.rsplit(' ').next().unwrap_or_default().to_owned();
    let node = [("MAGPIE_SCHEDULER", &*url)];
    let mut node = start_unit(&root, "magpie-node.service", &node)?;
    node.wait_for_line("takes work", START_BOUND)?;
    Ok(())
}

#[test]
fn the_examples_set_what_a_farm_cannot_do_without() -> Result<()> {
    let place = Place::new()?;
    install(place.path())?;
    let names = |unit: &str| -> Result<Vec<String>> {
        let settings = settings(place.path(), unit)?;
        Ok(settings.into_iter().map(|(name, _)| name).collect())
    };
    let scheduler = names("magpie-scheduler.service")?;
    assert_eq!(scheduler, ["MAGPIE_STORAGE", "MAGPIE_SOURCES"]);
    assert_eq!(names("magpie-node.service")?, ["MAGPIE_SOURCES"]);
    Ok(())
}

#[test]
fn the_alerts_fire_when_they_should_and_no_others_do() -> Result<()> {
    let Some(promtool) = require("promtool") else {
        return Ok(());
    };
    for (what, file) in [("check", "alerts.yaml"), ("test", "alerts.test.yaml")] {
        let output = Command::new(&promtool)
            .args([what, "rules"])
            .arg(deploy("prometheus").join(file))
            .output()?;
        assert!(output.status.success(), "{file}: {}", words(&output));
    }
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
