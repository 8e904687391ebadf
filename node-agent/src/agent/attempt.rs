//! One attempt at one chunk: what a task is given, how it may end, and what the scheduler is told.

use super::health::Permit;
use super::lease::Lease;
use super::memory::Memory;
use super::{Event, Observer};
use crate::error::Error;
use crate::tasks::{self, Context};
use model::task::{Claim, Committed, Grant, Next, TaskKind, UnitRecord};
use model::{Failure, FailureKind, TaskId};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// Why a task ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It failed.
    Failed(Failure),
    /// The lease is lost or the job is gone: nobody wants the rest.
    Lost,
    /// The agent drains: the rest is handed back.
    Drained,
    /// Other work comes first, or the job is paused: the rest is handed back.
    Yielded,
    /// Other slots took the memory after this one asked for work: it is handed back.
    Crowded,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        let kind = match &error {
            // What a registered node says is refused only when it says something wrong.
            Error::Refused { .. } => FailureKind::Bug,
            other => other.kind(),
        };
        Self::Failed(Failure::new(kind, "node", error.to_string()))
    }
}

/// What a task is given.
pub(crate) struct Attempt {
    /// The chunk and what to do.
    pub(crate) grant: Grant,
    /// The right to it.
    pub(crate) lease: Lease,
    /// Slot that it runs in.
    pub(crate) slot: u32,
    /// Claim nothing more.
    pub(crate) drain: CancellationToken,
    /// Stop at once.
    pub(crate) kill: CancellationToken,
    /// Who watches.
    pub(crate) observer: Arc<dyn Observer>,
    /// Memory that the slots share.
    pub(crate) memory: Arc<Memory>,
    /// The right to take it, which hears what becomes of it.
    pub(crate) permit: Permit,
}

impl Attempt {
    /// The task.
    pub(crate) fn task(&self) -> &TaskId {
        &self.grant.chunk.task
    }

    /// Waits until the work is not wanted any more.
    pub(crate) async fn called_off(&self) {
        tokio::select! {
            () = self.lease.lost().cancelled() => {}
            () = self.kill.cancelled() => {}
        }
    }

    /// Why the work was called off.
    pub(crate) fn reason(&self) -> Stop {
        if self.kill.is_cancelled() {
            Stop::Drained
        } else {
            Stop::Lost
        }
    }

    /// The next unit.
    pub(crate) async fn claim(&self) -> Result<Next<u32>, Stop> {
        if self.drain.is_cancelled() {
            return Err(Stop::Drained);
        }
        tokio::select! {
            biased;
            () = self.called_off() => Err(self.reason()),
            // A claim that was under way may have been granted; handing the chunk back undoes it.
            () = self.drain.cancelled() => Err(Stop::Drained),
            claim = self.lease.claim() => match claim? {
                Claim::Unit(unit) => Ok(Next::One(unit)),
                Claim::Drained => Ok(Next::Nothing),
                Claim::Later => Ok(Next::Later),
                Claim::Yield => Err(Stop::Yielded),
                Claim::Lost => Err(Stop::Lost),
            },
        }
    }

    /// Commits a unit; repeated until a scheduler answers or the agent is killed.
    pub(crate) async fn commit(&self, unit: u32, record: UnitRecord) -> Result<(), Stop> {
        let committed = tokio::select! {
            biased;
            () = self.kill.cancelled() => return Err(Stop::Drained),
            committed = self.lease.commit(unit, &record) => committed?,
        };
        match committed {
            Committed::Accepted | Committed::Adopted | Committed::Already => {
                if !record.reused {
                    self.permit.worked(&self.grant.kind);
                }
                self.observer.observe(Event::Committed {
                    slot: self.slot,
                    chunk: self.grant.chunk.clone(),
                    unit,
                    frames: record.frames,
                    reused: record.reused,
                });
                Ok(())
            }
            Committed::Conflict => {
                let message = format!(
                    "incident: unit {unit} was committed before with another digest or codec \
                     configuration than {} / {}",
                    record.digest, record.config_digest
                );
                Err(Failure::new(FailureKind::Bug, self.task().name.as_str(), message).into())
            }
            Committed::Gone => Err(Stop::Lost),
        }
    }

    /// Tells watchers how far a unit is.
    pub(crate) fn progress(&self, unit: u32, done: u32, total: u32, since: Option<Duration>) {
        let seconds = since.map_or(0.0, |since| since.as_secs_f64());
        let frames_per_second = if seconds > 0.0 {
            f64::from(done) / seconds
        } else {
            0.0
        };
        let chunk = self.grant.chunk.clone();
        let slot = self.slot;
        let event = Event::Progress {
            slot,
            chunk,
            unit,
            done,
            total,
            frames_per_second,
        };
        self.observer.observe(event);
    }
}

/// Runs the task of a grant and tells the scheduler how it ended.
pub(super) async fn run(context: Context, attempt: Attempt) {
    let attempt = Arc::new(attempt);
    let chunk = attempt.lease.chunk().clone();
    let kind = attempt.grant.kind.clone();
    let place = attempt.task().name.to_string();
    // A task of its own, so that a panic in it is a failure of this attempt and of nothing else.
    let running = tokio::spawn(perform(context, Arc::clone(&attempt), kind).in_current_span());
    let ended = running.await.unwrap_or_else(|panic| {
        Err(Failure::new(FailureKind::Bug, place, panic.to_string()).into())
    });
    let reason = match &ended {
        Ok(()) => None,
        Err(Stop::Failed(failure)) => Some(failure.to_string()),
        Err(Stop::Lost) => Some("not wanted any more".to_owned()),
        Err(Stop::Drained) => Some("handed back".to_owned()),
        Err(Stop::Yielded) => Some("handed back: other work comes first".to_owned()),
        Err(Stop::Crowded) => Some("handed back: other slots have the memory".to_owned()),
    };
    if let Err(Stop::Failed(failure)) = &ended {
        let (kind, job) = (&attempt.grant.kind, &attempt.task().job);
        attempt.permit.failed(kind, job, failure);
    }
    match (&ended, &reason) {
        (Err(Stop::Failed(_)), Some(reason)) => tracing::warn!(%chunk, reason, "attempt failed"),
        (_, Some(reason)) => tracing::info!(%chunk, reason, "chunk let go"),
        (_, None) => tracing::info!(%chunk, "chunk done"),
    }
    attempt.observer.observe(Event::Ended {
        slot: attempt.slot,
        chunk: chunk.clone(),
        reason,
    });
    let lease = &attempt.lease;
    let told = async {
        match &ended {
            Ok(()) if lease.is_unsure() => lease.release().await,
            Ok(()) | Err(Stop::Lost) => Ok(()),
            Err(Stop::Drained | Stop::Yielded | Stop::Crowded) => lease.release().await,
            Err(Stop::Failed(failure)) => lease.fail(&short(failure)).await,
        }
    };
    // The lease ends by itself if nobody could be told before the agent has to go.
    tokio::select! {
        told = told => if let Err(error) = told {
            tracing::error!(%chunk, %error, "the scheduler was not told how the chunk ended");
        },
        () = killed_and_waited(&attempt.kill) => {}
    }
}

/// A failure that fits into a message; incidents name whole facts.
fn short(failure: &Failure) -> Failure {
    const TEXT_BYTES_MAX: usize = 2048;
    let cut = |text: &str| {
        let mut end = text.len().min(TEXT_BYTES_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text[..end].to_owned()
    };
    let short = Failure::new(failure.kind, cut(&failure.place), cut(&failure.message));
    let evidence = match failure.evidence.as_str() {
        "" if short.message != failure.message => &failure.message,
        evidence => evidence,
    };
    short.with_evidence(evidence)
}

/// After the second signal there is still a moment to hand chunks back.
async fn killed_and_waited(kill: &CancellationToken) {
    const GOODBYE_MAX: Duration = Duration::from_secs(2);
    kill.cancelled().await;
    tokio::time::sleep(GOODBYE_MAX).await;
}

async fn perform(context: Context, attempt: Arc<Attempt>, kind: TaskKind) -> Result<(), Stop> {
    match kind {
        TaskKind::Encode { group } => tasks::encode(context, attempt, &group).await,
        kind => tasks::single(context, attempt, kind).await,
    }
}
