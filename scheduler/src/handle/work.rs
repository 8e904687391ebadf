//! What is left to do, and how many nodes that is worth.

use super::Handle;
use super::jobs::page_size;
use crate::policy::capacity::{Wish, nodes_worth};
use crate::{Error, Result};
use model::work::{JobWork, WorkPage};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// Age up to which the work that was seen last is taken for what is left now.
const AGE_MAX: Duration = Duration::from_secs(1);

/// It may be older where looking takes long, so that autoscalers, however often they ask, keep the store
/// busy for one part in so many of the time.
const LOOK_SHARE: u32 = 20;

/// Jobs that one look at the store is for.
const PAGE: u32 = 500;

/// The work of all open jobs as it was seen last; one caller at a time looks anew.
pub(crate) type WorkSeen = Mutex<Option<Seen>>;

/// What a look found.
pub(crate) struct Seen {
    at: Instant,
    took: Duration,
    work: Arc<Vec<JobWork>>,
}

impl Handle {
    /// What is left of each open job, newest first. `limit` 0 means 50; at most 500.
    pub async fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        Ok(self.farm.store().work_left(page, page_size(limit)).await?)
    }

    /// How many nodes the queue is worth. While a lost store is given its jobs again, and until it is known
    /// whether any are lost, nobody knows: [`Error::Recovering`], and no autoscaler takes nodes away.
    pub async fn nodes_worth(&self, wish: &Wish) -> Result<u32> {
        let recovery = self.farm.recovery();
        if let Some(progress) = recovery.filter(|progress| progress.lost || progress.all == 0) {
            return Err(Error::Recovering {
                done: progress.done,
                all: progress.all,
            });
        }
        let work = self.all_work().await?;
        let now_ms = self.now_ms().await?;
        Ok(nodes_worth(&work, now_ms, wish))
    }

    async fn all_work(&self) -> Result<Arc<Vec<JobWork>>> {
        let mut seen = self.farm.work_seen.lock().await;
        if let Some(seen) = seen.as_ref() {
            let age_max = AGE_MAX.max(seen.took.saturating_mul(LOOK_SHARE));
            if seen.at.elapsed() < age_max {
                return Ok(seen.work.clone());
            }
        }
        let begin = Instant::now();
        let (mut all, mut next) = (Vec::new(), String::new());
        loop {
            let page = self.farm.store().work_left(&next, PAGE).await?;
            all.extend(page.jobs);
            next = page.next;
            if next.is_empty() {
                break;
            }
        }
        let work = Arc::new(all);
        *seen = Some(Seen {
            at: Instant::now(),
            took: begin.elapsed(),
            work: work.clone(),
        });
        Ok(work)
    }
}
