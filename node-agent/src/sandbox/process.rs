//! One worker process as the agent sees it: a socket, the end of its error output, and its death.
//! Dropping it kills it; nobody waits for a worker that nobody wants.

use super::confine::Confinement;
use super::exit::{self, Killed};
use super::spawner::{Spawner, Started};
use crate::config::Sandbox;
use crate::error::{Error, Result};
use crate::worker::message::Hello;
use crate::worker::wire;
use model::Failure;
use model::failure::EVIDENCE_BYTES_MAX;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::process::Child;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::oneshot;

/// A worker that has not said hello after so long will not.
const HELLO_MAX: Duration = Duration::from_secs(30);

/// A killed process is gone at once; longer means that the kernel has it.
const BURIAL_MAX: Duration = Duration::from_secs(10);

/// A confined, waiting worker.
#[derive(Debug)]
pub(crate) struct WorkerProcess {
    child: Option<Child>,
    reader: Option<OwnedReadHalf>,
    /// Frames to the worker.
    pub(crate) writer: OwnedWriteHalf,
    evidence: Arc<Mutex<VecDeque<u8>>>,
    evidence_end: Option<oneshot::Receiver<()>>,
    /// The worker is killed when the thread that started it ends.
    _spawner: Spawner,
}

impl WorkerProcess {
    /// Starts a worker and waits until it says how it is confined.
    pub(crate) async fn start(spawner: &Spawner, confinement: Confinement) -> Result<Self> {
        let broken = |reason: String| Error::Worker { reason };
        let started = spawner
            .start(confinement)
            .await
            .map_err(|e| broken(e.to_string()))?;
        let mut worker =
            Self::adopt(started, spawner.clone()).map_err(|e| broken(e.to_string()))?;
        let hello = match worker.reader.as_mut() {
            Some(reader) => tokio::time::timeout(HELLO_MAX, wire::receive(reader)).await,
            None => Ok(Ok(None)),
        };
        let hello = match hello {
            Ok(Ok(Some(frame))) => frame.parse::<Hello>().map_err(|e| e.to_string()),
            Ok(Ok(None)) => Err("it ended before it said hello".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no hello within {} s", HELLO_MAX.as_secs())),
        };
        let hello = match hello {
            Ok(hello) => hello,
            Err(reason) => {
                let end = worker.bury("start", None).await;
                return Err(broken(format!(
                    "{reason}; {}; {}",
                    end.message, end.evidence
                )));
            }
        };
        if !hello.proof.missing.is_empty() {
            let reason = hello.proof.missing.join("; ");
            match confinement.sandbox {
                Sandbox::Strict => return Err(Error::Unconfined { reason }),
                Sandbox::BestEffort => tracing::warn!(%reason, "worker is not fully confined"),
            }
        }
        Ok(worker)
    }

    fn adopt(started: Started, spawner: Spawner) -> io::Result<Self> {
        let Started {
            child,
            socket,
            errors,
        } = started;
        // From here on an early return must kill the child.
        let guard = ChildGuard(Some(child));
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let evidence = Arc::new(Mutex::new(VecDeque::new()));
        let (end, evidence_end) = oneshot::channel();
        let kept = Arc::clone(&evidence);
        std::thread::Builder::new()
            .name("evidence".to_owned())
            .spawn(move || {
                keep_the_end(errors, &kept);
                let _ = end.send(());
            })?;
        let evidence_end = Some(evidence_end);
        Ok(Self {
            child: guard.release(),
            reader: Some(reader),
            writer,
            evidence,
            evidence_end,
            _spawner: spawner,
        })
    }

    /// The reading end of the socket, once.
    pub(crate) fn take_reader(&mut self) -> Option<OwnedReadHalf> {
        self.reader.take()
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.child
            .as_mut()
            .is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Kills the worker if it still runs, waits for its end, and says what that end was.
    pub(crate) async fn bury(mut self, place: &str, killed: Option<Killed>) -> Failure {
        let Some(mut child) = self.child.take() else {
            return exit::failure(place, killed, None, "");
        };
        let own_end = killed.is_none();
        let waited = tokio::task::spawn_blocking(move || {
            // A worker that closed its socket may need a moment to be dead of its own cause.
            if own_end {
                let patience = std::time::Instant::now() + Duration::from_secs(2);
                while std::time::Instant::now() < patience {
                    if let Ok(Some(status)) = child.try_wait() {
                        return Some(status);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
            child.kill().and_then(|()| child.wait()).ok()
        });
        let status = tokio::time::timeout(BURIAL_MAX, waited).await;
        let status = status.ok().and_then(std::result::Result::ok).flatten();
        if let Some(end) = self.evidence_end.take() {
            drop(tokio::time::timeout(Duration::from_secs(1), end).await);
        }
        let bytes: Vec<u8> = self.evidence.lock().iter().copied().collect();
        exit::failure(place, killed, status, &String::from_utf8_lossy(&bytes))
    }
}

impl Drop for WorkerProcess {
    fn drop(&mut self) {
        drop(ChildGuard(self.child.take()));
    }
}

/// Kills and reaps a child on a thread of its own, because reaping may wait.
struct ChildGuard(Option<Child>);

impl ChildGuard {
    fn release(mut self) -> Option<Child> {
        self.0.take()
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let Some(mut child) = self.0.take() else {
            return;
        };
        drop(child.kill());
        if matches!(child.try_wait(), Ok(None)) {
            let reaper = std::thread::Builder::new().name("reaper".to_owned());
            drop(reaper.spawn(move || drop(child.wait())));
        }
    }
}

/// Reads a pipe to its end and keeps the last bytes. A pipe that nobody reads would stop the worker.
fn keep_the_end(errors: OwnedFd, kept: &Mutex<VecDeque<u8>>) {
    let mut pipe = std::fs::File::from(errors);
    let mut buffer = [0; 4096];
    loop {
        match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                let mut kept = kept.lock();
                kept.extend(&buffer[..count]);
                let excess = kept.len().saturating_sub(EVIDENCE_BYTES_MAX);
                kept.drain(..excess);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
