//! Jobs: looking at them, ending them, answering for them.

use super::Handle;
use crate::driver::{cancellation, report};
use crate::publish::{Outcome, Settled, keep, outcome, reopen, settle};
use crate::recover::{enter, renew_epoch};
use crate::{Error, Result};
use model::catalog::Report;
use model::job::{JobFilter, JobPage, JobRecord, Phase, ReviewAnswer};
use model::plan::Ticket;
use model::{ChunkId, JobId, layout};
use std::time::Duration;
use store::{DeadChunk, Submitted};
use tracing::info;

/// Jobs on a page of a listing that does not say how many.
const PAGE_DEFAULT: u32 = 50;

/// Most jobs on a page.
const PAGE_MAX: u32 = 500;

/// Tries to end a job that changes its phase meanwhile; it has fewer phases than that.
const CANCEL_TRIES: u32 = 8;

impl Handle {
    /// One job; [`store::Error::NotFound`] when there is none. One that has ended and that the store
    /// has forgotten is read from its report.
    pub async fn job(&self, job: &JobId) -> Result<JobRecord> {
        match self.farm.store().job(job).await {
            Err(error @ store::Error::NotFound { .. }) => {
                let path = layout::report(job);
                let report: Option<Report> = self.farm.storage().find_json(&path).await?;
                match report {
                    Some(report) => Ok(report.job),
                    None => Err(self.farm.unknown(job, error).await?),
                }
            }
            known => Ok(known?),
        }
    }

    /// Jobs, newest first. `limit` 0 means 50; at most 500.
    pub async fn jobs(&self, filter: &JobFilter, page: &str, limit: u32) -> Result<JobPage> {
        let store = self.farm.store();
        Ok(store.jobs(filter, page, page_size(limit)).await?)
    }

    /// Ends a job; one that has ended stays as it is, and one whose catalog entry is being written cannot
    /// be ended.
    pub async fn cancel(&self, job: &JobId) -> Result<JobRecord> {
        let farm = &self.farm;
        for _ in 0..CANCEL_TRIES {
            let record = self.job(job).await?;
            if record.phase.is_final() {
                return Ok(record);
            }
            // In every phase: a store that loses its last second forgets the step below.
            if settle(farm.storage(), job, Outcome::Cancel).await? == Outcome::Publish {
                return Err(Error::Conflict {
                    what: format!("job {job}"),
                    reason: "is being published".to_owned(),
                });
            }
            if farm.advance(job, &cancellation(record.phase)).await? {
                let record = farm.store().job(job).await?;
                // Written before the answer: a store that is lost now must not bring the job back.
                report(farm, &record).await?;
                return Ok(record);
            }
        }
        let reason = "changes its phase all the time".to_owned();
        Err(Error::Conflict {
            what: format!("job {job}"),
            reason,
        })
    }

    /// Answers for a flagged title. The first answer holds.
    pub async fn review(
        &self,
        job: &JobId,
        answer: ReviewAnswer,
        comment: &str,
    ) -> Result<JobRecord> {
        let farm = &self.farm;
        let record = self.job(job).await?;
        let what = || format!("job {job}");
        if record.phase != Phase::Review {
            let reason = format!("is {} and waits for no answer", record.phase);
            return Err(Error::Conflict {
                what: what(),
                reason,
            });
        }
        let path = layout::review(job);
        farm.storage().put_json_if_absent(&path, &answer).await?;
        let given: ReviewAnswer = farm.storage().get_json(&path).await?;
        if given != answer {
            return Err(Error::Conflict {
                what: what(),
                reason: "was answered before".to_owned(),
            });
        }
        info!(job_id = %job, ?answer, comment, "review was answered");
        farm.store().nudge(job, Duration::ZERO).await?;
        farm.attention.notify_one();
        Ok(record)
    }

    /// Chunks that will not succeed without a person, oldest first.
    pub async fn dead(&self) -> Result<Vec<DeadChunk>> {
        Ok(self.farm.store().dead().await?)
    }

    /// Queues the dead chunks of a failed job again. One that the store has lost goes on from its plan, and
    /// finds what was made of it.
    pub async fn retry(&self, job: &JobId) -> Result<JobRecord> {
        let farm = &self.farm;
        // Before the job is looked at: what is said of it once it was led back is not to be taken back.
        let settled = outcome(farm.storage(), job).await?;
        let record = match farm.store().job(job).await {
            Err(store::Error::NotFound { .. }) => return self.retry_lost(job, settled).await,
            known => known?,
        };
        check_failed(&record)?;
        // Known from its report only: there is nothing to go on with in that phase.
        if record.failed_in != Some(Phase::Probing) && farm.store().tasks(job).await?.is_empty() {
            return self.retry_lost(job, settled).await;
        }
        reopen(farm.storage(), job, &record.title, settled).await?;
        // The report goes first: a job without one is brought back by a recovery, which is what a
        // retry asks for, and one with a stale report would not be.
        farm.storage().delete(&layout::report(job)).await?;
        self.note_going_on(job).await?;
        if let Err(error) = farm.store().revive(job).await {
            report(farm, &record).await?;
            return Err(error.into());
        }
        farm.work.notify_waiters();
        farm.attention.notify_one();
        info!(job_id = %job, "job was led back");
        Ok(farm.store().job(job).await?)
    }

    /// Leads back a job that the store does not know, or of which it knows the end and no more. Without a
    /// report it is lost only half, as after a retry that was cut off, and is taken up all the same.
    async fn retry_lost(&self, job: &JobId, settled: Settled) -> Result<JobRecord> {
        let farm = &self.farm;
        let report: Option<Report> = farm.storage().find_json(&layout::report(job)).await?;
        if let Some(report) = &report {
            check_failed(&report.job)?;
        }
        let ticket: Option<Ticket> = farm.storage().find_json(&layout::ticket(job)).await?;
        let ticket = ticket.ok_or_else(|| store::Error::NotFound {
            what: "job",
            id: job.to_string(),
        })?;
        keep(farm.storage(), &ticket.title, &ticket.tenant).await?;
        reopen(farm.storage(), job, &ticket.title, settled).await?;
        farm.storage().delete(&layout::report(job)).await?;
        self.note_going_on(job).await?;
        renew_epoch(farm).await?;
        // One that has ended is known from its report, or a recovery has just made it so.
        while enter(farm, &ticket).await? == Submitted::Exists {
            match farm.store().forget(job).await {
                Err(store::Error::Conflict { .. }) => break,
                forgotten => forgotten?,
            }
        }
        farm.work.notify_waiters();
        farm.attention.notify_one();
        info!(job_id = %job, "job was led back from storage");
        Ok(farm.store().job(job).await?)
    }

    /// Removes a chunk from the list for good; its job stays failed.
    pub async fn drop_dead(&self, chunk: &ChunkId) -> Result<()> {
        self.farm.store().drop_dead(chunk).await?;
        info!(%chunk, "dead chunk was dropped");
        Ok(())
    }
}

/// Jobs on a page of which so many were asked for; 0 for whatever is usual.
pub(super) fn page_size(asked: u32) -> u32 {
    match asked {
        0 => PAGE_DEFAULT,
        asked => asked.min(PAGE_MAX),
    }
}

fn check_failed(job: &JobRecord) -> Result<()> {
    if job.phase == Phase::Failed {
        return Ok(());
    }
    Err(Error::Conflict {
        what: format!("job {}", job.id),
        reason: format!("is {}, not failed", job.phase),
    })
}
