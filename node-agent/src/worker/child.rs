//! The worker's side: confine, say hello, serve one request, end. The one fact to know: nothing may
//! run before [`main`], because confinement of the calling thread reaches threads started later, and
//! not those started before.

use super::message::{Answer, Hello, Request, Said};
use super::wire::{self, WireError};
use super::work;
use crate::sandbox::{Confinement, confine};
use model::task::Next;
use model::{Failure, FailureKind};
use parking_lot::Mutex;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, mpsc};

/// Runs this process as a worker: `<program> worker <confinement>`, with a Unix socket as standard
/// input. Returns when the one request was served or the agent is gone.
pub fn main() -> ExitCode {
    let confinement = std::env::args().nth(2).unwrap_or_default();
    let confinement: Confinement = match serde_json::from_str(&confinement) {
        Ok(confinement) => confinement,
        // Started by a person, who sees the exit code and the empty output.
        Err(_) => return ExitCode::from(2),
    };
    let Ok(socket) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return ExitCode::from(2);
    };
    spare_memory();
    let proof = confine(&confinement);
    pipeline::cap_cpu(confinement.limits.cpu_level.into());
    match serve(Arc::new(UnixStream::from(socket)), &Hello { proof }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Encoders come and go with their segments. x264 asks for huge pages for its pictures, and the kernel clears
/// each of them whole for every encoder anew: with small pages a ladder took 3 % less of the processor's
/// time and no more memory.
fn spare_memory() {
    libav::return_freed_memory();
    // A kernel without huge pages has nothing to switch off.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

fn serve(socket: Arc<UnixStream>, hello: &Hello) -> Result<(), WireError> {
    wire::send_blocking(&mut &*socket, hello, &[])?;
    let Some(first) = wire::receive_blocking(&mut &*socket)? else {
        // A spare that nobody needed.
        return Ok(());
    };
    let request: Request = first.parse()?;
    let mut followers = Vec::new();
    for _ in 0..work::followers(&request.work) {
        followers.push(wire::receive_blocking(&mut &*socket)?.ok_or_else(gone)?);
    }
    let link = Arc::new(Link::new(socket)?);
    let worked = catch_unwind(AssertUnwindSafe(|| {
        work::run(&link, &request, first.payload, followers)
    }));
    let worked = worked.unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
    match worked {
        Ok(result) => link.say(&Said::Done, &result),
        Err(failure) => link.say(&Said::Failed(failure), &[]),
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the agent is gone")
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Failure {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "with no message".to_owned());
    Failure::new(FailureKind::Bug, "worker", format!("panicked: {text}"))
}

/// The connection to the agent, shared by the threads of the pipeline. A thread of its own reads the
/// answers, so that waiting for a segment stops neither reading nor writing.
pub(super) struct Link {
    writer: Mutex<Arc<UnixStream>>,
    data: Mutex<mpsc::Receiver<Vec<u8>>>,
    claims: Mutex<mpsc::Receiver<Next<u32>>>,
}

impl Link {
    fn new(socket: Arc<UnixStream>) -> io::Result<Self> {
        // One question of each kind is open at a time.
        let (data_to, data) = mpsc::sync_channel(1);
        let (claims_to, claims) = mpsc::sync_channel(1);
        let reader = Arc::clone(&socket);
        std::thread::Builder::new()
            .name("answers".to_owned())
            .spawn(move || {
                // The end of the socket drops both senders, which ends whoever waits for an answer.
                while let Ok(Some(frame)) = wire::receive_blocking(&mut &*reader) {
                    let passed_on = match frame.parse() {
                        Ok(Answer::Data) => data_to.send(frame.payload).is_ok(),
                        Ok(Answer::Claimed { next }) => claims_to.send(next).is_ok(),
                        Err(_) => false,
                    };
                    if !passed_on {
                        return;
                    }
                }
            })?;
        Ok(Self {
            writer: Mutex::new(socket),
            data: Mutex::new(data),
            claims: Mutex::new(claims),
        })
    }

    /// Says something to the agent.
    pub(super) fn say(&self, said: &Said, payload: &[u8]) -> Result<(), WireError> {
        let writer = self.writer.lock();
        wire::send_blocking(&mut &**writer, said, payload)
    }

    /// Reads a range of the source.
    pub(super) fn read(&self, offset: u64, bytes: u32) -> io::Result<Vec<u8>> {
        let data = self.data.lock();
        self.say(&Said::Read { offset, bytes }, &[])
            .map_err(io::Error::other)?;
        data.recv().map_err(|_| gone())
    }

    /// The next segment to encode; nothing when the agent is gone.
    pub(super) fn claim(&self) -> Next<u32> {
        let claims = self.claims.lock();
        match self.say(&Said::Claim, &[]) {
            Ok(()) => claims.recv().unwrap_or(Next::Nothing),
            Err(_) => Next::Nothing,
        }
    }
}

#[cfg(debug_assertions)]
impl Link {
    /// Sends bytes that are no frame.
    pub(super) fn babble(&self) {
        use std::io::Write;
        let writer = self.writer.lock();
        drop((&**writer).write_all(&[0xff; 64]));
        std::thread::sleep(std::time::Duration::from_secs(60));
    }
}
