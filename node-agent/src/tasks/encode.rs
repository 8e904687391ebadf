//! Encodes the segments of a rendition group. Segments that are in storage already are committed
//! without a worker; the others are handed to one, put into storage while it goes on, and committed
//! in the order in which they become whole.
//!
//! At most two segments are held at a time: claimed, and not yet committed. That bounds memory, and
//! what a lost node costs.

use super::context::{Context, LoadedPlan};
use super::memory;
use super::unit::{Expected, Unit};
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::worker::message::Work;
use crate::worker::patience::HELD_MAX;
use crate::worker::session::{Handed, Made};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use model::plan::{RenditionGroup, VideoPlan};
use model::task::Next;
use model::{Failure, FailureKind};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// What the task waits for beside its worker.
enum Step {
    Next(Result<Next<Claimed>, Stop>),
    Stored(Result<(), Stop>),
}

/// A claimed segment that must be encoded.
type Claimed = (u32, Expected);

/// The group that is encoded.
#[derive(Clone)]
struct Target {
    context: Context,
    attempt: Arc<Attempt>,
    loaded: Arc<LoadedPlan>,
    group: String,
}

impl Target {
    fn find(&self) -> Result<(&VideoPlan, &RenditionGroup), Failure> {
        let plan = &self.loaded.plan;
        plan.video
            .as_ref()
            .zip(plan.group(&self.group))
            .ok_or_else(|| {
                let message = format!("the plan has no rendition group {}", self.group);
                Failure::new(FailureKind::Bug, "encode", message)
            })
    }

    /// Claims until a segment must be encoded; commits those that need not be.
    async fn claim(&self) -> Result<Next<Claimed>, Stop> {
        let (video, group) = self.find()?;
        loop {
            let segment = match self.attempt.claim().await? {
                Next::One(segment) => segment,
                Next::Nothing => return Ok(Next::Nothing),
                Next::Later => return Ok(Next::Later),
            };
            if segment >= video.grid.segments() {
                let message = format!("claimed segment {segment} of {}", video.grid.segments());
                return Err(Failure::new(FailureKind::Bug, "encode", message).into());
            }
            let expected = Expected::new(&self.loaded.plan, video, group, segment);
            let Some(found) = expected.find(&self.context).await? else {
                return Ok(Next::One((segment, expected)));
            };
            let record = found.record(&self.context, expected.frames(), None);
            self.attempt.commit(segment, record).await?;
        }
    }

    /// Stores and commits a segment that was made in so long.
    async fn store(&self, segment: u32, unit: Unit, elapsed: Duration) -> Result<(), Stop> {
        let frames = unit.expected.frames();
        let facts = unit.store(&self.context).await?;
        let record = facts.record(&self.context, frames, Some(elapsed));
        let elapsed_ms = record.elapsed_ms;
        self.attempt.commit(segment, record).await?;
        tracing::debug!(segment, frames, elapsed_ms, "segment committed");
        Ok(())
    }
}

/// Encodes what is left of a chunk.
pub(crate) async fn encode(
    context: Context,
    attempt: Arc<Attempt>,
    group: &str,
) -> Result<(), Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let target = Target {
        context,
        attempt,
        loaded,
        group: group.to_owned(),
    };
    // A chunk whose segments are all there needs no worker, and no memory.
    let Next::One(first) = target.claim().await? else {
        return Ok(());
    };
    let (video, named) = target.find()?;
    let _share = memory::share(&target.attempt, video, named)?;
    let source = tokio::select! {
        biased;
        () = target.attempt.called_off() => return Err(target.attempt.reason()),
        source = target.context.planned_source(&target.loaded.plan) => source?,
    };
    let given = Given {
        plan: target.loaded.json.clone(),
        source: Some(source),
        ..Given::default()
    };
    let work = Work::Chunk {
        group: group.to_owned(),
    };
    let running = Running::start(&target.context, &target.attempt, work, given).await?;
    let mut encoding = Encoding {
        target,
        first: Some(first),
        open: BTreeMap::new(),
        storing: 0,
        claiming: false,
        later: false,
        made_at: None,
        question: None,
        steps: FuturesUnordered::new(),
        ended: None,
    };
    encoding.drive(running).await
}

/// A chunk while it is encoded.
struct Encoding {
    target: Target,
    /// Claimed before the worker was started.
    first: Option<Claimed>,
    /// Segments that the worker has.
    open: BTreeMap<u32, Unit>,
    /// Segments on their way into storage.
    storing: usize,
    claiming: bool,
    /// The next is claimed when one more is committed.
    later: bool,
    /// When the worker had made a segment last.
    made_at: Option<Instant>,
    /// The worker's open question for a segment.
    question: Option<oneshot::Sender<Next<Handed>>>,
    steps: FuturesUnordered<BoxFuture<'static, Step>>,
    /// Why nothing more is claimed.
    ended: Option<Stop>,
}

impl Encoding {
    /// Runs until the worker has ended and everything whole is committed. Called off, it drops the
    /// worker with its open segments, and still commits those that are whole.
    async fn drive(&mut self, mut running: Running) -> Result<(), Stop> {
        let attempt = Arc::clone(&self.target.attempt);
        loop {
            self.answer();
            tokio::select! {
                biased;
                () = attempt.called_off() => {
                    drop(running);
                    return tokio::select! {
                        biased;
                        () = attempt.kill.cancelled() => Err(attempt.reason()),
                        wound_up = self.wind_up(attempt.reason()) => wound_up,
                    };
                }
                Some(step) = self.steps.next(), if !self.steps.is_empty() => {
                    self.step(step)?;
                }
                made = running.events.recv() => match made {
                    Some(made) => self.take(made)?,
                    None => break,
                }
            }
        }
        let result = running.result(&attempt).await;
        self.question = None;
        self.finish_steps().await?;
        if let Err(failure) = result {
            return Err(self.locate(failure).into());
        }
        if let Some(segment) = self.open.keys().next() {
            let message = format!("worker ended and left segment {segment} open");
            return Err(Failure::new(FailureKind::Bug, "encode", message).into());
        }
        self.ended.take().map_or(Ok(()), Err)
    }

    /// Answers the worker's question when there is an answer, or looks for one.
    fn answer(&mut self) {
        if self.question.is_none() || self.claiming || self.later {
            return;
        }
        if self.first.is_none() && self.ended.is_none() {
            if self.open.len() + self.storing >= HELD_MAX {
                return;
            }
            self.claiming = true;
            let target = self.target.clone();
            self.steps
                .push(Box::pin(async move { Step::Next(target.claim().await) }));
            return;
        }
        let next = self.first.take();
        self.hand_out(next.into());
    }

    fn hand_out(&mut self, next: Next<Claimed>) {
        let Some(question) = self.question.take() else {
            return;
        };
        let handed = match next {
            Next::One((segment, expected)) => {
                let frames = expected.frames();
                self.open.insert(segment, Unit::new(expected));
                Next::One(Handed { segment, frames })
            }
            Next::Later => Next::Later,
            Next::Nothing => Next::Nothing,
        };
        // A worker that is gone shows as the end of its events.
        let _ = question.send(handed);
    }

    /// Nothing is claimed until one more is committed.
    fn put_off(&mut self) {
        self.later = true;
        if !self.open.is_empty() {
            // The worker finishes what it has, and asks again.
            self.hand_out(Next::Later);
        } else if self.storing == 0 {
            // A claim's answer was lost; the end of the attempt frees what it claimed.
            self.hand_out(Next::Nothing);
        }
    }

    fn step(&mut self, step: Step) -> Result<(), Stop> {
        match step {
            Step::Next(claimed) => {
                self.claiming = false;
                match claimed {
                    Ok(next @ (Next::One(_) | Next::Nothing)) => self.hand_out(next),
                    Ok(Next::Later) => self.put_off(),
                    // What the worker has is finished; the rest is handed back.
                    Err(stop @ (Stop::Drained | Stop::Yielded)) => {
                        self.ended = Some(stop);
                        self.hand_out(Next::Nothing);
                    }
                    Err(stop) => return Err(stop),
                }
            }
            Step::Stored(stored) => {
                self.storing -= 1;
                self.later = false;
                stored?;
            }
        }
        Ok(())
    }

    fn take(&mut self, made: Made) -> Result<(), Stop> {
        match made {
            Made::Claim(question) => self.question = Some(question),
            Made::Segment {
                segment,
                rendition,
                facts,
                bytes,
            } => {
                self.unit(segment)?.add(rendition, *facts, bytes.into())?;
            }
            Made::Pictures {
                segment,
                facts,
                tiles,
            } => {
                self.unit(segment)?.add_pictures(*facts, tiles.into())?;
            }
            Made::UnitDone { segment } => {
                let unit = self
                    .open
                    .remove(&segment)
                    .ok_or_else(|| not_claimed(segment))?;
                // It was begun while the one before was made, and that time is counted there.
                let before = self.made_at.replace(Instant::now());
                let since = before.map_or(unit.since, |before| before.max(unit.since));
                let elapsed = since.elapsed();
                self.storing += 1;
                let target = self.target.clone();
                let store = async move { Step::Stored(target.store(segment, unit, elapsed).await) };
                self.steps.push(Box::pin(store));
            }
            Made::Progress { segment, done } => {
                let attempt = Arc::clone(&self.target.attempt);
                let unit = self.unit(segment)?;
                attempt.progress(
                    segment,
                    done,
                    unit.expected.frames(),
                    Some(unit.since.elapsed()),
                );
            }
            Made::Piece { .. } => {
                let message = "worker sent a piece, which is no part of this work";
                return Err(Failure::new(FailureKind::NodeFault, "encode", message).into());
            }
        }
        Ok(())
    }

    fn unit(&mut self, segment: u32) -> Result<&mut Unit, Failure> {
        self.open
            .get_mut(&segment)
            .ok_or_else(|| not_claimed(segment))
    }

    /// Adds the open segments to a failure: they are the ones that a person would look at.
    fn locate(&self, mut failure: Failure) -> Failure {
        let open: Vec<String> = self.open.keys().map(ToString::to_string).collect();
        if !open.is_empty() {
            failure.place = format!("{} (segment {})", failure.place, open.join(", "));
        }
        failure
    }

    /// Waits for everything that is on its way into storage.
    async fn finish_steps(&mut self) -> Result<(), Stop> {
        while let Some(step) = self.steps.next().await {
            self.step(step)?;
        }
        Ok(())
    }

    /// After the attempt was called off: what is whole is stored and committed, because good bytes
    /// are adopted.
    async fn wind_up(&mut self, reason: Stop) -> Result<(), Stop> {
        self.question = None;
        while let Some(step) = self.steps.next().await {
            if let Step::Stored(Err(Stop::Failed(failure))) = step {
                return Err(failure.into());
            }
        }
        Err(reason)
    }
}

fn not_claimed(segment: u32) -> Failure {
    let message = format!("worker speaks of segment {segment}, which it does not have");
    Failure::new(FailureKind::NodeFault, "encode", message)
}
