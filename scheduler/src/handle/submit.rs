//! Submitting. The ticket and the idempotency object are in storage before anybody gets an answer, so
//! an answer is a promise that a crash of everything but storage cannot break.

use super::Handle;
use crate::policy::admission::{Admitted, Submission, admit};
use crate::publish::Claimed;
use crate::recover::{enter, is_known, renew_epoch};
use crate::{Error, Result, publish};
use model::job::JobRecord;
use model::plan::Ticket;
use model::{JobId, layout};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::time::Duration;
use storage::Created;
use tracing::{info, warn};

/// Looks for a job whose ticket is there, and the pause between two: together two seconds, in which a
/// submission that is alive makes the few requests that are left to it.
const ENTER_LOOKS: u32 = 20;
const ENTER_PAUSE: Duration = Duration::from_millis(100);

/// Answer to a submission.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The job.
    pub job: JobRecord,
    /// Whether an earlier submission with the same key made it.
    pub existed: bool,
}

/// `idempotency/<tenant>/<hash>.json`: the job that a key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KeyFile {
    job: JobId,
    /// Digest of what was asked, so that one key cannot stand for two requests.
    request: String,
}

impl Handle {
    /// Accepts a job. May be repeated with the same idempotency key, also after a crash in the middle:
    /// the answer is then about the same job.
    pub async fn submit(&self, submission: &Submission) -> Result<Accepted> {
        let admitted = admit(submission)?;
        let farm = &self.farm;
        let known = self.known_job(submission, &admitted).await?;
        if let Some(job) = &known
            && let Some(record) = self.find_job(job).await?
        {
            return Ok(Accepted {
                job: record,
                existed: true,
            });
        }
        farm.check_room().await?;
        self.check_sources(submission)?;
        self.check_webhook(submission)?;
        let now_ms = farm.store().now_ms().await?;
        // Before the key is bound: a refusal binds none.
        let (title, tenant) = (&admitted.title, &admitted.tenant);
        publish::check_owner(farm.storage(), title, tenant, now_ms).await?;
        let job = match known {
            Some(job) => job,
            None => self.reserve_key(submission, &admitted).await?,
        };
        let ticket = Ticket {
            job,
            tenant: admitted.tenant,
            title: admitted.title,
            source_url: submission.source_url.clone(),
            sidecars: submission.sidecars.clone(),
            profile: admitted.profile,
            urgency: admitted.urgency,
            held_max: Some(submission.held_max).filter(|most| *most > 0),
            webhook_url: submission.webhook_url.clone(),
            traceparent: admitted.traceparent,
            accepted_at_ms: now_ms,
        };
        let (ticket, created) = self.write_ticket(&ticket).await?;
        if created == Created::Existed && !self.is_entered(&ticket.job).await? {
            renew_epoch(farm).await?;
        }
        let entered = enter(farm, &ticket).await?;
        farm.work.notify_waiters();
        farm.attention.notify_one();
        let job = farm.store().job(&ticket.job).await?;
        info!(job_id = %job.id, title = %job.title, profile = job.profile, "job accepted");
        Ok(Accepted {
            job,
            existed: entered == store::Submitted::Exists,
        })
    }

    /// Writes a ticket, and makes its title its tenant's; gives the ticket that there is.
    async fn write_ticket(&self, ticket: &Ticket) -> Result<(Ticket, Created)> {
        let storage = self.farm.storage();
        let (title, tenant, job) = (&ticket.title, &ticket.tenant, &ticket.job);
        let claimed = publish::claim(storage, title, tenant, job, ticket.accepted_at_ms).await?;
        let path = layout::ticket(job);
        let created = match storage.put_json_if_absent(&path, ticket).await {
            Ok(created) => created,
            Err(error) => {
                // A write whose answer was lost may have happened: then the title is claimed rightly.
                if matches!(storage.exists(&path).await, Ok(false))
                    && let Err(error) = publish::give_back(storage, title, job).await
                {
                    warn!(%title, %error, "the claim of a title is void only later");
                }
                return Err(error.into());
            }
        };
        if claimed == Claimed::Anew {
            match publish::keep(storage, title, tenant).await {
                Err(error @ Error::NotYours { .. }) => return Err(error),
                Err(error) => warn!(%title, %error, "a claim with a ticket stays a claim"),
                Ok(()) => {}
            }
        }
        // Whoever came first decides: of two equal requests at once both get the same ticket.
        Ok((storage.get_json(&path).await?, created))
    }

    /// Whether the store knows a job that has a ticket. An equal submission that wrote the ticket a moment
    /// ago is given the time to enter it: only what nobody enters is lost.
    async fn is_entered(&self, job: &JobId) -> Result<bool> {
        for _ in 0..ENTER_LOOKS {
            if is_known(&self.farm, job).await? {
                return Ok(true);
            }
            tokio::time::sleep(ENTER_PAUSE).await;
        }
        is_known(&self.farm, job).await
    }

    async fn find_job(&self, job: &JobId) -> Result<Option<JobRecord>> {
        match self.job(job).await {
            Ok(record) => Ok(Some(record)),
            Err(Error::Store(store::Error::NotFound { .. }) | Error::Recovering { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn check_sources(&self, submission: &Submission) -> Result<()> {
        let sidecars = submission
            .sidecars
            .iter()
            .map(|sidecar| ("sidecars.url", &sidecar.url));
        for (field, url) in std::iter::once(("source_url", &submission.source_url)).chain(sidecars)
        {
            let allowed = self.farm.config.sources.allow(url);
            allowed.map_err(|e| Error::Rejected {
                field,
                reason: e.to_string(),
            })?;
        }
        Ok(())
    }

    fn check_webhook(&self, submission: &Submission) -> Result<()> {
        let targets = &self.farm.config.webhook_targets;
        match targets.objection(&submission.webhook_url) {
            None => Ok(()),
            Some(reason) => Err(Error::Rejected {
                field: "webhook_url",
                reason,
            }),
        }
    }

    /// The job of an earlier submission with the same idempotency key, whether it has ended or not;
    /// nothing is started.
    pub async fn submitted(&self, submission: &Submission) -> Result<Option<JobId>> {
        self.known_job(submission, &admit(submission)?).await
    }

    async fn known_job(
        &self,
        submission: &Submission,
        admitted: &Admitted,
    ) -> Result<Option<JobId>> {
        if submission.idempotency_key.is_empty() {
            return Ok(None);
        }
        let file: Option<KeyFile> = self
            .farm
            .storage()
            .find_json(&key_path(submission, admitted))
            .await?;
        file.map(|file| same_request(file, submission, admitted))
            .transpose()
    }

    /// A new job id, bound to the key where there is one.
    async fn reserve_key(&self, submission: &Submission, admitted: &Admitted) -> Result<JobId> {
        let id = ulid::Ulid::generate().to_string().to_ascii_lowercase();
        let job = JobId::new(id).expect("a ULID has letters and digits only");
        if submission.idempotency_key.is_empty() {
            return Ok(job);
        }
        let path = key_path(submission, admitted);
        let file = KeyFile {
            job,
            request: digest(submission, admitted),
        };
        self.farm.storage().put_json_if_absent(&path, &file).await?;
        let file: KeyFile = self.farm.storage().get_json(&path).await?;
        same_request(file, submission, admitted)
    }
}

fn same_request(file: KeyFile, submission: &Submission, admitted: &Admitted) -> Result<JobId> {
    if file.request == digest(submission, admitted) {
        return Ok(file.job);
    }
    Err(Error::Conflict {
        what: format!("idempotency key {:?}", submission.idempotency_key),
        reason: format!("was used for another request, job {}", file.job),
    })
}

fn key_path(submission: &Submission, admitted: &Admitted) -> String {
    let tenant = admitted.tenant.as_str();
    // The tenant cannot hold a zero byte, so no two pairs give the same text.
    let text = format!("{tenant}\0{}", submission.idempotency_key);
    layout::idempotency(tenant, &hex::encode(Sha256::digest(text.as_bytes())))
}

/// Digest of what decides the result. Priority, webhook and trace may differ between repetitions.
fn digest(submission: &Submission, admitted: &Admitted) -> String {
    let parts = (
        &submission.source_url,
        &submission.sidecars,
        &submission.profile,
        &submission.profile_toml,
        &admitted.title,
    );
    let text = serde_json::to_vec(&parts).expect("strings and flags are JSON");
    hex::encode(Sha256::digest(&text))
}

#[cfg(test)]
mod tests;
