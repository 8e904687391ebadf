//! Making jobs more or less urgent, holding them and letting them go on. What a person wants is in
//! storage before the store hears of it, so that a store that is lost brings no job back as it was
//! first accepted.

use super::Handle;
use crate::policy::admission;
use crate::{Error, Result};
use model::job::{JobRecord, Steering};
use model::{JobId, layout};
use tracing::info;

impl Handle {
    /// Makes a job more or less urgent. `deadline_ms` is 0 for none.
    pub async fn set_urgency(
        &self,
        job: &JobId,
        priority: u32,
        deadline_ms: u64,
    ) -> Result<JobRecord> {
        let urgency = admission::urgency(priority, deadline_ms)?;
        let record = self.open_job(job).await?;
        let paused = record.paused;
        self.note(job, Steering { urgency, paused }).await?;
        self.farm.store().set_urgency(job, urgency).await?;
        info!(job_id = %job, priority, deadline_ms, "job is as urgent as it was said to be");
        self.steered(job).await
    }

    /// Pauses a job or lets it go on.
    pub async fn set_paused(&self, job: &JobId, paused: bool) -> Result<JobRecord> {
        let urgency = self.open_job(job).await?.urgency;
        self.note(job, Steering { urgency, paused }).await?;
        self.farm.store().set_paused(job, paused).await?;
        info!(job_id = %job, paused, "job was paused or goes on");
        self.steered(job).await
    }

    async fn open_job(&self, job: &JobId) -> Result<JobRecord> {
        let record = self.job(job).await?;
        if record.phase.is_final() {
            return Err(Error::Conflict {
                what: format!("job {job}"),
                reason: format!("is {}", record.phase),
            });
        }
        Ok(record)
    }

    /// Notes that a job which is led back is not paused any more.
    pub(super) async fn note_going_on(&self, job: &JobId) -> Result<()> {
        let path = layout::steering(job);
        let known: Option<Steering> = self.farm.storage().find_json(&path).await?;
        match known.filter(|known| known.paused) {
            Some(Steering { urgency, .. }) => {
                let paused = false;
                self.note(job, Steering { urgency, paused }).await
            }
            None => Ok(()),
        }
    }

    async fn note(&self, job: &JobId, steering: Steering) -> Result<()> {
        let path = layout::steering(job);
        Ok(self.farm.storage().put_json(&path, &steering).await?)
    }

    async fn steered(&self, job: &JobId) -> Result<JobRecord> {
        self.farm.work.notify_waiters();
        Ok(self.farm.store().job(job).await?)
    }
}
