//! A scheduler's driver: it attends to jobs, asks the real lifecycle what is to be done, and does it
//! against the simulated storage. A replica may die between any two steps; another one, or itself
//! started anew, finds the job again when its hold ends.

use super::random::Random;
use super::world::{FARM, World};
use model::catalog::VersionFile;
use model::job::{Phase, ReviewAnswer};
use model::task::{TaskKind, TaskState};
use model::{Failure, FailureKind, JobId};
use scheduler::lifecycle::{Action, JobView, TaskView, decide};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::time::Duration;
use store::Advance;

/// How long a job is held, and the pause between two looks for jobs, as in the scheduler.
const HOLD: Duration = Duration::from_secs(15);
const POLL_MS: u64 = 250;

/// Decisions in a row about one job.
const ROUNDS_MAX: u32 = 32;

/// Starts a replica.
pub(crate) fn start(world: &Rc<World>, replica: u32) {
    let random = world.random(&format!("replica {replica}"));
    let farm = Rc::clone(world);
    world.executor.spawn(FARM, async move {
        loop {
            while let Some(attention) = farm.store.attend(HOLD) {
                match drive(&farm, &random, &attention.job).await {
                    Some(true) => farm.store.settle(&attention),
                    Some(false) => {
                        let loops = || format!("{} does not come to rest", attention.job);
                        farm.store.hold(false, loops);
                    }
                    None => farm.executor.sleep_ms(random.between(1, 20_000)).await,
                }
            }
            farm.attention.wait(&farm.executor, POLL_MS).await;
        }
    });
}

/// Looks, decides and performs until there is nothing to do. None when the replica died on the way.
async fn drive(world: &Rc<World>, random: &Random, job: &JobId) -> Option<bool> {
    for _ in 0..ROUNDS_MAX {
        let view = look(world, job)?;
        // What is decided is about what was, not about what is.
        world.decisions.ring_all();
        world.executor.sleep_ms(pause_ms(world, random)).await;
        let actions = decide(&view);
        if actions.is_empty() {
            return Some(true);
        }
        for action in &actions {
            world.executor.sleep_ms(random.between(0, 30)).await;
            if dies(world, random) {
                world.disturb("scheduler died");
                return None;
            }
            if perform(world, &view, action) == ControlFlow::Break(()) {
                break;
            }
        }
    }
    Some(false)
}

/// How long a replica takes to go on: now and then it is stopped for longer than its hold lasts.
fn pause_ms(world: &World, random: &Random) -> u64 {
    let troubles = world.shape.troubles.as_ref();
    let stalls = troubles.is_some_and(|troubles| {
        world.elapsed_ms() < troubles.until_ms && random.strikes(troubles.replica_stalls)
    });
    if stalls {
        world.disturb("scheduler stopped");
        return random.between(0, 2 * HOLD.as_millis() as u64);
    }
    random.between(0, 30)
}

fn dies(world: &World, random: &Random) -> bool {
    let troubles = world.shape.troubles.as_ref();
    troubles.is_some_and(|troubles| {
        world.elapsed_ms() < troubles.until_ms && random.strikes(troubles.replica_dies)
    })
}

fn look(world: &World, job: &JobId) -> Option<JobView> {
    let record = world.store.job(job).ok()?;
    let tasks: Vec<TaskView> = world
        .store
        .tasks(job)
        .ok()?
        .iter()
        .map(TaskView::from)
        .collect();
    let storage = world.storage.borrow();
    let checked = tasks
        .iter()
        .any(|task| task.kind == TaskKind::Qc && task.state == TaskState::Done);
    let ended = record.phase.is_final();
    let version = storage.versions.get(job).map(|version| VersionFile {
        job: job.clone(),
        version: *version,
    });
    Some(JobView {
        plan: storage.plans.get(job).filter(|_| !ended).cloned(),
        verdict: storage.verdicts.get(job).filter(|_| checked).cloned(),
        review: storage
            .reviews
            .get(job)
            .filter(|_| record.phase == Phase::Review)
            .copied(),
        version: version.filter(|_| checked && !ended),
        reported: storage.reports.get(job).filter(|_| ended).copied(),
        job: record,
        tasks,
    })
}

fn perform(world: &Rc<World>, view: &JobView, action: &Action) -> ControlFlow<()> {
    let job = &view.job.id;
    match action {
        Action::MakePlan => {
            let probed = world.storage.borrow().probed.contains(job);
            world
                .store
                .hold(probed, || format!("{job} is planned unprobed"));
            if let Some(plan) = world.plan(job) {
                let mut storage = world.storage.borrow_mut();
                storage
                    .plans
                    .entry(job.clone())
                    .or_insert_with(|| plan.into());
            }
        }
        Action::ReserveVersion => {
            let mut storage = world.storage.borrow_mut();
            let next = 1 + storage.versions.values().max().copied().unwrap_or(0);
            storage.versions.entry(job.clone()).or_insert(next);
        }
        Action::Publish => return publish(world, view),
        Action::Advance(advance) => return step(world, job, advance),
        Action::Report => report(world, view),
    }
    ControlFlow::Continue(())
}

fn step(world: &Rc<World>, job: &JobId, advance: &Advance) -> ControlFlow<()> {
    let taken = world.store.advance(job, advance);
    world.store.hold(taken.is_ok(), || {
        format!("a step of {job} is refused: {taken:?}")
    });
    if !matches!(taken, Ok(true)) {
        return ControlFlow::Break(());
    }
    world.work.ring_all();
    if advance.to == Phase::Review {
        answer(world, job);
    }
    ControlFlow::Continue(())
}

/// A person looks at a flagged title after a while.
fn answer(world: &Rc<World>, job: &JobId) {
    let (farm, job) = (Rc::clone(world), job.clone());
    let random = world.random(&format!("review {job}"));
    world.executor.spawn(FARM, async move {
        farm.executor.sleep_ms(random.between(1_000, 300_000)).await;
        let said = match random.strikes(0.7) {
            true => ReviewAnswer::Approve,
            false => ReviewAnswer::Reject,
        };
        farm.storage
            .borrow_mut()
            .reviews
            .entry(job.clone())
            .or_insert(said);
        farm.store.nudge(&job, Duration::ZERO);
        farm.attention.ring_one();
    });
}

fn publish(world: &Rc<World>, view: &JobView) -> ControlFlow<()> {
    let job = &view.job;
    if world.store.job(&job.id).map(|now| now.phase).ok() != Some(job.phase) {
        return ControlFlow::Break(());
    }
    let Some(version) = &view.version else {
        world.store.hold(false, || {
            format!("{} is published without a version", job.id)
        });
        return ControlFlow::Break(());
    };
    let mut storage = world.storage.borrow_mut();
    let outcome = *storage
        .outcomes
        .entry(job.id.clone())
        .or_insert(Phase::Published);
    if outcome == Phase::Cancelled {
        drop(storage);
        // A step that is not taken was taken by another replica.
        let _ = world.store.advance(&job.id, &cancellation(job.phase));
        return ControlFlow::Break(());
    }
    let entry = (job.id.clone(), version.version);
    let known = storage.catalog.insert(job.title.clone(), entry.clone());
    drop(storage);
    world.store.note(&("publish", &entry));
    let twice = known.is_some_and(|known| known != entry);
    world
        .store
        .hold(!twice, || format!("{} switched its title twice", job.id));
    ControlFlow::Continue(())
}

fn report(world: &Rc<World>, view: &JobView) {
    let job = &view.job;
    let told = (job.phase, job.version);
    world
        .storage
        .borrow_mut()
        .reports
        .insert(job.id.clone(), told);
    let current = world
        .store
        .job(&job.id)
        .is_ok_and(|now| now.version == job.version);
    let again = world.random(&format!("retry {}", job.id)).strikes(0.5);
    let mut retried = world.retried.borrow_mut();
    match retried.get(&job.id) {
        // A person is about to.
        Some(false) => {}
        None if job.phase == Phase::Failed && again => {
            retried.insert(job.id.clone(), false);
            retry(world, &job.id);
        }
        _ if current => world.end(&job.id),
        _ => {}
    }
}

/// A person leads a failed job back after a while, once.
fn retry(world: &Rc<World>, job: &JobId) {
    let (farm, job) = (Rc::clone(world), job.clone());
    world.executor.spawn(FARM, async move {
        farm.executor.sleep_ms(30_000).await;
        farm.disturb("job led back");
        let revived = farm.store.revive(&job);
        farm.store.hold(revived.is_ok(), || {
            format!("{job} cannot be led back: {revived:?}")
        });
        farm.retried.borrow_mut().insert(job, true);
        farm.work.ring_all();
        farm.attention.ring_one();
    });
}

/// The step that ends a job because a person wants it.
pub(crate) fn cancellation(from: Phase) -> Advance {
    Advance {
        from,
        to: Phase::Cancelled,
        add: Vec::new(),
        failure: Some(Failure::new(
            FailureKind::Cancelled,
            "job",
            "ended by a person",
        )),
        title_version: None,
    }
}
