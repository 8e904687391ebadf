//! Recovery: gives the store back what it lost. Everything that was accepted is in object storage, so
//! a wiped store knows all jobs again after one pass over the tickets; finished segments are found by
//! the nodes under their content keys.

use crate::farm::Farm;
use crate::handle::restore_tenants;
use crate::lifecycle::probe;
use crate::policy::retry;
use crate::{Error, Result, publish};
use futures::StreamExt;
use model::catalog::Report;
use model::job::{JobFilter, JobRecord, NewJob, Phase, Steering};
use model::plan::Ticket;
use model::{JobId, layout};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use storage::Storage;
use store::Submitted;
use store::redis::Lapses;
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

/// Gives the store an epoch that none had before, because it does not know a job that was accepted, or may
/// have lost other things: what it says from now on must be newer than all it said before.
pub(crate) async fn renew_epoch(farm: &Farm) -> Result<()> {
    let epoch = next_epoch(farm.storage()).await?;
    farm.store().raise_epoch(epoch).await?;
    info!(
        epoch,
        "store has lost something, or may have, and gets a new epoch"
    );
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
    /// Those of them that published their title.
    pub published: u32,
    /// Those of them that the store did not list and lists again.
    pub listed: u32,
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
            recovered = pass(&farm) => match recovered {
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

/// Recovers again whenever the store may have lost something, until told to stop.
pub(crate) async fn watch(farm: Arc<Farm>, shutdown: CancellationToken) {
    let Some(mut lapses) = farm.config.lapses.clone() else {
        return;
    };
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = lapses.next() => {}
        }
        warn!("redis may have lost its last writes; what is missing comes back from storage");
        farm.recovers(Some(Progress::default()));
        run(farm.clone(), shutdown.clone()).await;
    }
}

/// One recovery. Where the store may have lost something it comes after a new epoch: the counter of tokens
/// and the versions may have gone back, and what holds since then must be newer than all before.
async fn pass(farm: &Farm) -> Result<Recovered> {
    let lapses = farm.config.lapses.as_ref();
    let lapse = lapses.and_then(Lapses::open);
    if lapse.is_some() {
        renew_epoch(farm).await?;
    }
    let recovered = recover(farm).await?;
    if let Some((lapses, lapse)) = lapses.zip(lapse) {
        lapses.settle(&lapse).await?;
    }
    Ok(recovered)
}

/// Submits the jobs in storage that have not ended and that the store does not know, and lists those again
/// that have. Each step that fails for a moment is tried three times in all.
pub(crate) async fn recover(farm: &Farm) -> Result<Recovered> {
    // Where the recovery starts anew the store may know jobs from the round before.
    let before = farm.recovery().unwrap_or_default();
    let lost = before.lost || persist(async || is_empty(farm).await).await?;
    let mut progress = Progress {
        done: 0,
        lost,
        ..before
    };
    farm.recovers(Some(progress));
    persist(async || restore_tenants(farm).await).await?;
    let names = persist(async || Ok(farm.storage().names(layout::JOBS).await?)).await?;
    progress.all = names.len() as u64;
    farm.recovers(Some(progress));
    let mut recovered = Recovered::default();
    let jobs = names.into_iter().filter_map(|name| JobId::new(name).ok());
    let round = Round {
        renewed: OnceCell::new(),
        listed_after_ms: persist(async || listed_after_ms(farm).await).await?,
    };
    let looks = jobs.map(|job| look_at(farm, job, &round));
    let mut looks = futures::stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(found) = looks.next().await {
        match found? {
            Found::Submitted => recovered.submitted += 1,
            Found::Known => recovered.known += 1,
            Found::Ended { published, listed } => {
                recovered.ended += 1;
                recovered.published += u32::from(published);
                recovered.listed += u32::from(listed);
            }
            Found::Unreadable => recovered.unreadable += 1,
        }
        progress.lost |= round.renewed.initialized();
        progress.done += 1;
        farm.recovers(Some(progress));
        if progress.done.is_multiple_of(TOLD_EVERY) {
            info!(done = progress.done, all = progress.all, "recovering");
        }
    }
    farm.recovers(None);
    info!(?recovered, "store knows all open jobs");
    Ok(recovered)
}

/// What the looks of one round share.
struct Round {
    /// Set when the store was given a new epoch, which is when it was found to have lost a job.
    renewed: OnceCell<()>,
    /// Jobs that ended before are in nobody's list any more, unless they failed.
    listed_after_ms: u64,
}

impl Round {
    /// Gives the store a new epoch, once. Before it is given a job that it has lost: a job that it knows
    /// asks for no epoch any more.
    async fn renew(&self, farm: &Farm) -> Result<()> {
        let renew = || renew_epoch(farm);
        self.renewed.get_or_try_init(renew).await?;
        Ok(())
    }
}

/// The time before which a job that ended is taken out of the store.
pub(crate) async fn listed_after_ms(farm: &Farm) -> Result<u64> {
    let keep_ms = u64::try_from(farm.config.keep_ended.as_millis()).unwrap_or(u64::MAX);
    Ok(farm.store().now_ms().await?.saturating_sub(keep_ms))
}

async fn look_at(farm: &Farm, job: JobId, round: &Round) -> Result<Found> {
    match persist(async || recover_job(farm, &job, round).await).await {
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
    Ended { published: bool, listed: bool },
    Unreadable,
}

async fn recover_job(farm: &Farm, job: &JobId, round: &Round) -> Result<Found> {
    let storage = farm.storage();
    match storage.find_json::<Report>(&layout::report(job)).await {
        Ok(Some(report)) => {
            return Ok(Found::Ended {
                published: report.job.phase == Phase::Published,
                listed: restore(farm, &report.job, round).await?,
            });
        }
        Err(error @ storage::Error::Corrupt { .. }) => {
            warn!(job_id = %job, %error, "it has ended and is not listed");
            return Ok(Found::Ended {
                published: false,
                listed: false,
            });
        }
        none => drop(none?),
    }
    let ticket: Ticket = storage.get_json(&layout::ticket(job)).await?;
    match publish::keep(storage, &ticket.title, &ticket.tenant).await {
        // Whose the title is decides nothing about a job that was accepted.
        Err(error @ (Error::NotYours { .. } | Error::Storage(storage::Error::Corrupt { .. }))) => {
            warn!(job_id = %job, %error, "accepted all the same")
        }
        kept => kept?,
    }
    if !is_known(farm, job).await? {
        round.renew(farm).await?;
    }
    Ok(match enter(farm, &ticket).await? {
        Submitted::New => Found::Submitted,
        Submitted::Exists => {
            steer::again(farm, job).await?;
            Found::Known
        }
    })
}

/// Lists a job again that has ended, as long as the store would have kept it; answers whether it was not
/// listed. A failed one is kept until a person acts.
async fn restore(farm: &Farm, job: &JobRecord, round: &Round) -> Result<bool> {
    let is_kept = job.phase == Phase::Failed || job.changed_at_ms >= round.listed_after_ms;
    if !job.phase.is_final() || !is_kept || is_known(farm, &job.id).await? {
        return Ok(false);
    }
    round.renew(farm).await?;
    farm.store().restore(job).await?;
    Ok(true)
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
    let path = layout::steering(&ticket.job);
    let steering: Option<Steering> = farm.storage().find_json(&path).await?;
    let job = NewJob {
        id: ticket.job.clone(),
        tenant: ticket.tenant.clone(),
        title: ticket.title.clone(),
        profile: ticket.profile.name.clone(),
        source_url: ticket.source_url.clone(),
        urgency: steering.map_or(ticket.urgency, |steering| steering.urgency),
        held_max: ticket.held_max,
        traceparent: ticket.traceparent.clone(),
    };
    let planned = farm.storage().exists(&layout::plan(&ticket.job)).await?;
    let tasks = if planned {
        Vec::new()
    } else {
        vec![probe(&ticket.job)]
    };
    let submitted = farm.store().submit(&job, &tasks).await?;
    if submitted == Submitted::New && steering.is_some_and(|steering| steering.paused) {
        farm.store().set_paused(&job.id, true).await?;
    }
    Ok(submitted)
}

mod steer;
mod survey;

pub use survey::Survey;

#[cfg(test)]
mod tests;
