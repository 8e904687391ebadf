//! The jobs that wait for a person. They are looked for less often than the page is drawn, because the
//! store reads all its open jobs for it; how each of them stands is asked with every drawing, elsewhere.

use model::job::{JobFilter, JobRecord, Phase};
use scheduler::Handle;
use std::time::Duration;
use tokio::time::Instant;

/// Distance of two looks: whoever answers for titles does not do so from one second to the next.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Jobs asked for in one request.
const AT_ONCE: u32 = 500;

/// Jobs that waited for a person when they were last looked for.
#[derive(Default)]
pub(crate) struct Reviews {
    due: Option<Instant>,
    /// Those that have waited longest come first.
    waiting: Vec<JobRecord>,
}

impl Reviews {
    /// The jobs that wait, those that have waited longest first; some may have been answered for since.
    pub(crate) async fn look(&mut self, handle: &Handle) -> scheduler::Result<&[JobRecord]> {
        let now = Instant::now();
        if self.due.is_none_or(|due| due <= now) {
            self.waiting = waiting(handle).await?;
            self.due = Some(now + LOOK_EVERY);
        }
        Ok(&self.waiting)
    }

    /// How many of them are not among those that are shown.
    pub(crate) fn left_out(&self, shown: &[JobRecord]) -> usize {
        let is_shown = |job: &JobRecord| shown.iter().any(|known| known.id == job.id);
        self.waiting.iter().filter(|job| !is_shown(job)).count()
    }
}

/// All jobs that wait: no more than may be open at a time.
async fn waiting(handle: &Handle) -> scheduler::Result<Vec<JobRecord>> {
    let filter = JobFilter {
        phases: vec![Phase::Review],
        ..JobFilter::default()
    };
    let (mut waiting, mut below) = (Vec::new(), String::new());
    loop {
        let page = handle.jobs(&filter, &below, AT_ONCE).await?;
        waiting.extend(page.jobs);
        below = page.next;
        if below.is_empty() {
            break;
        }
    }
    // Nothing changes a job while it waits.
    waiting.sort_by_key(|job| job.changed_at_ms);
    Ok(waiting)
}
