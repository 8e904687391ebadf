//! One request to a worker, from a spare process to the checked end of its events.

use super::allowance::Allowance;
use super::context::Context;
use crate::agent::{Attempt, Stop};
use crate::transfer::SourceReader;
use crate::worker::message::{Request, Work};
use crate::worker::queue::{Events, queue};
use crate::worker::session::{Made, NoResult, Session};
use bytes::Bytes;
use model::facts::PictureFacts;
use model::{Failure, FailureKind};
use serde::de::DeserializeOwned;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a worker gets beside the request.
#[derive(Default)]
pub(super) struct Given {
    /// The plan as JSON.
    pub(super) plan: Bytes,
    /// The source.
    pub(super) source: Option<SourceReader>,
    /// Facts and tiles, for images.
    pub(super) followers: Vec<(PictureFacts, Bytes)>,
    /// What it may send as pieces.
    pub(super) allowance: Allowance,
}

/// A worker at work. Dropping it kills the worker.
pub(super) struct Running {
    /// What it wants and makes, in order; ends when it has ended.
    pub(super) events: Events,
    result: JoinHandle<Result<Vec<u8>, NoResult>>,
    stop: CancellationToken,
    allowance: Allowance,
}

impl Running {
    /// Starts work in a fresh worker.
    pub(super) async fn start(
        context: &Context,
        attempt: &Attempt,
        work: Work,
        given: Given,
    ) -> Result<Self, Stop> {
        let worker = context.spares.take().await?;
        let source_bytes = given.source.as_ref().map_or(0, SourceReader::size_bytes);
        let session = Session {
            place: attempt.task().name.to_string(),
            request: Request { work, source_bytes },
            plan: given.plan,
            followers: given.followers,
            source: given.source,
            stall: context.stall,
        };
        let (events_to, events) = queue();
        let stop = CancellationToken::new();
        let result = tokio::spawn(session.run(worker, events_to, stop.clone()));
        Ok(Self {
            events,
            result,
            stop,
            allowance: given.allowance,
        })
    }

    /// The result after the last event. A worker's verdict about its source counts as work that this node
    /// has done.
    pub(super) async fn result(mut self, attempt: &Attempt) -> Result<Vec<u8>, Failure> {
        let joined = (&mut self.result).await;
        let result = joined.map_err(|e| Failure::new(FailureKind::Bug, "worker", e.to_string()))?;
        if let Err(NoResult::Verdict(_)) = &result {
            attempt.permit.judged();
        }
        Ok(result?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Running {
    /// The next event; `None` when the worker has ended. Fails when the attempt is called off.
    pub(super) async fn next(&mut self, attempt: &Attempt) -> Result<Option<Made>, Stop> {
        tokio::select! {
            biased;
            () = attempt.called_off() => Err(attempt.reason()),
            made = self.events.recv() => Ok(made),
        }
    }

    /// The next part of the result of work that has one; `None` when the worker has ended. Fails when
    /// the attempt is called off, and when the worker sends more than it may.
    pub(super) async fn piece(
        &mut self,
        attempt: &Attempt,
    ) -> Result<Option<(String, Bytes)>, Stop> {
        match self.next(attempt).await? {
            Some(Made::Piece { output, bytes }) => {
                let place = attempt.task().name.as_str();
                self.allowance.take(place, bytes.len())?;
                Ok(Some((output, bytes.into())))
            }
            Some(other) => Err(out_of_place(attempt, &other).into()),
            None => Ok(None),
        }
    }

    /// The result after the last piece.
    pub(super) async fn parsed<T: DeserializeOwned>(self, attempt: &Attempt) -> Result<T, Stop> {
        let bytes = self.result(attempt).await?;
        serde_json::from_slice(&bytes).map_err(|e| {
            let place = attempt.task().name.as_str();
            Failure::new(FailureKind::NodeFault, place, format!("result: {e}")).into()
        })
    }
}

pub(super) fn out_of_place(attempt: &Attempt, made: &Made) -> Failure {
    let what = match made {
        Made::Claim(_) => "a claim",
        Made::Segment { .. } => "a segment",
        Made::Pictures { .. } => "picture facts",
        Made::UnitDone { .. } => "the end of a segment",
        Made::Progress { .. } => "progress",
        Made::Piece { .. } => "a piece",
    };
    let message = format!("worker sent {what}, which is no part of this work");
    Failure::new(
        FailureKind::NodeFault,
        attempt.task().name.as_str(),
        message,
    )
}
