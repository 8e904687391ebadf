//! Runs every test and ends with one line of counts, whichever runner is installed.
//!
//! The farm tests start the `magpie` program. It is built here and named by `MAGPIE_BIN`, because
//! cargo does not rebuild another package's program for a test, and a stale one would be tested
//! without a word. Tests that lack a tool write their names to the file in `MAGPIE_SKIPS`.

use crate::counts::Counts;
use crate::step;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs the tests; `arguments` go to the runner.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if !step::run(step::cargo().args(["build", "--locked", "--package", "cli", "--bin", "magpie"]))?
    {
        bail!("the magpie program does not build");
    }
    let folder = output_folder()?;
    let skips = folder.join("skipped-tests.txt");
    std::fs::write(&skips, "").with_context(|| format!("write {}", skips.display()))?;

    let farm = Farm {
        magpie: folder.join("magpie"),
        skips: skips.clone(),
    };
    let (mut success, mut counts) = if step::exists("cargo-nextest", "--version") {
        nextest(arguments, &farm)?
    } else {
        cargo_test(&["--workspace"], arguments, &farm)?
    };
    if arguments.is_empty() {
        for package in step::OUTSIDE {
            let (passed, more) = test_of(step::cargo_outside("test", package), &[], &farm)?;
            (success, counts) = (success && passed, counts.plus(more));
        }
    }
    let counts = report_skips(&skips, counts)?;
    step::say(&counts.to_string());
    if !success {
        bail!("tests failed");
    }
    Ok(())
}

/// What a test that starts the farm has to know.
struct Farm {
    magpie: PathBuf,
    skips: PathBuf,
}

/// Where cargo put this program and, with the same profile, the one under test.
fn output_folder() -> Result<PathBuf> {
    let program = std::env::current_exe().context("find this program")?;
    Ok(program
        .parent()
        .context("a program is in a folder")?
        .to_owned())
}

fn nextest(arguments: &[String], farm: &Farm) -> Result<(bool, Counts)> {
    let mut total = Counts::default();
    let mut success = true;
    if arguments.is_empty() {
        // nextest does not run examples in documentation.
        (success, total) = cargo_test(&["--workspace", "--doc"], &[], farm)?;
    }
    let mut command = step::cargo();
    command
        .args([
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
        ])
        .args(arguments);
    command
        .env("MAGPIE_BIN", &farm.magpie)
        .env("MAGPIE_SKIPS", &farm.skips);
    let (passed, output) = step::run_and_read(&mut command)?;
    let counts = Counts::from_nextest(&output).context("cargo-nextest printed no summary")?;
    Ok((success && passed, total.plus(counts)))
}

fn cargo_test(scope: &[&str], arguments: &[String], farm: &Farm) -> Result<(bool, Counts)> {
    let mut command = step::cargo();
    command.arg("test").args(scope);
    test_of(command, arguments, farm)
}

fn test_of(mut command: Command, arguments: &[String], farm: &Farm) -> Result<(bool, Counts)> {
    command.args(["--locked", "--no-fail-fast"]).args(arguments);
    command
        .env("MAGPIE_BIN", &farm.magpie)
        .env("MAGPIE_SKIPS", &farm.skips);
    let (success, output) = step::run_and_read(&mut command)?;
    let counts = Counts::from_cargo_test(&output).context("cargo test printed no result")?;
    Ok((success, counts))
}

/// Prints why tests were skipped, and takes them out of the passed ones.
fn report_skips(file: &Path, counts: Counts) -> Result<Counts> {
    let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let lines: BTreeSet<&str> = text.lines().collect();
    for line in &lines {
        step::say(&format!("SKIPPED {line}"));
    }
    let tests: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(test, _)| test)
        .collect();
    Ok(counts.move_to_skipped(tests.len() as u64))
}
