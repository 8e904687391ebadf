//! The reaper of a replica: expired leases become failures of their attempts, as the scheduler does it.

use super::world::{FARM, World};
use model::{Failure, FailureKind};
use scheduler::policy::retry::{self, Tried};
use std::rc::Rc;

/// Leases ended in one round.
const BATCH: u32 = 256;

/// How often a reaper is held up between its look and what it does.
const HELD_UP: f64 = 0.2;

/// Starts the reaper of a replica.
pub(crate) fn start(world: &Rc<World>, replica: u32) {
    let random = world.random(&format!("reaper {replica}"));
    let pause_ms = (world.shape.heartbeat.as_millis() as u64 / 2).clamp(50, 1_000);
    let farm = Rc::clone(world);
    world.executor.spawn(FARM, async move {
        loop {
            farm.executor.sleep_ms(pause_ms).await;
            let expired = farm.store.expired(BATCH, farm.shape.lease_ttl());
            for lease in &expired {
                // Another replica, or the holder itself, may be faster, most of all where this one is
                // held up.
                let most_ms = if random.strikes(HELD_UP) { 3_000 } else { 5 };
                farm.executor.sleep_ms(random.between(0, most_ms)).await;
                let failure = Failure::new(FailureKind::NodeFault, "lease", "ended without a word");
                let tried = Tried {
                    silent: lease.silent_attempts,
                    ..Tried::default()
                };
                let disposition = retry::decide_silent(tried, random.bits());
                let ended = farm.store.expire(lease, &failure, disposition);
                farm.store
                    .hold(ended.is_ok(), || format!("{} cannot be ended", lease.chunk));
            }
            if !expired.is_empty() {
                farm.work.ring_all();
                farm.attention.ring_one();
            }
        }
    });
}
