//! A redis-server that cannot outlive this process. The kernel ends it with the *thread* that started
//! it, so a thread of its own starts it and waits for it. The request to the kernel is made by the
//! child itself: this program started anew in another role, which then becomes the server.

use anyhow::Context;
use rustix::process::{
    Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal,
    set_parent_process_death_signal,
};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use tokio::sync::{oneshot, watch};

/// The first argument that makes this program a redis-server; the process id of its parent and the
/// server's own arguments follow.
pub const ROLE: &str = "private-redis";

/// Exit code of the role when there is no server to become, as a shell has it.
pub const NOT_STARTED: u8 = 127;

/// Becomes a redis-server that is asked to end when its parent is gone. Returns only on failure.
pub fn become_server() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let parent = arguments.next().and_then(|id| id.to_str()?.parse().ok());
    let bound = set_parent_process_death_signal(Some(Signal::TERM)).is_ok();
    // A parent that was gone before the request was made sends no signal any more.
    if bound && parent.is_some() && parent == getppid().map(Pid::as_raw_pid) {
        // It returns only where it failed, and there is nobody to tell but by the exit code.
        let _ = Command::new("redis-server").args(arguments).exec();
    }
    ExitCode::from(NOT_STARTED)
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Keeper {
    process: OwnedFd,
    status: watch::Receiver<Option<ExitStatus>>,
}

impl Keeper {
    /// Starts a server with these arguments.
    pub async fn start(arguments: &[OsString]) -> anyhow::Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg(ROLE)
            .arg(getpid().as_raw_pid().to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal goes to the whole group; the server must outlive the last write.
            .process_group(0);
        let (started, process) = oneshot::channel();
        let (ended, status) = watch::channel(None);
        std::thread::Builder::new()
            .name(ROLE.to_owned())
            .spawn(move || {
                let mut child = match spawn(command) {
                    Ok((child, process)) => {
                        // Where nobody listens any more, the process ends and the child with it.
                        let _ = started.send(Ok(process));
                        child
                    }
                    Err(error) => {
                        let _ = started.send(Err(error));
                        return;
                    }
                };
                ended.send_replace(child.wait().ok());
            })?;
        let process = process.await.context("a thread broke down")?;
        let process = process.context("a process for redis-server")?;
        Ok(Self { process, status })
    }

    /// How it ended, if it has.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.status.borrow()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // A server that is gone already has nothing left to write.
        let _ = pidfd_send_signal(&self.process, signal);
    }

    /// Waits until it has ended.
    pub async fn ended(&mut self) {
        // The other end is gone only when the thread has seen the end.
        let _ = self.status.wait_for(Option::is_some).await;
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Starts the child and takes hold of its process before anything can reap it.
fn spawn(mut command: Command) -> io::Result<(Child, OwnedFd)> {
    let mut child = command.spawn()?;
    match pidfd_open(Pid::from_child(&child), PidfdFlags::empty()) {
        Ok(process) => Ok((child, process)),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error.into())
        }
    }
}
