//! The agent's side of one request: answers reads from the source, hands out segments, passes on what
//! the worker makes, and kills a worker that breaks the protocol or stops making progress.
//!
//! The one fact to know: how long a worker is waited for is for its patience to say, and what a worker
//! says of its progress counts there only within bounds.

use super::message::{Answer, READ_BYTES_MAX, Request, Said, Tiles};
use super::patience::{Over, Patience};
use super::queue::Sender;
use super::wire::{self, Frame, WireError};
use crate::sandbox::{Killed, WorkerProcess};
use crate::transfer::SourceReader;
use model::facts::{PictureFacts, SegmentFacts};
use model::task::Next;
use model::{Failure, FailureKind};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest result. That of a probe is the longest: a day at 60 frames per second, each of another length.
const RESULT_BYTES_MAX: usize = 64 << 20;

/// A segment that a worker is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Handed {
    /// Which.
    pub(crate) segment: u32,
    /// Its output frames.
    pub(crate) frames: u32,
}

/// What a worker wants or made.
#[derive(Debug)]
pub(crate) enum Made {
    /// Wants a segment; `None` ends it.
    Claim(oneshot::Sender<Next<Handed>>),
    /// A segment of a rendition.
    Segment {
        segment: u32,
        rendition: String,
        facts: Box<SegmentFacts>,
        bytes: Vec<u8>,
    },
    /// Facts and sprite tiles of a segment.
    Pictures {
        segment: u32,
        facts: Box<PictureFacts>,
        tiles: Vec<u8>,
    },
    /// Everything of a segment was given.
    UnitDone { segment: u32 },
    /// Still working.
    Progress { segment: u32, done: u32 },
    /// A part of the result.
    Piece { output: String, bytes: Vec<u8> },
}

impl Made {
    /// Size of what a worker made, facts not counted.
    pub(super) fn payload_bytes(&self) -> usize {
        match self {
            Self::Segment { bytes, .. } | Self::Piece { bytes, .. } => bytes.len(),
            Self::Pictures { tiles, .. } => tiles.len(),
            Self::Claim(_) | Self::UnitDone { .. } | Self::Progress { .. } => 0,
        }
    }
}

/// One request with everything that it needs.
pub(crate) struct Session {
    /// Where: begins every failure.
    pub(crate) place: String,
    /// What to do.
    pub(crate) request: Request,
    /// The plan as JSON, or empty.
    pub(crate) plan: bytes::Bytes,
    /// Facts and tiles for images.
    pub(crate) followers: Vec<(PictureFacts, bytes::Bytes)>,
    /// The one source that may be read.
    pub(crate) source: Option<SourceReader>,
    /// Longest time without progress.
    pub(crate) stall: Duration,
}

struct State {
    session: Session,
    worker: WorkerProcess,
    events: Sender,
    claim: Option<oneshot::Receiver<Next<Handed>>>,
    patience: Patience,
    /// Start and end of the last range.
    last_read: Option<(u64, u64)>,
}

/// Why a session gave no result.
#[derive(Debug)]
pub(crate) enum NoResult {
    /// The worker says what is wrong with its source: a worker that can do that works.
    Verdict(Failure),
    /// Anything else, such as a source that the agent cannot read or a worker that died.
    Failed(Failure),
}

impl From<NoResult> for Failure {
    fn from(none: NoResult) -> Self {
        match none {
            NoResult::Verdict(failure) | NoResult::Failed(failure) => failure,
        }
    }
}

/// Why a session ends.
enum End {
    Done(Vec<u8>),
    /// The agent failed, not the worker.
    Failed(Failure),
    /// The worker says that it failed.
    Reported(Failure),
    /// The worker closed its socket or died.
    Gone,
    Kill(Killed),
}

impl Session {
    /// Runs the request in a worker to its end. `events` gets everything in order; `stop` kills the
    /// worker. Returns the result as the worker wrote it: unchecked.
    pub(crate) async fn run(
        self,
        worker: WorkerProcess,
        events: Sender,
        stop: CancellationToken,
    ) -> Result<Vec<u8>, NoResult> {
        let place = self.place.clone();
        let patience = Patience::new(self.stall, self.request.source_bytes, Instant::now());
        let mut state = State {
            session: self,
            worker,
            events,
            claim: None,
            patience,
            last_read: None,
        };
        let end = tokio::select! {
            biased;
            () = stop.cancelled() => End::Kill(Killed::Unwanted),
            end = state.serve() => end,
        };
        let last_read = state.last_read();
        let located = |failure: Failure| {
            let evidence = format!("{}{last_read}", failure.evidence);
            failure.with_evidence(&evidence)
        };
        let killed = match end {
            End::Done(result) => return Ok(result),
            End::Failed(failure) => return Err(NoResult::Failed(failure)),
            End::Reported(failure) => {
                let output = state.worker.bury(&place, None).await.evidence;
                let said = failure.evidence.clone();
                return Err(judged(located(
                    failure.with_evidence(&format!("{said}{output}")),
                )));
            }
            End::Gone => None,
            End::Kill(killed) => Some(killed),
        };
        let failure = state.worker.bury(&place, killed).await;
        Err(NoResult::Failed(located(failure)))
    }
}

impl State {
    /// Where in the source a worker was: what a person who looks for the cause wants to know.
    fn last_read(&self) -> String {
        let size = self.session.request.source_bytes;
        self.last_read.map_or_else(String::new, |(first, last)| {
            format!("last read of the source: bytes {first} to {last} of {size}\n")
        })
    }

    async fn serve(&mut self) -> End {
        if let Err(end) = self.ask().await {
            return end;
        }
        let (frames_to, mut frames) = mpsc::channel(1);
        // A frame must be received to its end, so another task does that.
        let reading = Reading::start(&mut self.worker, frames_to);
        loop {
            let asks = self.claim.is_some();
            let waits_for_agent = self.patience.waits_for_agent(asks, Instant::now());
            let (deadline, over) = self.patience.deadline();
            let step = tokio::select! {
                frame = frames.recv() => match frame {
                    Some(Ok(frame)) => self.handle(frame).await,
                    Some(Err(WireError::Io(_))) | None => Err(End::Gone),
                    Some(Err(error)) => Err(protocol(error.to_string())),
                },
                answer = wait(&mut self.claim) => self.hand_out(answer).await,
                () = tokio::time::sleep_until(deadline), if !waits_for_agent => {
                    Err(End::Kill(match over {
                        Over::Silent(time) => Killed::Stalled(time.as_secs()),
                        Over::Endless(time) => Killed::Endless(time.as_secs()),
                    }))
                }
            };
            if let Err(end) = step {
                drop(reading);
                return end;
            }
        }
    }

    async fn ask(&mut self) -> Result<(), End> {
        let plan = std::mem::take(&mut self.session.plan);
        self.send(&self.session.request.clone(), &plan).await?;
        for (facts, tiles) in std::mem::take(&mut self.session.followers) {
            self.send(&Tiles { facts }, &tiles).await?;
        }
        Ok(())
    }

    /// Sends a frame. A worker that does not take it within the stall time is stalled.
    async fn send(
        &mut self,
        header: &(impl serde::Serialize + Sync),
        payload: &[u8],
    ) -> Result<(), End> {
        let sent = wire::send(&mut self.worker.writer, header, payload);
        match tokio::time::timeout(self.session.stall, sent).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(WireError::Io(_))) => Err(End::Gone),
            Ok(Err(error)) => Err(End::Failed(Failure::new(
                FailureKind::Bug,
                &self.session.place,
                format!("message to the worker: {error}"),
            ))),
            Err(_) => Err(End::Kill(Killed::Stalled(self.session.stall.as_secs()))),
        }
    }

    async fn handle(&mut self, frame: Frame) -> Result<(), End> {
        let said: Said = frame.parse().map_err(|e| protocol(e.to_string()))?;
        let payload = frame.payload;
        let made = match said {
            Said::Read { offset, bytes } => return self.read(offset, bytes).await,
            Said::Claim => {
                if self.claim.is_some() {
                    return Err(protocol(
                        "asked for a segment while it was asking".to_owned(),
                    ));
                }
                let (answer, answered) = oneshot::channel();
                self.claim = Some(answered);
                Made::Claim(answer)
            }
            Said::Segment {
                segment,
                rendition,
                facts,
            } => Made::Segment {
                segment,
                rendition,
                facts,
                bytes: payload,
            },
            Said::Pictures { segment, facts } => Made::Pictures {
                segment,
                facts,
                tiles: payload,
            },
            Said::UnitDone { segment } => {
                self.patience.finished(segment, Instant::now());
                Made::UnitDone { segment }
            }
            Said::Progress { segment, done } => {
                if !self.patience.progressed(segment, done, Instant::now()) {
                    return Ok(());
                }
                Made::Progress { segment, done }
            }
            Said::Piece { output } => Made::Piece {
                output,
                bytes: payload,
            },
            Said::Done if payload.len() > RESULT_BYTES_MAX => {
                let bytes = payload.len();
                return Err(protocol(format!("has a result of {bytes} bytes")));
            }
            Said::Done => return Err(End::Done(payload)),
            Said::Failed(failure) => return Err(End::Reported(self.judge(failure))),
        };
        let is_sign = !matches!(made, Made::UnitDone { .. } | Made::Progress { .. });
        let since = Instant::now();
        if !self.events.send(made).await {
            return Err(End::Kill(Killed::Unwanted));
        }
        self.patience.excuse(since.elapsed());
        if is_sign {
            self.patience.sign(Instant::now());
        }
        Ok(())
    }

    /// A worker may blame the source or itself, nobody else: what it says of storage or leases is not
    /// for it to know. Nor may it be out of room: its room is its own, and a source that fills it would be
    /// tried as often as one that waits for the room of a node.
    fn judge(&self, failure: Failure) -> Failure {
        let kind = match failure.kind {
            kind @ (FailureKind::BadInput
            | FailureKind::Unsupported
            | FailureKind::NodeFault
            | FailureKind::Bug) => kind,
            _ => FailureKind::NodeFault,
        };
        let place = format!("{}: {}", self.session.place, failure.place);
        Failure::new(kind, place, failure.message).with_evidence(&failure.evidence)
    }

    async fn read(&mut self, offset: u64, bytes: u32) -> Result<(), End> {
        let Some(source) = self.session.source.clone() else {
            return Err(protocol("reads a source that it was not given".to_owned()));
        };
        if bytes > READ_BYTES_MAX {
            return Err(protocol(format!("reads {bytes} bytes at once")));
        }
        let since = Instant::now();
        let data = source.read(offset, bytes).await.map_err(End::Failed)?;
        self.last_read = Some((offset, offset + data.len() as u64));
        self.patience.excuse(since.elapsed());
        self.patience.read(Instant::now());
        self.send(&Answer::Data, &data).await
    }

    async fn hand_out(&mut self, handed: Next<Handed>) -> Result<(), End> {
        self.claim = None;
        let now = Instant::now();
        self.patience.waits_for_agent(false, now);
        self.patience.sign(now);
        let next = match handed {
            Next::One(Handed { segment, frames }) => {
                self.patience.handed(segment, frames, now);
                Next::One(segment)
            }
            Next::Later => Next::Later,
            Next::Nothing => Next::Nothing,
        };
        self.send(&Answer::Claimed { next }, &[]).await
    }
}

/// Whether what a worker reported is about its source.
fn judged(failure: Failure) -> NoResult {
    match failure.kind {
        FailureKind::BadInput | FailureKind::Unsupported => NoResult::Verdict(failure),
        _ => NoResult::Failed(failure),
    }
}

fn protocol(reason: String) -> End {
    End::Kill(Killed::Protocol(reason))
}

/// The answer to an open claim; never, where none is open. Somebody who dropped the question means
/// that there is no more.
async fn wait(claim: &mut Option<oneshot::Receiver<Next<Handed>>>) -> Next<Handed> {
    match claim {
        Some(answer) => answer.await.unwrap_or(Next::Nothing),
        None => std::future::pending().await,
    }
}

/// The task that receives frames; ends when dropped.
struct Reading(JoinHandle<()>);

impl Reading {
    fn start(worker: &mut WorkerProcess, frames: mpsc::Sender<Result<Frame, WireError>>) -> Self {
        let reader = worker.take_reader();
        Self(tokio::spawn(async move {
            let Some(mut reader) = reader else { return };
            // A frame is received only when the one before was taken, so that one of them is in memory.
            while let Ok(place) = frames.reserve().await {
                match wire::receive(&mut reader).await {
                    Ok(Some(frame)) => place.send(Ok(frame)),
                    Ok(None) => return,
                    Err(error) => return place.send(Err(error)),
                }
            }
        }))
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.abort();
    }
}
