//! `magpie doctor`: what this machine can do and what it lacks, with a remedy for each.

use crate::exit::Exit;
use crate::printer::Printer;
use crate::table::{Side, Table};
use model::NodeId;
use node_agent::{Config, ladders_for, node_info};
use serde::Serialize;
use std::process::Command;
use storage::SourceRoots;

/// Arguments of `magpie doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {}

#[derive(Serialize)]
struct Check {
    what: &'static str,
    state: State,
    found: String,
    remedy: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// As it should be.
    Good,
    /// Works without it, with less.
    Missing,
    /// No work without it.
    Broken,
}

/// Looks and prints; fails when something is missing without which nothing works.
pub async fn run(_: Args, printer: Printer) -> anyhow::Result<Exit> {
    let config = Config::new(NodeId::new("doctor")?, SourceRoots::default());
    let info = node_info(&config)?;
    let mut checks = vec![
        Check {
            what: "processor",
            state: State::Good,
            found: format!("{}, {} cores, {} slots", info.cpu, info.cores, info.slots),
            remedy: "",
        },
        memory(info.memory_bytes),
        sandbox(&config).await,
        gpus(&info.gpus),
        program(
            "redis-server",
            "--version",
            "apt-get install redis-server, or use --redis; `magpie run` needs none",
        ),
        program(
            "ffmpeg",
            "-version",
            "apt-get install ffmpeg; only `magpie bench` needs it",
        ),
    ];
    for (name, version) in &info.builds {
        let found = format!("{name} {version}");
        checks.push(Check {
            what: "build",
            state: State::Good,
            found,
            remedy: "",
        });
    }
    let broken = checks.iter().any(|check| check.state == State::Broken);
    show(printer, &checks)?;
    Ok(if broken { Exit::Failed } else { Exit::Success })
}

fn show(printer: Printer, checks: &[Check]) -> anyhow::Result<()> {
    if printer.is_json() {
        return checks.iter().try_for_each(|check| printer.json(check));
    }
    let mut table = Table::new(&[
        ("check", Side::Left),
        ("state", Side::Left),
        ("found", Side::Left),
        ("remedy", Side::Left),
    ]);
    for check in checks {
        let state = match check.state {
            State::Good => "good",
            State::Missing => "missing",
            State::Broken => "BROKEN",
        };
        let cells = [check.what, state, &check.found, check.remedy];
        table.row(cells.map(str::to_owned));
    }
    printer.line(&table.render());
    Ok(())
}

/// Work runs without any, with the same output bytes.
fn gpus(gpus: &[String]) -> Check {
    let found = match gpus {
        [] => "none found: work runs on the CPU".to_owned(),
        found => found.join(", "),
    };
    Check {
        what: "gpus",
        state: State::Good,
        found,
        remedy: "",
    }
}

fn memory(bytes: u64) -> Check {
    let at_a_time = |lines| ladders_for(bytes, lines);
    let found = format!(
        "{:.1} GiB: at a time {} ladders of 1080 lines, or {} of 2160",
        bytes as f64 / f64::from(1 << 30),
        at_a_time(1080),
        at_a_time(2160)
    );
    let state = if at_a_time(1080) == 0 {
        State::Missing
    } else {
        State::Good
    };
    Check {
        what: "memory",
        state,
        found,
        remedy: if state == State::Good {
            ""
        } else {
            "1 GiB for a ladder of 1080 lines, 4 GiB for one of 2160"
        },
    }
}

async fn sandbox(config: &Config) -> Check {
    match node_agent::prove_sandbox(config).await {
        Ok(()) => Check {
            what: "sandbox",
            state: State::Good,
            found: "a worker proved that it can reach neither files nor network".to_owned(),
            remedy: "",
        },
        Err(error) => Check {
            what: "sandbox",
            state: State::Broken,
            found: error.to_string(),
            remedy: "needs landlock (Linux 5.13) and seccomp; or --sandbox best-effort for sources you trust",
        },
    }
}

fn program(name: &'static str, argument: &str, remedy: &'static str) -> Check {
    let output = Command::new(name).arg(argument).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            Check {
                what: name,
                state: State::Good,
                found: version(text.lines().next().unwrap_or_default()),
                remedy: "",
            }
        }
        _ => Check {
            what: name,
            state: State::Missing,
            found: "not found".to_owned(),
            remedy,
        },
    }
}

/// The version in the first line that a program says of itself, or the line where it has another form.
fn version(line: &str) -> String {
    let mut words = line.split_whitespace();
    let named = words.clone().find_map(|word| word.strip_prefix("v="));
    let after = words.find(|word| *word == "version").and(words.next());
    named.or(after).unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_told_without_what_surrounds_it() {
        let ffmpeg = "ffmpeg version 5.1.9-0+deb12u1 Copyright (c) 2000-2026 the FFmpeg developers";
        assert_eq!(version(ffmpeg), "5.1.9-0+deb12u1");
        let redis = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64";
        assert_eq!(version(redis), "7.0.15");
        assert_eq!(version("Valkey 8"), "Valkey 8");
        assert_eq!(version("its version"), "its version");
    }

    #[test]
    fn a_host_without_a_gpu_lacks_nothing() {
        let none = gpus(&[]);
        assert!(none.state == State::Good && none.remedy.is_empty());
        assert_eq!(none.found, "none found: work runs on the CPU");
        assert_eq!(gpus(&["a".to_owned(), "b".to_owned()]).found, "a, b");
    }
}
