//! Webhooks: every change of a job's phase is posted to the address in its ticket, signed. Delivery is
//! at most a bounded number of tries and not remembered across a restart; a receiver that must not miss
//! anything asks the farm. Notices may overtake each other: the job's `version` tells which is newer.

mod sender;
mod signature;

pub use signature::{HEADER, sign, verify};

pub(crate) use sender::run;

use model::job::JobRecord;
use serde::Serialize;

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
