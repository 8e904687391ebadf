//! What is left to do of jobs.

use crate::error::{Error, Result, invalid};
use crate::v1;
use model::work::{JobWork, WorkOf, WorkPage};
use model::{JobId, TitleId};

impl From<&JobWork> for v1::JobWork {
    fn from(work: &JobWork) -> Self {
        let of = &work.of;
        Self {
            job: of.job.to_string(),
            title: of.title.to_string(),
            phase: of.phase.as_str().to_owned(),
            deadline_ms: of.deadline_ms.unwrap_or(0),
            held_max: of.held_max.unwrap_or(0),
            paused: of.paused,
            open_units: work.open_units,
            open_seconds: work.open_seconds,
            later_seconds: work.later_seconds,
            later_chain_seconds: work.later_chain_seconds,
            chain_seconds: work.chain_seconds,
        }
    }
}

impl TryFrom<v1::JobWork> for JobWork {
    type Error = Error;
    fn try_from(wire: v1::JobWork) -> Result<Self> {
        let phase = wire.phase.parse();
        let of = WorkOf {
            job: JobId::new(wire.job).map_err(|e| invalid("work.job", e))?,
            title: TitleId::new(wire.title).map_err(|e| invalid("work.title", e))?,
            phase: phase.map_err(|e: String| invalid("work.phase", e))?,
            deadline_ms: Some(wire.deadline_ms).filter(|at| *at > 0),
            held_max: Some(wire.held_max).filter(|most| *most > 0),
            paused: wire.paused,
        };
        Ok(Self {
            of,
            open_units: wire.open_units,
            open_seconds: seconds("work.open_seconds", wire.open_seconds)?,
            later_seconds: seconds("work.later_seconds", wire.later_seconds)?,
            later_chain_seconds: seconds("work.later_chain_seconds", wire.later_chain_seconds)?,
            chain_seconds: seconds("work.chain_seconds", wire.chain_seconds)?,
        })
    }
}

fn seconds(field: &'static str, seconds: f64) -> Result<f64> {
    if seconds.is_finite() && seconds >= 0.0 {
        return Ok(seconds);
    }
    Err(invalid(field, format!("{seconds} is no time")))
}

impl From<(&WorkPage, u64)> for v1::ListWorkResponse {
    fn from((page, now_ms): (&WorkPage, u64)) -> Self {
        Self {
            jobs: page.jobs.iter().map(Into::into).collect(),
            next_page_token: page.next.clone(),
            now_ms,
        }
    }
}
