//! The thread that starts workers. Not a tokio thread: a worker asks the kernel to be killed when the
//! *thread* that started it ends, and runtimes end their threads whenever they like. This one lives
//! as long as the agent, so a dead agent leaves no worker behind and a living one loses none.

use super::confine::Confinement;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// What is executed as a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerProgram {
    path: PathBuf,
}

impl WorkerProgram {
    /// An executable that calls `worker::main` when its first argument is `worker`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// This very file, also after an upgrade has put another one under its name.
    pub fn this_executable() -> Self {
        Self::new("/proc/self/exe")
    }

    fn command(&self, confinement: &Confinement) -> io::Result<Command> {
        let mut command = Command::new(&self.path);
        command
            .arg("worker")
            .arg(serde_json::to_string(confinement)?);
        // Nothing of the agent's environment: it may hold credentials.
        command
            .env_clear()
            .env("LANG", "C")
            .env("RUST_BACKTRACE", "0")
            .current_dir("/");
        // A terminal signals the whole group of the agent, which then still has work to finish.
        command.process_group(0);
        Ok(command)
    }
}

/// A worker that was just started.
pub(super) struct Started {
    pub(super) child: Child,
    pub(super) socket: UnixStream,
    pub(super) errors: OwnedFd,
}

type Answer = oneshot::Sender<io::Result<Started>>;

/// Starts workers, one after another. The thread ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub(crate) struct Spawner {
    orders: mpsc::SyncSender<(Confinement, Answer)>,
}

impl Spawner {
    /// Starts the thread.
    pub(crate) fn new(program: WorkerProgram) -> io::Result<Self> {
        let (orders, queue) = mpsc::sync_channel::<(Confinement, Answer)>(16);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                while let Ok((confinement, answer)) = queue.recv() {
                    // A receiver that is gone drops the worker, whose socket then ends.
                    drop(answer.send(start(&program, &confinement)));
                }
            })?;
        Ok(Self { orders })
    }

    pub(super) async fn start(&self, confinement: Confinement) -> io::Result<Started> {
        let (answer, started) = oneshot::channel();
        let gone = || io::Error::other("the thread that starts workers has ended");
        self.orders
            .try_send((confinement, answer))
            .map_err(|error| match error {
                mpsc::TrySendError::Full(_) => {
                    io::Error::other("too many workers are being started")
                }
                mpsc::TrySendError::Disconnected(_) => gone(),
            })?;
        started.await.map_err(|_| gone())?
    }
}

fn start(program: &WorkerProgram, confinement: &Confinement) -> io::Result<Started> {
    let (socket, theirs) = UnixStream::pair()?;
    let (errors, their_errors) = io::pipe()?;
    let child = program
        .command(confinement)?
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::from(OwnedFd::from(their_errors)))
        .spawn()?;
    Ok(Started {
        child,
        socket,
        errors: errors.into(),
    })
}
