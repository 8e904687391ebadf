//! `magpie doctor`: what this machine can do and what it lacks, with a remedy for each.

use crate::exit::Exit;
use crate::printer::Printer;
use crate::table::{Side, Table};
use model::NodeId;
use node_agent::{Config, node_info};
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
        Check {
            what: "gpus",
            state: State::Missing,
            found: "none used".to_owned(),
            remedy: "this build encodes on the processor",
        },
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

fn memory(bytes: u64) -> Check {
    let found = format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    // One slot of a 1080p ladder with x264 medium stays below this.
    let state = if bytes < 1 << 30 {
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
            "1 GiB for a 1080p ladder"
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

fn program(name: &'static str, version: &str, remedy: &'static str) -> Check {
    let output = Command::new(name).arg(version).output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout);
            let found = text.lines().next().unwrap_or_default().to_owned();
            Check {
                what: name,
                state: State::Good,
                found,
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
