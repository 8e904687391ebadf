//! A program that runs beside the test: its output is collected, signals reach it and everything it
//! started, and it does not outlive the value that stands for it.
//!
//! Nor does it outlive the thread that started it, so that a test which is itself killed leaves nothing
//! behind: a thread that starts a program for others must live as long as it is needed.

use crate::tool::find;
use crate::wait_until;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// Output kept of one stream; a program that says more than this is broken.
const OUTPUT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A running program.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: Output,
    stderr: Output,
}

impl Process {
    /// Starts a program in a process group of its own, so that a signal to it spares the test.
    pub fn start(name: &str, command: Command) -> Result<Self> {
        let mut command = bound(command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0);
        let mut child = command
            .spawn()
            .with_context(|| format!("start {command:?}"))?;
        let stdout = Output::collect(child.stdout.take().expect("stdout is piped above"));
        let stderr = Output::collect(child.stderr.take().expect("stderr is piped above"));
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to its standard output until now.
    pub fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to its standard error until now.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits for a line, of either stream, that contains a text, and returns the line.
    pub fn wait_for_line(&mut self, text: &str, bound: Duration) -> Result<String> {
        let what = format!("a line with {text:?} from {}", self.name);
        let found = wait_until(&what, bound, || {
            // Looked at before the output: what was written before the end is then in the output.
            let ended = self
                .child
                .try_wait()
                .context("look after a process")?
                .filter(|_| self.is_read());
            let output = self.stdout() + &self.stderr();
            match (output.lines().find(|line| line.contains(text)), ended) {
                (Some(line), _) => Ok(Some(line.to_owned())),
                (None, Some(status)) => bail!("{} ended with {status}", self.name),
                (None, None) => Ok(None),
            }
        });
        found.with_context(|| self.last_words())
    }

    /// Waits until it ends by itself and all its output is read. A child of it that lives on and
    /// holds its output open makes this an error: nothing may outlive the program.
    pub fn wait(&mut self, bound: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {} and of its output", self.name);
        let status = wait_until(&what, bound, || {
            let status = self.child.try_wait().context("look after a process")?;
            Ok(status.filter(|_| self.is_read()))
        });
        status.with_context(|| self.last_words())
    }

    /// Fails, with its last words, when it has ended.
    pub fn ensure_alive(&mut self) -> Result<()> {
        match self.child.try_wait().context("look after a process")? {
            Some(status) => bail!("it ended with {status}; {}", self.last_words()),
            None => Ok(()),
        }
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("look after a process")
    }

    /// Asks it to end (SIGTERM), as systemd does; only the program itself is asked.
    pub fn terminate(&self) -> Result<()> {
        kill_process(self.pid(), Signal::TERM).context("send SIGTERM")
    }

    /// Stops it where it is (SIGSTOP) with all its children, like a host that hangs.
    pub fn freeze(&self) -> Result<()> {
        kill_process_group(self.pid(), Signal::STOP).context("send SIGSTOP")
    }

    /// Lets it go on after [`Process::freeze`].
    pub fn thaw(&self) -> Result<()> {
        kill_process_group(self.pid(), Signal::CONT).context("send SIGCONT")
    }

    /// Kills it and all its children at once, like a host that loses power.
    pub fn kill(&mut self) -> Result<()> {
        kill_process_group(self.pid(), Signal::KILL).context("send SIGKILL")?;
        self.child.wait().context("reap a process")?;
        Ok(())
    }

    /// Kills it and nothing that it started: that must follow by itself.
    pub fn kill_alone(&mut self) -> Result<()> {
        kill_process(self.pid(), Signal::KILL).context("send SIGKILL")?;
        self.child.wait().context("reap a process")?;
        Ok(())
    }

    /// Whether everything that was written has been read.
    fn is_read(&self) -> bool {
        self.stdout.reader.is_finished() && self.stderr.reader.is_finished()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn last_words(&self) -> String {
        let tail = |text: String| {
            let lines: Vec<_> = text.lines().rev().take(30).collect();
            lines.into_iter().rev().collect::<Vec<_>>().join("\n")
        };
        format!(
            "{} said:\n{}\n{}",
            self.name,
            tail(self.stdout()),
            tail(self.stderr())
        )
    }
}

/// The same call, started by another program that becomes it. Input and output are not taken over.
pub(crate) fn behind(program: &Path, arguments: &[impl AsRef<OsStr>], call: &Command) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(call.get_program())
        .args(call.get_args());
    for (name, value) in call.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    if let Some(folder) = call.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

/// The same call, killed by the kernel when the thread that starts it ends (PR_SET_PDEATHSIG), which
/// only another program can ask for without unsafe code. Where there is none, a killed test leaves its
/// programs behind.
pub(crate) fn bound(call: Command) -> Command {
    match find("setpriv") {
        Some(setpriv) => behind(&setpriv, &["--pdeathsig", "KILL"], &call),
        None => call,
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that was reaped has given its id back, and the id may be another's by now.
        if let Ok(None) = self.child.try_wait() {
            let _ = kill_process_group(self.pid(), Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// One stream, read to its end by a thread, in whole lines.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Output {
    fn collect(source: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let target = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut lines = BufReader::new(source);
            let mut line = Vec::new();
            while lines
                .read_until(b'\n', &mut line)
                .is_ok_and(|count| count > 0)
            {
                let mut target = target.lock().unwrap_or_else(PoisonError::into_inner);
                if target.len() + line.len() <= OUTPUT_BYTES_MAX {
                    target.append(&mut line);
                }
                line.clear();
            }
        });
        Self { bytes, reader }
    }

    fn text(&self) -> String {
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
