//! One child process: started at the top of the workspace, announced before it runs. Output goes
//! through unchanged; where it is needed it is also kept.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Packages of the repository that are not in the workspace.
pub(crate) const OUTSIDE: [&str; 1] = ["bench/queue"];

/// The top folder of the workspace.
pub(crate) fn workspace() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest
        .parent()
        .expect("xtask is a folder of the workspace")
        .to_owned()
}

/// The cargo that started this program, so that its toolchain stays the same.
///
/// What that cargo set to describe this package is taken away again: build scripts (ring's, for
/// one) watch those variables and would be run anew each time.
pub(crate) fn cargo() -> Command {
    let mut command = command(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// The same for a package that is in the repository and not in the workspace, so that what it pulls in is no
/// part of the farm. Its outputs lie with all others.
pub(crate) fn cargo_outside(verb: &str, package: &str) -> Command {
    let mut command = cargo();
    command.args([verb, "--manifest-path"]);
    command.arg(format!("{package}/Cargo.toml"));
    if std::env::var_os("CARGO_TARGET_DIR").is_none() {
        command.env("CARGO_TARGET_DIR", workspace().join("target"));
    }
    command
}

/// A program that runs at the top of the workspace.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(workspace());
    command
}

/// Writes one line for the person at the terminal.
pub(crate) fn say(line: &str) {
    // A closed terminal must not end the checks.
    let _ = writeln!(std::io::stdout(), "{}", line.trim_end());
}

/// Whether a program can be started at all.
pub(crate) fn exists(program: &str, argument: &str) -> bool {
    command(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Runs a command to its end and says whether it succeeded.
pub(crate) fn run(command: &mut Command) -> Result<bool> {
    announce(command);
    let status = command
        .status()
        .with_context(|| format!("start {command:?}"))?;
    Ok(status.success())
}

/// Runs a command to its end, shows its output as it comes, and returns all of it.
pub(crate) fn run_and_read(command: &mut Command) -> Result<(bool, String)> {
    announce(command);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {command:?}"))?;
    let stdout = child.stdout.take().expect("stdout is piped above");
    let stderr = child.stderr.take().expect("stderr is piped above");
    let errors = std::thread::spawn(move || pass_through(stderr, std::io::stderr()));
    let mut text = pass_through(stdout, std::io::stdout())?;
    text += &errors
        .join()
        .expect("the reader returns its errors and does not panic")?;
    let status = child.wait().context("wait for the tests")?;
    Ok((status.success(), text))
}

fn announce(command: &Command) {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| {
            Path::new(word)
                .file_name()
                .unwrap_or(word)
                .to_string_lossy()
        })
        .collect();
    say(&format!("--- {}", words.join(" ")));
}

fn pass_through(source: impl Read, mut target: impl Write) -> Result<String> {
    let mut reader = BufReader::new(source);
    let mut all = String::new();
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        target.write_all(&line)?;
        all += &String::from_utf8_lossy(&line);
        line.clear();
    }
    Ok(all)
}
