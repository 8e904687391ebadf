//! The program under test, started as a user starts it.

use crate::Process;
use crate::process::behind;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// A call of `magpie` that is being put together.
#[derive(Debug)]
pub struct Magpie {
    command: Command,
    name: String,
}

/// What a call of `magpie` left behind.
#[derive(Debug)]
pub struct Finished {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output: data.
    pub stdout: String,
    /// Standard error: everything else.
    pub stderr: String,
}

impl Magpie {
    /// A call with these arguments. The environment of the test is hidden from it where it could
    /// change the result.
    pub fn new<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<Self> {
        Ok(Self::of(&magpie_path()?, arguments))
    }

    /// The same of a program under another name, by which its processes are told from others.
    pub fn of<S: AsRef<OsStr>>(program: &Path, arguments: impl IntoIterator<Item = S>) -> Self {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MAGPIE_") {
                command.env_remove(name);
            }
        }
        command
            .args(arguments)
            .env("NO_COLOR", "1")
            .env_remove("RUST_LOG");
        let words: Vec<_> = command.get_args().map(OsStr::to_string_lossy).collect();
        let name = format!("magpie {}", words.join(" "));
        Self { command, name }
    }

    /// Sets an environment variable of the call.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder in which it runs.
    pub fn folder(mut self, path: &Path) -> Self {
        self.command.current_dir(path);
        self
    }

    /// The same call, started by another program that becomes it, such as `taskset -c 0`.
    pub fn behind(self, program: &Path, arguments: &[impl AsRef<OsStr>]) -> Self {
        Self {
            command: behind(program, arguments, &self.command),
            name: self.name,
        }
    }

    /// Starts it beside the test.
    pub fn start(self) -> Result<Process> {
        Process::start(&self.name, self.command)
    }

    /// Runs it to its end.
    pub fn finish(self, bound: Duration) -> Result<Finished> {
        let mut process = self.start()?;
        let status = process.wait(bound)?;
        Ok(Finished {
            code: status.code(),
            stdout: process.stdout(),
            stderr: process.stderr(),
        })
    }
}

impl Finished {
    /// Standard output as one JSON value.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.stdout)
            .with_context(|| format!("not JSON: {:?}; {}", self.stdout, self.stderr))
    }
}

/// The program: `MAGPIE_BIN` where that is set, as `cargo xtask test` does; else built now, because
/// cargo does not rebuild another package's program for a test and a stale one would be tested.
pub fn magpie_path() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(path) = std::env::var_os("MAGPIE_BIN") {
        return Ok(path.into());
    }
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args([
            "build",
            "--locked",
            "--package",
            "cli",
            "--bin",
            "magpie",
            "--message-format=json",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .context("start cargo")?;
    if !output.status.success() {
        bail!("cargo build: {}", String::from_utf8_lossy(&output.stderr));
    }
    let messages = crate::lines_of_json(&String::from_utf8_lossy(&output.stdout))?;
    let program = messages
        .iter()
        .rev()
        .find_map(|message| message["executable"].as_str());
    Ok(program.context("cargo built no program")?.into())
}
