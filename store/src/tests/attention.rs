//! What holds for the jobs that need a decision.

use super::fixture::{Fixture, SECOND, run};
use crate::{Attention, Disposition, Error};
use model::job::Phase;
use std::time::Duration;

const HOLD: Duration = Duration::from_secs(10);

async fn attend(f: &Fixture) -> Option<Attention> {
    f.store.attend(HOLD).await.unwrap()
}

pub(super) async fn one_caller_at_a_time_decides_about_a_job(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let held = attend(f).await.unwrap();
    assert_eq!((&held.job, held.version), (&id, 1));
    assert_eq!(attend(f).await, None);
    f.store.settle(&held).await.unwrap();
    f.pass(2 * HOLD).await;
    assert_eq!(attend(f).await, None, "settled is settled");
}

pub(super) async fn a_change_during_the_hold_is_not_lost(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let held = attend(f).await.unwrap();
    f.step(&id, Phase::Probing, Phase::Processing, vec![run("j1", 1)])
        .await;
    assert_eq!(attend(f).await, None, "it is still held");
    f.store.settle(&held).await.unwrap();
    let again = attend(f).await.unwrap();
    assert!(again.version > held.version);
    f.store.settle(&again).await.unwrap();
    assert_eq!(attend(f).await, None);
}

pub(super) async fn a_hold_ends_by_itself(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    attend(f).await.unwrap();
    f.pass(HOLD - SECOND).await;
    assert_eq!(attend(f).await, None);
    f.pass(2 * SECOND).await;
    assert!(attend(f).await.is_some());
}

pub(super) async fn a_nudge_comes_after_its_delay(f: &Fixture) {
    let id = f.submit("j1", 50, &[]).await;
    let held = attend(f).await.unwrap();
    f.store.nudge(&id, 2 * SECOND).await.unwrap();
    f.store.nudge(&id, 5 * SECOND).await.unwrap();
    f.store.settle(&held).await.unwrap();
    assert_eq!(attend(f).await, None);
    f.pass(2 * SECOND).await;
    let nudged = attend(f).await.unwrap();
    f.store.nudge(&id, Duration::ZERO).await.unwrap();
    assert_eq!(
        attend(f).await,
        None,
        "a nudge waits for the end of the hold"
    );
    f.store.settle(&nudged).await.unwrap();
    let again = attend(f).await.unwrap();
    f.store.settle(&again).await.unwrap();
    f.pass(HOLD).await;
    assert_eq!(attend(f).await, None, "a nudge is one nudge");
    let unknown = f.store.nudge(&"j9".parse().unwrap(), SECOND).await;
    assert!(
        matches!(unknown, Err(Error::NotFound { .. })),
        "{unknown:?}"
    );
}

/// A job that always changes does not keep the others from being decided about.
pub(super) async fn no_job_is_passed_over(f: &Fixture) {
    for number in 0..5 {
        f.submit(&format!("j{number}"), 50, &[]).await;
    }
    let busy = "j0".parse().unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for turn in 0..10_u32 {
        f.pass(Duration::from_millis(1)).await;
        let held = attend(f).await.unwrap();
        let mut step = super::fixture::step(Phase::Probing, Phase::Probing, vec![]);
        step.title_version = Some(turn + 1);
        f.store.advance(&busy, &step).await.unwrap();
        f.store.settle(&held).await.unwrap();
        seen.insert(held.job);
        if seen.len() == 5 {
            return;
        }
    }
    panic!("after ten turns only {seen:?} had theirs");
}

/// So those that wait in a long queue are in nobody's way.
pub(super) async fn a_job_with_tasks_needs_a_decision_when_one_ends(f: &Fixture) {
    let id = f.submit("j1", 50, &[run("j1", 1)]).await;
    assert_eq!(attend(f).await, None, "there is nothing to decide");
    let grant = f.take("n1").await.unwrap();
    f.claim(&grant).await;
    f.commit(&grant, 0).await;
    let held = attend(f).await.unwrap();
    assert_eq!(held.job, id);
    f.store.settle(&held).await.unwrap();
    let failed = f.submit("j2", 50, &[run("j2", 1)]).await;
    let grant = f.take("n1").await.unwrap();
    f.fail(&grant, Disposition::Dead).await;
    assert_eq!(attend(f).await.unwrap().job, failed);
}
