//! Which job needs a decision. A job is due at a time; handing it out moves that time to the end of
//! the hold, so the longest due job comes first and none is passed over for ever.

use super::state::{State, unknown_job};
use crate::Attention;
use crate::clock::milliseconds;
use crate::error::Result;
use crate::rules::LOOK_MAX;
use model::JobId;
use std::time::Duration;

impl State {
    pub(super) fn attend(&mut self, hold: Duration, now_ms: u64) -> Option<Attention> {
        for (due, job) in self.nudges.up_to(now_ms, LOOK_MAX) {
            // The nudge of a job that is held stays, so that settling the job does not lose it.
            if self.attention.add(job.clone(), due) || self.is_due(&job, now_ms) {
                self.nudges.remove(&job);
            }
        }
        let (_, id) = self.attention.up_to(now_ms, 1).pop()?;
        let version = self.jobs.get(&id)?.record.version;
        let until = now_ms.saturating_add(milliseconds(hold).max(1));
        self.attention.set(id.clone(), until);
        Some(Attention { job: id, version })
    }

    fn is_due(&self, job: &JobId, now_ms: u64) -> bool {
        self.attention.score(job).is_some_and(|at| at <= now_ms)
    }

    pub(super) fn settle(&mut self, attention: &Attention, now_ms: u64) {
        let Some(job) = self.jobs.get(&attention.job) else {
            return;
        };
        if job.marked > attention.version {
            self.attention.set(attention.job.clone(), now_ms);
        } else {
            self.attention.remove(&attention.job);
        }
    }

    pub(super) fn nudge(&mut self, id: &JobId, delay: Duration, now_ms: u64) -> Result<()> {
        if !self.jobs.contains_key(id) {
            return Err(unknown_job(id));
        }
        let at = now_ms.saturating_add(milliseconds(delay));
        let at = self.nudges.score(id).map_or(at, |before| before.min(at));
        self.nudges.set(id.clone(), at);
        Ok(())
    }
}
