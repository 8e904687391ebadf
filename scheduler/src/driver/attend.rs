//! One turn of a job: look, decide, perform, until there is nothing to do; and what follows when that
//! cannot be done.

use super::{look, perform};
use crate::farm::Farm;
use crate::lifecycle::decide;
use crate::policy::retry;
use crate::{Error, Result};
use model::job::Phase;
use model::{Failure, JobId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::time::Duration;
use store::{Advance, Attention};
use tracing::{debug, warn};

/// Decisions in a row about one job. A job reaches its end in fewer than ten; more are a loop.
const ROUNDS_MAX: u32 = 32;

/// Errors in a row after which a job fails if waiting cannot help; with the waits some minutes.
const ERRORS_MAX: u32 = 12;

/// Tries to give a job back; together shorter than the hold, which then ends by itself.
const INSIST_TRIES: u32 = 20;

/// Pause between them.
const INSIST_PAUSE: Duration = Duration::from_millis(100);

/// Errors in a row by job, to wait longer each time.
#[derive(Default)]
pub(super) struct ErrorCounts(Mutex<HashMap<JobId, u32>>);

impl ErrorCounts {
    fn raise(&self, job: &JobId) -> u32 {
        let mut counts = self.0.lock();
        let count = counts.entry(job.clone()).or_insert(0);
        *count += 1;
        *count
    }

    fn clear(&self, job: &JobId) {
        self.0.lock().remove(job);
    }
}

/// Decides about a job that was handed out, and settles it.
pub(super) async fn attend(farm: &Farm, errors: &ErrorCounts, attention: &Attention) {
    let job = &attention.job;
    match drive(farm, job).await {
        Ok(()) => errors.clear(job),
        // Unsettled, the job comes back when its hold ends; settled without a nudge, it never would.
        Err(error) if !trouble(farm, errors, job, &error).await => return,
        Err(_) => {}
    }
    insist(job, || farm.store().settle(attention)).await;
}

/// Repeats what brings a job back, until it is done or tried often; answers whether it is done. Worth
/// the tries: a held job is not looked at before its hold ends, even if it changes.
async fn insist<F>(job: &JobId, mut call: impl FnMut() -> F) -> bool
where
    F: Future<Output = store::Result<()>>,
{
    for tried in 0..INSIST_TRIES {
        match call().await {
            Ok(()) => return true,
            Err(error @ store::Error::Unavailable { .. }) => {
                debug!(job_id = %job, tried, %error, "store does not take the job back");
            }
            Err(error) => {
                warn!(job_id = %job, %error, "store refuses to take the job back");
                return false;
            }
        }
        tokio::time::sleep(INSIST_PAUSE).await;
    }
    false
}

/// Looks, decides and performs until there is nothing to do.
async fn drive(farm: &Farm, job: &JobId) -> Result<()> {
    for _ in 0..ROUNDS_MAX {
        let view = look::look(farm, job).await?;
        let actions = decide(&view);
        if actions.is_empty() {
            return Ok(());
        }
        for action in &actions {
            debug!(job_id = %job, phase = %view.job.phase, ?action, "decided");
            if perform::perform(farm, &view, action).await? == ControlFlow::Break(()) {
                break;
            }
        }
    }
    let reason = format!("{ROUNDS_MAX} decisions did not bring it to rest");
    Err(Error::Conflict {
        what: format!("job {job}"),
        reason,
    })
}

/// Sees to it that the job comes back later, and later each time; gives it up when that never helps.
/// Answers whether the job may be settled.
async fn trouble(farm: &Farm, errors: &ErrorCounts, job: &JobId, error: &Error) -> bool {
    let count = errors.raise(job);
    warn!(job_id = %job, count, %error, "decision could not be carried out");
    if count >= ERRORS_MAX && lasts(error) {
        let failure = Failure::new(error.kind(), "scheduler", error.to_string());
        match give_up(farm, job, failure).await {
            Ok(()) => {
                errors.clear(job);
                return true;
            }
            Err(error) => warn!(job_id = %job, %error, "job could not be given up"),
        }
    }
    let longest = retry::backoff(count - 1);
    let delay = longest / 2 + retry::jitter(longest / 2, rand::random());
    // A nudge outlives the settling of a held job.
    insist(job, || farm.store().nudge(job, delay)).await
}

/// Whether waiting cannot help: something is missing, broken or in contradiction. An outage of store or
/// storage is waited out, however long it takes.
fn lasts(error: &Error) -> bool {
    match error {
        Error::Storage(error) => matches!(
            error,
            storage::Error::NotFound { .. } | storage::Error::Corrupt { .. }
        ),
        Error::Store(error) => !matches!(error, store::Error::Unavailable { .. }),
        Error::Full { .. } => false,
        _ => true,
    }
}

async fn give_up(farm: &Farm, job: &JobId, failure: Failure) -> Result<()> {
    let from = farm.store().job(job).await?.phase;
    if from.is_final() {
        return Ok(());
    }
    let advance = Advance {
        from,
        to: Phase::Failed,
        add: Vec::new(),
        failure: Some(failure),
        title_version: None,
    };
    farm.advance(job, &advance).await.map(|_| ())
}
