//! Heartbeats that are held: what is lost is heard long before the next one, and no scheduler makes a
//! node ask without a pause.

use crate::agent::Running;
use crate::fake_scheduler::FakeScheduler;
use crate::title::Place;
use crate::{Case, block_on};
use anyhow::{Result, ensure};
use model::task::TaskKind;
use std::time::{Duration, Instant};
use storage::{SourceRoots, Storage};

pub(crate) const CASES: &[Case] = &[
    (
        "a_lease_that_is_lost_between_two_heartbeats_kills_the_worker",
        killed_early,
    ),
    (
        "a_scheduler_that_always_wants_another_heartbeat_gets_four_a_second",
        bounded,
    ),
];

/// A scheduler whose heartbeats are further apart than any test lasts.
fn slow_scheduler() -> FakeScheduler {
    let scheduler = FakeScheduler::default();
    scheduler.with(|state| state.heartbeat_ms = Some(600_000));
    scheduler
}

fn killed_early() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip_of(120)?;
        place.plan().await?;
        let scheduler = slow_scheduler();
        let mut lost = false;
        scheduler.with(|state| {
            state.on_claim = Some(Box::new(move |state, _| {
                if !std::mem::replace(&mut lost, true) {
                    state.chunks[0].lose();
                }
            }));
        });
        // One unit, so that no second claim tells what only a heartbeat can.
        let done = place
            .perform(scheduler.clone(), TaskKind::Images, 1)
            .await?;
        ensure!(done.is_ok_and(|units| units.len() == 1), "it failed");
        // A worker that lives to its end has its work committed although the lease is lost.
        scheduler.with(|state| {
            ensure!(state.adopted == 0, "the worker lived on");
            Ok(())
        })
    })
}

fn bounded() -> Result<()> {
    block_on(async {
        let scheduler = slow_scheduler();
        scheduler.with(|state| state.wants_renewals = true);
        let storage = Storage::open("memory:")?;
        let started = Instant::now();
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        running.end_after(|state| state.renewals >= 5).await?;
        let elapsed = started.elapsed();
        ensure!(elapsed >= Duration::from_secs(1), "five in {elapsed:?}");
        Ok(())
    })
}
