//! One turn of a job: look, decide, perform, until there is nothing to do; and what follows when that
//! cannot be done.

use super::{look, perform, trouble};
use crate::farm::Farm;
use crate::lifecycle::decide;
use crate::{Error, Result, webhook};
use model::JobId;
use model::job::JobRecord;
use std::ops::ControlFlow;
use std::time::Duration;
use store::Attention;
use tracing::{debug, warn};

/// Decisions in a row about one job. A job reaches its end in fewer than ten; more are a loop.
const ROUNDS_MAX: u32 = 32;

/// Tries to give a job back; together shorter than the hold, which then ends by itself.
const INSIST_TRIES: u32 = 20;

/// Pause between them.
const INSIST_PAUSE: Duration = Duration::from_millis(100);

/// Decides about a job that was handed out, and settles it.
pub(super) async fn attend(farm: &Farm, attention: &Attention) {
    let job = &attention.job;
    match drive(farm, job).await {
        Ok(()) => farm.troubles.clear(job),
        // Unsettled, the job comes back when its hold ends; settled without a nudge, it never would.
        Err(error) if !come_back(farm, job, &error).await => return,
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
            return rest(farm, &view.job).await;
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

/// What is left to do for a job that has come to rest: to tell of its end. Its report is written before, so
/// that a receiver without room keeps no job from having ended.
async fn rest(farm: &Farm, job: &JobRecord) -> Result<()> {
    match job.phase.is_final() {
        true => webhook::announce(farm, job).await,
        false => Ok(()),
    }
}

/// Sees to it that the job comes back later, unless it was given up. Answers whether the job may be
/// settled.
async fn come_back(farm: &Farm, job: &JobId, error: &Error) -> bool {
    match trouble::meet(farm, job, error).await {
        // A nudge outlives the settling of a held job.
        Some(delay) => insist(job, || farm.store().nudge(job, delay)).await,
        None => true,
    }
}

#[cfg(test)]
mod tests;
