//! What befalls a farm: nodes die, freeze, are cut off and drained, storage becomes slow, people cancel.

use super::random::Random;
use super::shape::Troubles;
use super::world::{FARM, World};
use super::{driver, node};
use model::job::Phase;
use std::rc::Rc;

/// Time from the order to drain until a node's host is taken away.
const NOTICE_MS: u64 = 120_000;

/// Silence after which a drained node may work again: the store's minute, and what its last requests may
/// still be under way.
const AWAY_MS: u64 = 105_000;

/// Starts everything that goes wrong.
pub(crate) fn start(world: &Rc<World>) {
    let Some(troubles) = world.shape.troubles.clone() else {
        return;
    };
    for number in 0..world.shape.nodes {
        let (farm, troubles) = (Rc::clone(world), troubles.clone());
        world
            .executor
            .spawn(FARM, async move { befall(&farm, &troubles, number).await });
    }
    let farm = Rc::clone(world);
    let slow = troubles.clone();
    world
        .executor
        .spawn(FARM, async move { slow_storage(&farm, &slow).await });
    cancel(world, &troubles);
}

async fn befall(world: &Rc<World>, troubles: &Troubles, number: u32) {
    let random = world.random(&format!("trouble {number}"));
    let executor = &world.executor;
    loop {
        executor
            .sleep_ms(random.between(1, 2 * troubles.each_ms))
            .await;
        if world.elapsed_ms() > troubles.until_ms {
            return;
        }
        let time_ms = random.between(200, 40_000);
        let kind = random.between(0, 9);
        world.store.note(&("trouble", number, kind, time_ms));
        match kind {
            0..4 => {
                world.disturb("node killed");
                executor.kill(node::group(number));
                executor.sleep_ms(time_ms).await;
                node::start(world, number);
            }
            4..7 => {
                world.disturb("node frozen");
                executor.freeze(node::group(number));
                executor.sleep_ms(time_ms).await;
                executor.thaw(node::group(number));
            }
            7..9 => {
                world.disturb("node cut off");
                world.cut.borrow_mut().insert(number);
                executor.sleep_ms(time_ms).await;
                world.cut.borrow_mut().remove(&number);
            }
            _ => drain(world, number, &random).await,
        }
    }
}

async fn drain(world: &Rc<World>, number: u32, random: &Random) {
    let executor = &world.executor;
    world.disturb("node drained and killed");
    world.store.drain(&node::id(number));
    executor.sleep_ms(NOTICE_MS).await;
    executor.kill(node::group(number));
    if random.strikes(0.5) {
        // Too soon: the order still holds, and the process that comes back takes nothing.
        executor.sleep_ms(random.between(1, 30_000)).await;
        node::start(world, number);
        executor.sleep_ms(random.between(1, 30_000)).await;
        executor.kill(node::group(number));
    }
    executor
        .sleep_ms(random.between(AWAY_MS, 2 * AWAY_MS))
        .await;
    node::start(world, number);
}

async fn slow_storage(world: &Rc<World>, troubles: &Troubles) {
    let random = world.random("storage");
    while world.elapsed_ms() < troubles.until_ms {
        world
            .executor
            .sleep_ms(random.between(10_000, 120_000))
            .await;
        world.disturb("storage slow");
        world.slowness.set(random.between(1, 200));
        world.executor.sleep_ms(random.between(1_000, 60_000)).await;
        world.slowness.set(1);
    }
}

fn cancel(world: &Rc<World>, troubles: &Troubles) {
    let random = world.random("people");
    let storage = world.storage.borrow();
    for job in storage
        .titles
        .keys()
        .filter(|_| random.strikes(troubles.cancelled))
    {
        let (farm, job, after_ms) = (Rc::clone(world), job.clone(), random.between(0, 300_000));
        // Half of them in the middle of a decision.
        let late_ms = random.strikes(0.5).then(|| random.between(0, 50));
        world.executor.spawn(FARM, async move {
            farm.executor.sleep_ms(after_ms).await;
            if let Some(late_ms) = late_ms {
                farm.decisions.wait(&farm.executor, 300_000).await;
                farm.executor.sleep_ms(late_ms).await;
            }
            let Ok(record) = farm.store.job(&job) else {
                return;
            };
            if record.phase.is_final() {
                return;
            }
            let mut storage = farm.storage.borrow_mut();
            let outcome = *storage
                .outcomes
                .entry(job.clone())
                .or_insert(Phase::Cancelled);
            drop(storage);
            if outcome == Phase::Cancelled {
                farm.disturb("job cancelled");
                // Refused when it ended meanwhile.
                let _ = farm
                    .store
                    .advance(&job, &driver::cancellation(record.phase));
            }
            farm.attention.ring_one();
        });
    }
}
