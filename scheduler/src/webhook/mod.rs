//! Webhooks: every change of a job's phase is posted to the address in its ticket, signed. What is to be
//! posted waits in the store, so it survives a scheduler, and the end of a job is posted at least once as
//! long as the store lives and its receiver comes back within a day; a receiver that must not miss
//! anything asks the farm. The job's `version` tells which notice is newer.

mod sender;
mod signature;
mod targets;

pub use signature::{HEADER, sign, verify};
pub use targets::Targets;

pub(crate) use sender::run;

use crate::farm::Farm;
use crate::{Error, Result};
use model::job::JobRecord;
use model::layout;
use model::plan::Ticket;
use serde::Serialize;
use store::Posted;
use tracing::warn;

/// What is posted, as JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Notice {
    /// Equal for repeated deliveries of one notice.
    pub id: String,
    /// Always `job.phase`.
    pub event: &'static str,
    /// The job as it became.
    pub job: JobRecord,
}

impl Notice {
    /// A notice of a job's phase.
    pub fn new(job: JobRecord) -> Self {
        Self {
            id: format!("{}-{}", job.id, job.version),
            event: "job.phase",
            job,
        }
    }
}

/// Queues a notice of a job's phase for whom its ticket names. Doing it twice is doing it once. Where
/// there is no room, a notice on the way is dropped, and the end of a job is [`Error::Untold`].
pub(crate) async fn announce(farm: &Farm, job: &JobRecord) -> Result<()> {
    let path = layout::ticket(&job.id);
    let ticket = match farm.storage().find_json::<Ticket>(&path).await {
        Err(error @ storage::Error::Corrupt { .. }) => {
            warn!(job_id = %job.id, %error, "no ticket, so nobody to notify");
            None
        }
        read => read?,
    };
    let url = ticket.map(|ticket| ticket.webhook_url).unwrap_or_default();
    if url.is_empty() {
        return Ok(());
    }
    let body = serde_json::to_string(&Notice::new(job.clone()))
        .expect("records of the model have text keys and finite numbers");
    let notice = store::Notice {
        job: job.id.clone(),
        version: job.version,
        receiver: receiver(job, &url),
        ends: job.phase.is_final(),
        url,
        body,
    };
    match farm.store().post(&notice).await {
        Ok(Posted::Full) if notice.ends => {
            let receiver = notice.receiver;
            return Err(Error::Untold { receiver });
        }
        Ok(Posted::Full) => {
            warn!(job_id = %job.id, "too many notices wait for this receiver, one was dropped");
        }
        Ok(Posted::New | Posted::Known) => {}
        // A job that the store has forgotten was announced while it knew it.
        Err(store::Error::NotFound { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    farm.notices.notify_one();
    Ok(())
}

/// Whose queue a notice waits in: the host's, for each tenant apart, so that a dead path of one tenant
/// holds up nobody else.
fn receiver(job: &JobRecord, url: &str) -> String {
    let origin = url::Url::parse(url).map(|url| url.origin().ascii_serialization());
    format!("{} {}", job.tenant, origin.unwrap_or_default())
}
