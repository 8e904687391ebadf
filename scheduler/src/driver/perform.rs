//! Carries actions out. Each may be done twice and by two replicas at once; whoever comes second finds
//! that it is done.

use super::look::verdict;
use crate::farm::Farm;
use crate::lifecycle::{Action, JobView};
use crate::policy::plan;
use crate::publish::Outcome;
use crate::{Error, Result, publish};
use model::catalog::Report;
use model::job::{JobRecord, Phase};
use model::plan::{Plan, Probed, Ticket};
use model::{Failure, FailureKind, layout};
use std::ops::ControlFlow;
use std::time::Duration;
use store::Advance;
use tracing::info;

/// Does one action. `Break` means that the job is not as it was seen: look again before the next one.
pub(super) async fn perform(
    farm: &Farm,
    view: &JobView,
    action: &Action,
) -> Result<ControlFlow<()>> {
    let job = &view.job;
    match action {
        Action::MakePlan => make_plan(farm, job).await,
        Action::ReserveVersion => {
            publish::reserve(farm.storage(), &job.id, &job.title).await?;
            Ok(ControlFlow::Continue(()))
        }
        Action::Publish => publish(farm, view).await,
        Action::Advance(advance) => {
            let taken = farm.advance(&job.id, advance).await?;
            Ok(if taken {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            })
        }
        Action::Report => {
            report(farm, job).await?;
            Ok(ControlFlow::Continue(()))
        }
    }
}

async fn make_plan(farm: &Farm, job: &JobRecord) -> Result<ControlFlow<()>> {
    let storage = farm.storage();
    let ticket: Ticket = storage.get_json(&layout::ticket(&job.id)).await?;
    let probed: Probed = storage.get_json(&layout::source_info(&job.id)).await?;
    let nodes = farm.nodes_alive().await?;
    let slots = nodes
        .iter()
        .map(|node| node.info.slots)
        .fold(0, u32::saturating_add)
        .max(1);
    // A frame map over hours of broken time stamps takes long enough to hold up other jobs.
    let planned = tokio::task::spawn_blocking(move || {
        plan::plan(&ticket, &probed.source, &probed.builds, slots)
    })
    .await
    .map_err(|e| Error::Conflict {
        what: format!("plan of {}", job.id),
        reason: e.to_string(),
    })?;
    match planned {
        Ok(plan) => write_plan(farm, job, &plan).await,
        Err(failure) => fail(farm, job, failure).await,
    }
}

async fn write_plan(farm: &Farm, job: &JobRecord, plan: &Plan) -> Result<ControlFlow<()>> {
    farm.storage()
        .put_json_if_absent(&layout::plan(&job.id), plan)
        .await?;
    let segments = plan.video.as_ref().map_or(0, |video| video.grid.segments());
    info!(job_id = %job.id, segments, audio = plan.audio.len(), text = plan.text.len(), "planned");
    Ok(ControlFlow::Continue(()))
}

async fn publish(farm: &Farm, view: &JobView) -> Result<ControlFlow<()>> {
    let job = &view.job;
    let Some(version) = &view.version else {
        return Ok(ControlFlow::Break(()));
    };
    // A person may have ended the job since it was looked at, or be about to.
    if farm.store().job(&job.id).await?.phase != job.phase {
        return Ok(ControlFlow::Break(()));
    }
    let outcome = publish::settle(farm.storage(), &job.id, Outcome::Publish).await?;
    if outcome == Outcome::Cancel {
        farm.advance(&job.id, &cancellation(job.phase)).await?;
        return Ok(ControlFlow::Break(()));
    }
    let now_ms = farm.store().now_ms().await?;
    match publish::publish(farm.storage(), job, version, now_ms).await {
        Ok(entry) => {
            info!(job_id = %job.id, title = %job.title, version = entry.version, "published");
            Ok(ControlFlow::Continue(()))
        }
        Err(error @ Error::NotYours { .. }) => {
            let failure = Failure::new(FailureKind::Policy, "publish", error.to_string());
            fail(farm, job, failure).await
        }
        Err(error) => Err(error),
    }
}

/// The step that ends a job because a person wants it.
pub(crate) fn cancellation(from: Phase) -> Advance {
    Advance {
        from,
        to: Phase::Cancelled,
        add: Vec::new(),
        failure: Some(Failure::new(
            FailureKind::Cancelled,
            "job",
            "ended by a person",
        )),
        title_version: None,
    }
}

async fn fail(farm: &Farm, job: &JobRecord, failure: Failure) -> Result<ControlFlow<()>> {
    let advance = Advance {
        from: job.phase,
        to: Phase::Failed,
        add: Vec::new(),
        failure: Some(failure),
        title_version: None,
    };
    farm.advance(&job.id, &advance).await?;
    Ok(ControlFlow::Break(()))
}

/// Writes what came of a job that has ended.
pub(crate) async fn report(farm: &Farm, job: &JobRecord) -> Result<()> {
    let published = match job.phase {
        Phase::Published => publish::title(farm.storage(), &job.title).await.ok(),
        _ => None,
    };
    let report = Report {
        job: job.clone(),
        verdict: verdict(farm, &job.id).await?,
        published: published.filter(|entry| entry.job == job.id),
    };
    let path = layout::report(&job.id);
    farm.storage().put_json(&path, &report).await?;
    withdraw_if_stale(farm, job).await
}

/// Takes a report back that was written when the job had been led back already: a recovery would take
/// the job for ended. One of an earlier end is written anew, since the job is looked at again.
async fn withdraw_if_stale(farm: &Farm, job: &JobRecord) -> Result<()> {
    let now = match farm.store().job(&job.id).await {
        Err(store::Error::NotFound { .. }) => return Ok(()),
        known => known?,
    };
    if now.version == job.version {
        return Ok(());
    }
    if !now.phase.is_final() {
        farm.storage().delete(&layout::report(&job.id)).await?;
    }
    Ok(farm.store().nudge(&job.id, Duration::ZERO).await?)
}

#[cfg(test)]
mod tests;
