//! What people do to a farm that goes on: they pause jobs and let them go on, change their minds about
//! what is urgent, and set what tenants get.

use super::random::Random;
use super::titles::TENANTS;
use super::world::{FARM, World};
use model::JobId;
use model::job::Urgency;
use std::rc::Rc;
use store::Share;

/// Starts everything that people do.
pub(crate) fn start(world: &Rc<World>) {
    if world.shape.troubles.is_none() {
        return;
    }
    let random = world.random("steering");
    let storage = world.storage.borrow();
    for (number, job) in storage.titles.keys().enumerate() {
        if random.strikes(0.5) {
            let (farm, job) = (Rc::clone(world), job.clone());
            let random = world.random(&format!("steering {number}"));
            world
                .executor
                .spawn(FARM, async move { steer(&farm, &job, &random).await });
        }
    }
    if random.strikes(0.5) {
        let farm = Rc::clone(world);
        world
            .executor
            .spawn(FARM, async move { share(&farm, &random).await });
    }
}

/// Steers one job a few times; in the end it goes on.
async fn steer(world: &World, job: &JobId, random: &Random) {
    for _ in 0..random.between(1, 4) {
        world.executor.sleep_ms(random.between(0, 120_000)).await;
        if random.strikes(0.5) {
            world.disturb("job paused");
            world.store.set_paused(job, true);
            world.executor.sleep_ms(random.between(0, 60_000)).await;
            world.store.set_paused(job, false);
        } else {
            let urgency = Urgency {
                priority: [10, 50, 90][random.between(0, 2) as usize],
                deadline_ms: random.strikes(0.5).then(|| random.between(1, 9)),
            };
            world.disturb("urgency changed");
            world.store.set_urgency(job, urgency);
        }
        world.work.ring_all();
    }
}

async fn share(world: &World, random: &Random) {
    // A limit that is a third of a small farm would hold a large one up for days.
    let most = u64::from(world.shape.nodes / 10).max(1);
    for _ in 0..random.between(1, 5) {
        let share = Share {
            weight: random.between(1, 9) as u32,
            held_max: random
                .strikes(0.5)
                .then(|| (most * random.between(1, 5)) as u32),
        };
        let tenant = TENANTS[random.between(0, 2) as usize];
        world.disturb("share changed");
        world
            .store
            .set_share(&tenant.parse().expect("an identifier"), share);
        world.work.ring_all();
        world.executor.sleep_ms(random.between(0, 120_000)).await;
    }
}
