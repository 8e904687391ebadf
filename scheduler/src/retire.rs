//! Takes jobs that ended long ago out of the store, so that it does not grow for ever. What came of them
//! stays in their reports; failed jobs stay in the store, because a person has to act on them.

use crate::Result;
use crate::farm::Farm;
use crate::recover::listed_after_ms;
use model::job::{JobFilter, JobRecord, Phase};
use model::layout;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Pause between two rounds; a round reads every ended job once.
const PAUSE: Duration = Duration::from_secs(3_600);

/// Jobs read at a time.
const PAGE: u32 = 500;

/// Retires jobs until told to stop.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
        match retire(&farm).await {
            Ok(0) => {}
            Ok(jobs) => info!(jobs, "ended jobs were taken out of the store"),
            Err(error) => warn!(%error, "ended jobs could not be taken out of the store"),
        }
    }
}

/// Takes out what ended longer ago than it is kept; answers how many.
async fn retire(farm: &Farm) -> Result<u32> {
    let filter = JobFilter {
        phases: vec![Phase::Published, Phase::Rejected, Phase::Cancelled],
        ..JobFilter::default()
    };
    let before_ms = listed_after_ms(farm).await?;
    let (mut next, mut retired) = (String::new(), 0);
    loop {
        let page = farm.store().jobs(&filter, &next, PAGE).await?;
        for job in page.jobs.iter().filter(|job| job.changed_at_ms < before_ms) {
            retired += u32::from(retire_job(farm, job).await?);
        }
        if page.next.is_empty() {
            return Ok(retired);
        }
        next = page.next;
    }
}

/// A job without a report would be brought back by a recovery, so it waits until it has one.
async fn retire_job(farm: &Farm, job: &JobRecord) -> Result<bool> {
    if !farm.storage().exists(&layout::report(&job.id)).await? {
        return Ok(false);
    }
    farm.store().forget(&job.id).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::retire;
    use crate::config::Config;
    use crate::farm::Farm;
    use crate::{Handle, driver};
    use model::job::Urgency;
    use model::job::{NewJob, Phase};
    use model::{JobId, TenantId, TitleId};
    use std::sync::Arc;
    use std::time::Duration;
    use storage::{SourceRoots, Storage};
    use store::memory::MemoryStore;
    use store::{Advance, ManualClock, Store};

    async fn end(store: &dyn Store, id: &str, to: Phase) -> JobId {
        let job = NewJob {
            id: JobId::new(id).unwrap(),
            tenant: TenantId::new("t").unwrap(),
            title: TitleId::new("bunny").unwrap(),
            profile: "web".to_owned(),
            source_url: String::new(),
            urgency: Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        };
        store.submit(&job, &[]).await.unwrap();
        let advance = Advance {
            from: Phase::Probing,
            to,
            add: Vec::new(),
            failure: None,
            title_version: None,
        };
        assert!(store.advance(&job.id, &advance).await.unwrap());
        job.id
    }

    #[tokio::test]
    async fn old_jobs_leave_the_store_and_stay_readable_failed_ones_stay() {
        let clock = Arc::new(ManualClock::new(1_700_000_000_000));
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let storage = Storage::open("memory:").unwrap();
        let config = Config::new(storage, store.clone(), SourceRoots::default());
        let keep = config.keep_ended;
        let farm = Arc::new(Farm::new(config));
        let cancelled = end(store.as_ref(), "a", Phase::Cancelled).await;
        let failed = end(store.as_ref(), "b", Phase::Failed).await;
        clock.advance(keep + Duration::from_secs(1));
        assert_eq!(
            retire(&farm).await.unwrap(),
            0,
            "nothing goes without a report"
        );
        let record = store.job(&cancelled).await.unwrap();
        driver::report(&farm, &record).await.unwrap();
        assert_eq!(retire(&farm).await.unwrap(), 1);
        assert!(store.job(&cancelled).await.is_err());
        assert!(store.job(&failed).await.is_ok());
        let handle = Handle { farm };
        assert_eq!(handle.job(&cancelled).await.unwrap(), record);
        assert_eq!(handle.detail(&cancelled).await.unwrap().job, record);
    }
}
