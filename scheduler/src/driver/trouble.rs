//! What follows when a decision cannot be carried out: the job is looked at again later, and later each
//! time, and is given up where waiting has not helped. A job that was given up is failed like any other
//! and can be led back.

use crate::farm::Farm;
use crate::policy::retry;
use crate::{Error, Result};
use model::job::Phase;
use model::{Failure, FailureKind, JobId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::time::Duration;
use store::Advance;
use tokio::time::Instant;
use tracing::warn;

/// Errors in a row after which a job fails if waiting cannot help; with the waits some minutes.
const ERRORS_MAX: u32 = 12;

/// Jobs whose troubles are remembered. More are forgotten together: they start to count anew.
const JOBS_MAX: usize = 16_384;

/// How long after the next try was due a trouble is still told of, while nothing is heard of it.
const TOLD_AFTER: Duration = Duration::from_secs(15);

/// Errors in a row by job.
#[derive(Default)]
pub(crate) struct Troubles(Mutex<HashMap<JobId, Trouble>>);

struct Trouble {
    count: u32,
    reason: String,
    due: Instant,
}

impl Troubles {
    /// Notes an error; answers how many in a row that makes, and when to look again.
    fn raise(&self, job: &JobId, error: &Error) -> (u32, Duration) {
        let mut troubles = self.0.lock();
        if troubles.len() >= JOBS_MAX && !troubles.contains_key(job) {
            troubles.clear();
        }
        let count = troubles.get(job).map_or(1, |trouble| trouble.count + 1);
        let longest = match is_a_persons(error) {
            true => retry::room_wait(count - 1),
            false => retry::backoff(count - 1),
        };
        let delay = longest / 2 + retry::jitter(longest / 2, rand::random());
        let trouble = Trouble {
            count,
            reason: format!("{}: {error}", class(error)),
            due: Instant::now() + delay,
        };
        troubles.insert(job.clone(), trouble);
        (count, delay)
    }

    pub(super) fn clear(&self, job: &JobId) {
        self.0.lock().remove(job);
    }

    /// Why a job could not go on of late, with the class, as far as this replica knows.
    pub(crate) fn reason(&self, job: &JobId) -> Option<String> {
        let troubles = self.0.lock();
        let trouble = troubles.get(job)?;
        (Instant::now() < trouble.due + TOLD_AFTER).then(|| trouble.reason.clone())
    }
}

/// Answers how long to wait before the job is looked at again; `None` when it was given up.
pub(super) async fn meet(farm: &Farm, job: &JobId, error: &Error) -> Option<Duration> {
    let (count, delay) = farm.troubles.raise(job, error);
    warn!(job_id = %job, count, %error, "decision could not be carried out");
    let attempts_max = match is_a_persons(error) {
        true => retry::ROOM_ATTEMPTS_MAX,
        false => ERRORS_MAX,
    };
    if count < attempts_max || !lasts(error) {
        return Some(delay);
    }
    let failure = Failure::new(class(error), "scheduler", error.to_string());
    match give_up(farm, job, failure).await {
        // The report of a job that has ended is owed for as long as it cannot be written.
        Ok(false) if is_a_persons(error) => return Some(delay),
        Ok(_) => farm.troubles.clear(job),
        Err(error) => {
            warn!(job_id = %job, %error, "job could not be given up");
            return Some(delay);
        }
    }
    None
}

/// Whether waiting cannot help, or not by itself: something is missing, broken, in contradiction, refused
/// or full. Any other outage of store or storage is waited out, however long it takes.
fn lasts(error: &Error) -> bool {
    match error {
        Error::Storage(error) => matches!(
            error,
            storage::Error::NotFound { .. }
                | storage::Error::Corrupt { .. }
                | storage::Error::Denied { .. }
                | storage::Error::Url { .. }
                | storage::Error::Full { .. }
        ),
        Error::Store(error) => !matches!(error, store::Error::Unavailable { .. }),
        Error::Full { .. } | Error::Untold { .. } => false,
        _ => true,
    }
}

/// Whether a person can take away what is in the way, for all jobs at once: there is no room, access is
/// denied or a bucket is gone. That takes longer than a hiccup, and until then every job meets it.
fn is_a_persons(error: &Error) -> bool {
    matches!(
        error,
        Error::Untold { .. }
            | Error::Storage(
                storage::Error::Full { .. }
                    | storage::Error::Denied { .. }
                    | storage::Error::Url { .. }
            )
    )
}

/// The class that a job gets from an error. A scheduler asks only its own storage here, so a URL that
/// cannot be used is no submitter's to mend.
fn class(error: &Error) -> FailureKind {
    match error {
        Error::Storage(storage::Error::Url { .. }) => FailureKind::Storage,
        error => error.kind(),
    }
}

/// Fails a job; answers false when it had ended before.
async fn give_up(farm: &Farm, job: &JobId, failure: Failure) -> Result<bool> {
    let from = farm.store().job(job).await?.phase;
    if from.is_final() {
        return Ok(false);
    }
    let advance = Advance {
        from,
        to: Phase::Failed,
        add: Vec::new(),
        failure: Some(failure),
        title_version: None,
    };
    farm.advance(job, &advance).await.map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::{ERRORS_MAX, meet};
    use crate::config::Config;
    use crate::farm::Farm;
    use crate::policy::retry;
    use crate::{Error, Handle};
    use model::job::{NewJob, Phase, Urgency};
    use model::{FailureKind, JobId};
    use std::sync::Arc;
    use std::time::Duration;
    use storage::{SourceRoots, Storage};
    use store::memory::MemoryStore;
    use store::{Store, SystemClock};

    async fn farm_with_a_job() -> (Arc<Farm>, JobId) {
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let storage = Storage::open("memory:").unwrap();
        let config = Config::new(storage, store.clone(), SourceRoots::default());
        let job = NewJob {
            id: "j1".parse().unwrap(),
            tenant: "t".parse().unwrap(),
            title: "bunny".parse().unwrap(),
            profile: "web".to_owned(),
            source_url: String::new(),
            urgency: Urgency::of(50),
            held_max: None,
            traceparent: String::new(),
        };
        store.submit(&job, &[]).await.unwrap();
        (Arc::new(Farm::new(config)), job.id)
    }

    fn full() -> Error {
        Error::Storage(storage::Error::Full {
            path: "jobs/j1/plan.json".to_owned(),
        })
    }

    #[tokio::test]
    async fn a_lack_of_room_is_waited_out_for_a_while_said_and_can_be_led_back() {
        let (farm, job) = farm_with_a_job().await;
        let mut waited = Duration::ZERO;
        for _ in 1..retry::ROOM_ATTEMPTS_MAX {
            waited += meet(&farm, &job, &full()).await.expect("another try");
            assert_eq!(farm.store().job(&job).await.unwrap().phase, Phase::Probing);
        }
        assert!(waited > Duration::from_secs(15 * 60), "{waited:?}");
        let handle = Handle { farm: farm.clone() };
        let waits = handle.detail(&job).await.unwrap().waiting_for;
        assert!(waits.contains("no space left"), "{waits}");

        assert_eq!(meet(&farm, &job, &full()).await, None);
        let record = farm.store().job(&job).await.unwrap();
        let kind = record.failure.map(|failure| failure.kind);
        assert_eq!(
            (record.phase, kind),
            (Phase::Failed, Some(FailureKind::Exhausted))
        );
        let record = handle.retry(&job).await.unwrap();
        assert_eq!(record.phase, Phase::Probing);
        assert!(meet(&farm, &job, &full()).await.is_some(), "it counts anew");
    }

    fn denied() -> Error {
        Error::Storage(storage::Error::Denied {
            path: "jobs/j1/plan.json".to_owned(),
        })
    }

    fn without_bucket() -> Error {
        Error::Storage(storage::Error::Url {
            url: "jobs/j1/plan.json".to_owned(),
            reason: "there is no such bucket".to_owned(),
        })
    }

    #[tokio::test]
    async fn what_storage_refuses_is_waited_out_for_a_while_said_and_then_fails_the_job() {
        for (error, said) in [
            (denied(), "storage: jobs/j1/plan.json: access denied"),
            (
                without_bucket(),
                "storage: jobs/j1/plan.json: there is no such bucket",
            ),
        ] {
            let (farm, job) = farm_with_a_job().await;
            let mut waited = Duration::ZERO;
            for _ in 1..retry::ROOM_ATTEMPTS_MAX {
                waited += meet(&farm, &job, &error).await.expect("another try");
                let handle = Handle { farm: farm.clone() };
                let waits = handle.detail(&job).await.unwrap().waiting_for;
                assert!(waits.contains(said), "{waits}");
            }
            assert!(waited > Duration::from_secs(15 * 60), "{waited:?}");
            assert_eq!(meet(&farm, &job, &error).await, None);
            let record = farm.store().job(&job).await.unwrap();
            let kind = record.failure.map(|failure| failure.kind);
            assert_eq!(
                (record.phase, kind),
                (Phase::Failed, Some(FailureKind::Storage))
            );
        }
    }

    #[tokio::test]
    async fn what_is_broken_fails_the_job_after_some_minutes() {
        let (farm, job) = farm_with_a_job().await;
        let corrupt = Error::Storage(storage::Error::Corrupt {
            path: "jobs/j1/plan.json".to_owned(),
            reason: "end of file".to_owned(),
        });
        let mut waited = Duration::ZERO;
        for _ in 1..ERRORS_MAX {
            waited += meet(&farm, &job, &corrupt).await.expect("another try");
        }
        let minutes = Duration::from_secs(2 * 60)..Duration::from_secs(8 * 60);
        assert!(minutes.contains(&waited), "{waited:?}");
        assert_eq!(meet(&farm, &job, &corrupt).await, None);
    }

    #[tokio::test]
    async fn the_report_of_a_job_that_ended_is_owed_for_as_long_as_it_takes() {
        let (farm, job) = farm_with_a_job().await;
        Handle { farm: farm.clone() }.cancel(&job).await.unwrap();
        for error in [full(), denied(), without_bucket()] {
            for _ in 0..3 * retry::ROOM_ATTEMPTS_MAX {
                assert!(meet(&farm, &job, &error).await.is_some(), "{error}");
            }
        }
    }

    #[tokio::test]
    async fn an_outage_is_waited_out() {
        let (farm, job) = farm_with_a_job().await;
        for _ in 0..3 * ERRORS_MAX {
            let away = Error::Store(store::Error::Unavailable {
                reason: "connection refused".to_owned(),
            });
            assert!(meet(&farm, &job, &away).await.is_some());
        }
    }
}
