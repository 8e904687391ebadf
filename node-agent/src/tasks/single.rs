//! Tasks of one unit: claim it, do it, commit the digest of its result.

use super::context::Context;
use super::{audio, images, package, probe, qc, text, verify};
use crate::agent::{Attempt, Stop};
use crate::transfer::digest;
use model::task::{Next, TaskKind, UnitRecord};
use model::{Failure, FailureKind, layout};
use serde::Serialize;
use std::sync::Arc;

/// What became of a task of one unit.
pub(super) struct Outcome {
    /// SHA-256 of the result object.
    pub(super) digest: String,
    /// Whether it was found and not made.
    pub(super) reused: bool,
}

impl Outcome {
    /// Writes the result where the scheduler and later tasks look for it.
    pub(super) async fn write<T: Serialize + Sync>(
        context: &Context,
        attempt: &Attempt,
        result: &T,
        reused: bool,
    ) -> Result<Self, Failure> {
        Self::write_to(
            context,
            &layout::task_result(attempt.task()),
            result,
            reused,
        )
        .await
    }

    /// Writes the result to a path of its own.
    pub(super) async fn write_to<T: Serialize + Sync>(
        context: &Context,
        path: &str,
        result: &T,
        reused: bool,
    ) -> Result<Self, Failure> {
        let bytes = serde_json::to_vec(result)
            .map_err(|e| Failure::new(FailureKind::Bug, path, e.to_string()))?;
        context.pieces.put_json(path, result).await?;
        Ok(Self {
            digest: digest(&bytes),
            reused,
        })
    }
}

/// Runs a task of one unit.
pub(crate) async fn single(
    context: Context,
    attempt: Arc<Attempt>,
    kind: TaskKind,
) -> Result<(), Stop> {
    let Next::One(unit) = attempt.claim().await? else {
        return Ok(());
    };
    let started = tokio::time::Instant::now();
    // Tasks in a worker watch for the end themselves; for the others dropping the future is enough.
    let outcome = tokio::select! {
        biased;
        () = attempt.called_off() => return Err(attempt.reason()),
        outcome = perform(&context, &attempt, kind) => outcome?,
    };
    let elapsed = started.elapsed().as_millis();
    let record = UnitRecord {
        digest: outcome.digest,
        config_digest: String::new(),
        frames: 0,
        node: context.node.clone(),
        elapsed_ms: if outcome.reused {
            0
        } else {
            u64::try_from(elapsed).unwrap_or(u64::MAX)
        },
        reused: outcome.reused,
    };
    attempt.commit(unit, record).await
}

async fn perform(context: &Context, attempt: &Attempt, kind: TaskKind) -> Result<Outcome, Stop> {
    match kind {
        TaskKind::Probe => probe::run(context, attempt).await,
        TaskKind::Audio { index } => audio::run(context, attempt, index).await,
        TaskKind::Text { index } => text::run(context, attempt, index).await,
        TaskKind::Images => images::run(context, attempt).await,
        TaskKind::Qc => qc::run(context, attempt).await,
        TaskKind::Package => package::run(context, attempt).await,
        TaskKind::Verify => verify::run(context, attempt).await,
        TaskKind::Encode { group } => {
            let message = format!("group {group} was given to the wrong task");
            Err(Failure::new(FailureKind::Bug, "node", message).into())
        }
    }
}
