//! The checks that look at the sources without running them. All of them run even after one has
//! failed, so that a person sees everything at once.

use crate::step;
use anyhow::{Result, bail};
use std::process::Command;

/// Every shell script of the repository.
const SCRIPTS: [&str; 2] = ["run", ".ci/run"];

/// Runs every check and names those that failed.
pub(crate) fn run() -> Result<()> {
    let mut failed = Vec::new();
    let mut commands = vec![("format", format()), ("clippy", clippy()), ("doc", doc())];
    for package in step::OUTSIDE {
        commands.extend([
            ("format", format_of(package)),
            ("clippy", clippy_of(package)),
        ]);
    }
    for (name, mut command) in commands {
        if !step::run(&mut command)? {
            failed.push(name);
        }
    }
    if !step::exists("shellcheck", "--version") {
        step::say("SKIPPED shellcheck: the program is not installed");
    } else if !step::run(step::command("shellcheck").args(SCRIPTS))? {
        failed.push("shellcheck");
    }
    if !failed.is_empty() {
        bail!("check failed: {}", failed.join(", "));
    }
    step::say("check passed");
    Ok(())
}

fn format() -> Command {
    let mut command = step::cargo();
    command.args(["fmt", "--all", "--check"]);
    command
}

fn clippy() -> Command {
    let mut command = step::cargo();
    command.args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]);
    command
}

fn format_of(package: &str) -> Command {
    let mut command = step::cargo_outside("fmt", package);
    command.arg("--check");
    command
}

fn clippy_of(package: &str) -> Command {
    let mut command = step::cargo_outside("clippy", package);
    command.args(["--all-targets", "--locked", "--", "-D", "warnings"]);
    command
}

fn doc() -> Command {
    let mut command = step::cargo();
    command.args(["doc", "--workspace", "--no-deps", "--locked"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    command
}
