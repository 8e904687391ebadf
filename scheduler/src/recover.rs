//! Recovery: gives the store back what it lost. Everything that was accepted is in object storage, so
//! a wiped store knows all jobs again after one pass over the tickets; finished segments are found by
//! the nodes under their content keys.

use crate::farm::Farm;
use crate::lifecycle::probe;
use crate::policy::retry;
use crate::{Error, Result, publish};
use futures::StreamExt;
use model::job::{JobFilter, NewJob};
use model::plan::Ticket;
use model::{JobId, layout};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use storage::Storage;
use store::Submitted;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Calls of one step before its error ends the recovery, which then starts anew: a hiccup of storage
/// should not cost the looks at all jobs before it.
const TRIES: u32 = 3;

/// Jobs looked at together: each costs one or two requests to storage.
const AT_ONCE: usize = 16;

/// Jobs between two lines in the log.
const TOLD_EVERY: u64 = 1_000;

/// The number that makes tokens and versions of a rebuilt store greater than those of the lost one:
/// `epoch.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The number; a store that was never rebuilt has 1.
    pub epoch: u32,
}

impl Default for Epoch {
    fn default() -> Self {
        Self { epoch: 1 }
    }
}

/// The epoch as it is, for a store that still has its state.
pub async fn current_epoch(storage: &Storage) -> Result<u32> {
    let found: Option<Epoch> = storage.find_json(layout::EPOCH).await?;
    Ok(found.unwrap_or_default().epoch)
}

/// Raises the epoch and returns it. Called once before a store that has lost its state, such as a new
/// memory store, grants anything. An error that may pass is met with up to two more tries; one that was
/// carried out all the same raises the epoch twice, which harms nobody.
pub async fn raise_epoch(storage: &Storage) -> Result<u32> {
    persist(async || next_epoch(storage).await).await
}

async fn next_epoch(storage: &Storage) -> Result<u32> {
    let raise = |old: Option<Epoch>| {
        Some(Epoch {
            epoch: old.unwrap_or_default().epoch.saturating_add(1),
        })
    };
    let raised = storage.update_json(layout::EPOCH, raise).await?;
    Ok(raised.unwrap_or_default().epoch)
}

/// Gives the store an epoch that none had before, because it lost a job: what it says of that job from now
/// on must be newer than all it said before.
pub(crate) async fn renew_epoch(farm: &Farm) -> Result<()> {
    let epoch = next_epoch(farm.storage()).await?;
    farm.store().raise_epoch(epoch).await?;
    info!(epoch, "store has lost a job and gets a new epoch");
    Ok(())
}

/// Calls until it succeeds, fails for good or has failed [`TRIES`] times, with growing waits between.
async fn persist<T>(mut call: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    for tried in 0..TRIES - 1 {
        match call().await {
            Err(error) if may_pass(&error) => {
                warn!(tried, %error, "recovery tries again");
                let half = retry::backoff(tried) / 2;
                tokio::time::sleep(half + retry::jitter(half, rand::random())).await;
            }
            answer => return answer,
        }
    }
    call().await
}

fn may_pass(error: &Error) -> bool {
    match error {
        Error::Storage(error) => matches!(
            error,
            storage::Error::Failed { .. } | storage::Error::Raced { .. }
        ),
        Error::Store(error) => matches!(error, store::Error::Unavailable { .. }),
        _ => false,
    }
}

/// What a recovery found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// Jobs that the store did not know and knows now.
    pub submitted: u32,
    /// Open jobs that it knew.
    pub known: u32,
    /// Jobs that have ended.
    pub ended: u32,
    /// Jobs whose ticket cannot be read; each was logged.
    pub unreadable: u32,
}

/// How far a recovery is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Jobs that were looked at.
    pub(crate) done: u64,
    /// Jobs in storage; 0 until they are listed.
    pub(crate) all: u64,
    /// Whether the store has lost jobs, as far as is known: then any of those that are left may be open.
    pub(crate) lost: bool,
}

impl Progress {
    /// Jobs that are still to be looked at.
    pub(crate) fn left(&self) -> u64 {
        self.all.saturating_sub(self.done)
    }
}

/// Recovers until it has succeeded, however long storage is away; `None` when told to stop before. The
/// farm serves meanwhile, and says of what it does not know that it may come.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) -> Option<Recovered> {
    for failures in 0.. {
        let error = tokio::select! {
            () = shutdown.cancelled() => return None,
            recovered = recover(&farm) => match recovered {
                Ok(recovered) => return Some(recovered),
                Err(error) => error,
            },
        };
        warn!(failures, %error, "recovery starts anew");
        let half = retry::backoff(failures) / 2;
        tokio::select! {
            () = shutdown.cancelled() => return None,
            () = tokio::time::sleep(half + retry::jitter(half, rand::random())) => {}
        }
    }
    None
}

/// Submits the jobs in storage that have not ended and that the store does not know. Each step that
/// fails for a moment is tried three times in all.
pub(crate) async fn recover(farm: &Farm) -> Result<Recovered> {
    // Where the recovery starts anew the store may know jobs from the round before.
    let was_lost = farm.recovery().is_some_and(|before| before.lost);
    let lost = was_lost || persist(async || is_empty(farm).await).await?;
    let mut progress = Progress {
        lost,
        ..Progress::default()
    };
    farm.recovers(Some(progress));
    let names = persist(async || Ok(farm.storage().names(layout::JOBS).await?)).await?;
    progress.all = names.len() as u64;
    let mut recovered = Recovered::default();
    let jobs = names.into_iter().filter_map(|name| JobId::new(name).ok());
    let renewed = OnceCell::new();
    let looks = jobs.map(|job| look_at(farm, job, &renewed));
    let mut looks = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(found) = looks.next().await {
        match found? {
            Found::Submitted => {
                recovered.submitted += 1;
                progress.lost = true;
            }
            Found::Known => recovered.known += 1,
            Found::Ended => recovered.ended += 1,
            Found::Unreadable => recovered.unreadable += 1,
        }
        progress.done += 1;
        farm.recovers(Some(progress));
        if progress.done % TOLD_EVERY == 0 {
            info!(done = progress.done, all = progress.all, "recovering");
        }
    }
    farm.recovers(None);
    info!(?recovered, "store knows all open jobs");
    Ok(recovered)
}

async fn look_at(farm: &Farm, job: JobId, renewed: &OnceCell<()>) -> Result<Found> {
    match persist(async || recover_job(farm, &job, renewed).await).await {
        Err(Error::Storage(
            error @ (storage::Error::Corrupt { .. } | storage::Error::NotFound { .. }),
        )) => {
            warn!(job_id = %job, %error, "ticket cannot be read");
            Ok(Found::Unreadable)
        }
        Ok(Found::Submitted) => {
            farm.attention.notify_one();
            farm.work.notify_waiters();
            Ok(Found::Submitted)
        }
        found => found,
    }
}

enum Found {
    Submitted,
    Known,
    Ended,
    Unreadable,
}

async fn recover_job(farm: &Farm, job: &JobId, renewed: &OnceCell<()>) -> Result<Found> {
    let storage = farm.storage();
    if storage.exists(&layout::report(job)).await? {
        return Ok(Found::Ended);
    }
    let ticket: Ticket = storage.get_json(&layout::ticket(job)).await?;
    match publish::keep(storage, &ticket.title, &ticket.tenant).await {
        Err(error @ Error::NotYours { .. }) => {
            warn!(job_id = %job, %error, "accepted all the same")
        }
        kept => kept?,
    }
    if !is_known(farm, job).await? {
        renewed.get_or_try_init(|| renew_epoch(farm)).await?;
    }
    Ok(match enter(farm, &ticket).await? {
        Submitted::New => Found::Submitted,
        Submitted::Exists => Found::Known,
    })
}

/// Whether the store knows no job at all.
async fn is_empty(farm: &Farm) -> Result<bool> {
    let any = farm.store().jobs(&JobFilter::default(), "", 1).await?;
    Ok(any.jobs.is_empty())
}

/// Whether the store knows a job.
pub(crate) async fn is_known(farm: &Farm, job: &JobId) -> Result<bool> {
    match farm.store().job(job).await {
        Err(store::Error::NotFound { .. }) => Ok(false),
        known => Ok(known.map(|_| true)?),
    }
}

/// Gives a ticket's job to the store. With a plan there is nothing to probe: the job goes on from it.
pub(crate) async fn enter(farm: &Farm, ticket: &Ticket) -> Result<Submitted> {
    let job = NewJob {
        id: ticket.job.clone(),
        tenant: ticket.tenant.clone(),
        title: ticket.title.clone(),
        profile: ticket.profile.name.clone(),
        source_url: ticket.source_url.clone(),
        priority: ticket.priority,
        traceparent: ticket.traceparent.clone(),
    };
    let planned = farm.storage().exists(&layout::plan(&ticket.job)).await?;
    let tasks = if planned {
        Vec::new()
    } else {
        vec![probe(&ticket.job)]
    };
    Ok(farm.store().submit(&job, &tasks).await?)
}

#[cfg(test)]
mod tests {
    use super::{NewJob, Storage, TRIES, current_epoch, persist, raise_epoch, recover, run};
    use crate::config::Config;
    use crate::farm::Farm;
    use crate::{Error, Result};
    use model::layout;
    use std::sync::Arc;
    use std::time::Duration;
    use storage::SourceRoots;
    use store::memory::MemoryStore;
    use store::{Store, SystemClock};
    use tokio_util::sync::CancellationToken;

    #[tokio::test(start_paused = true)]
    async fn an_error_that_may_pass_is_met_three_times_and_no_other() {
        let may_pass = || store::Error::Unavailable {
            reason: "a hiccup".to_owned(),
        };
        let lasts = || store::Error::NotFound {
            what: "job",
            id: "j1".to_owned(),
        };
        for (fails, error, calls, succeeds) in [
            (TRIES - 1, may_pass(), TRIES, true),
            (TRIES, may_pass(), TRIES, false),
            (1, lasts(), 1, false),
        ] {
            let mut called = 0;
            let error = &error;
            let answer: Result<()> = persist(async || {
                called += 1;
                match (called <= fails, error) {
                    (false, _) => Ok(()),
                    (true, store::Error::NotFound { .. }) => Err(Error::Store(lasts())),
                    (true, _) => Err(Error::Store(may_pass())),
                }
            })
            .await;
            assert_eq!((called, answer.is_ok()), (calls, succeeds), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_epoch_is_raised_through_a_hiccup_of_storage() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
        let in_the_way = folder.path().join(layout::EPOCH);
        std::fs::create_dir(&in_the_way).unwrap();
        let free_the_way = async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            std::fs::remove_dir(&in_the_way).unwrap();
        };
        let (raised, ()) = tokio::join!(raise_epoch(&storage), free_the_way);
        assert_eq!(raised.unwrap(), 2);
    }

    #[tokio::test]
    async fn every_rebuilt_store_gets_an_epoch_that_none_had_before() {
        let storage = Storage::open("memory:").unwrap();
        let first = current_epoch(&storage).await.unwrap();
        let second = raise_epoch(&storage).await.unwrap();
        assert!(second > first);
        assert_eq!(current_epoch(&storage).await.unwrap(), second);
        assert!(raise_epoch(&storage).await.unwrap() > second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_knows_no_job_is_taken_for_lost_also_when_the_recovery_starts_anew() {
        for knows_a_job in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
            let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
            if knows_a_job {
                store.submit(&job("j0"), &[]).await.unwrap();
            }
            let config = Config::new(storage, store.clone(), SourceRoots::default());
            let farm = Farm::new(config);
            let in_the_way = folder.path().join(layout::JOBS);
            std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
            for _ in 0..2 {
                assert!(recover(&farm).await.is_err());
                let lost = farm.recovery().unwrap().lost;
                assert_eq!(lost, !knows_a_job);
                store.submit(&job("j1"), &[]).await.unwrap();
            }
        }
    }

    fn job(id: &str) -> NewJob {
        NewJob {
            id: id.parse().unwrap(),
            tenant: "t".parse().unwrap(),
            title: "bunny".parse().unwrap(),
            profile: "web".to_owned(),
            source_url: String::new(),
            priority: 50,
            traceparent: String::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_recovery_waits_for_storage_that_is_away() {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let config = Config::new(storage, store, SourceRoots::default());
        let farm = Arc::new(Farm::new(config));
        let in_the_way = folder.path().join("jobs/j1/ticket.json");
        std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
        // A link that leads to itself can be opened by nobody.
        std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
        let free_the_way = async {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
            assert!(farm.recovery().is_some(), "it goes on");
            std::fs::remove_file(&in_the_way).unwrap();
        };
        let recovery = run(farm.clone(), CancellationToken::new());
        let (recovered, ()) = tokio::join!(recovery, free_the_way);
        assert_eq!(recovered.unwrap().unreadable, 1, "the ticket is gone");
        assert_eq!(farm.recovery(), None);
        let told = CancellationToken::new();
        told.cancel();
        std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
        assert_eq!(run(farm.clone(), told).await, None);
    }
}
