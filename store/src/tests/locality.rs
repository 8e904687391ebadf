//! What holds for who gets which work: nodes of unequal speed, and what moving work costs.

use super::fixture::{Fixture, SECOND, node, record, retry, run, want};
use crate::{Steal, Want};
use model::job::Phase;
use model::task::{Claim, Grant, NewTask, UnitRecord};
use std::time::Duration;

/// A task of which a unit is expected to take a second.
fn task(job: &str, units: u32) -> NewTask {
    NewTask {
        cost_class: "1080p".to_owned(),
        ..run(job, units)
    }
}

async fn steal(f: &Fixture, id: &str, at_hand: &[&str]) -> Option<Grant> {
    let want = Want {
        at_hand: at_hand.iter().map(|job| job.parse().unwrap()).collect(),
        ..want(id, Steal::WhenIdle)
    };
    f.store.take(&want).await.unwrap()
}

/// Claims and commits a unit that took so long.
async fn work(f: &Fixture, grant: &Grant, took: Duration) {
    let Claim::Unit(unit) = f.claim(grant).await else {
        panic!("nothing to claim");
    };
    let record = UnitRecord {
        node: node("n1"),
        elapsed_ms: took.as_millis() as u64,
        ..record(unit)
    };
    let commit = f.store.commit(&grant.chunk, grant.token, unit, &record);
    commit.await.unwrap();
}

/// Makes it known what a unit takes, a second, and what a move costs where the source is at hand and
/// elsewhere.
async fn learn(f: &Fixture, warm: Duration, cold: Duration) {
    let first = NewTask {
        chunks: vec![0..1, 1..2, 2..3],
        ..task("first", 3)
    };
    f.submit("first", 90, &[first]).await;
    for (moved, at_hand) in [(cold, &[][..]), (cold, &[][..]), (warm, &["first"][..])] {
        let grant = steal(f, "n1", at_hand).await.unwrap();
        f.pass(moved + SECOND).await;
        work(f, &grant, SECOND).await;
    }
}

/// A title of which the first unit is claimed.
async fn begin(f: &Fixture, job: &str, units: u32) {
    f.submit(job, 50, &[task(job, units)]).await;
    let victim = f.take("n1").await.unwrap();
    f.claim(&victim).await;
}

pub(super) async fn a_slow_node_steals_less_and_a_fast_one_more(f: &Fixture) {
    for (name, took) in [("slow", 8 * SECOND), ("fast", SECOND / 8)] {
        f.register(name).await;
        let mut held = Vec::new();
        for (id, units) in [("n1", 1024), (name, 128)] {
            let job = format!("{name}-{id}");
            f.submit(&job, 50, &[task(&job, units)]).await;
            held.push(f.take(id).await.unwrap());
        }
        for _ in 0..128 {
            work(f, &held[1], took).await;
            // What is expected of a unit stays a second or so.
            for _ in 0..8 {
                work(f, &held[0], SECOND).await;
            }
        }
    }
    let mut got = Vec::new();
    for thief in ["slow", "unknown", "fast"] {
        let job = format!("title-{thief}");
        begin(f, &job, 41).await;
        let stolen = f.steal(thief).await.unwrap();
        got.push(stolen.units.end - stolen.units.start);
        let job = job.parse().unwrap();
        f.step(&job, Phase::Probing, Phase::Cancelled, Vec::new())
            .await;
    }
    assert_eq!(got[1], 20, "half");
    assert!(got[0] <= 12 && got[2] >= 25, "{got:?}");
}

pub(super) async fn what_a_move_would_not_speed_up_is_not_stolen(f: &Fixture) {
    learn(f, Duration::ZERO, 10 * SECOND).await;
    begin(f, "short", 10).await;
    assert_eq!(f.steal("n2").await, None, "alone it takes 9.5 s");
    let grant = steal(f, "n2", &["short"]).await.unwrap();
    assert_eq!(grant.units, 6..10, "where its source is, it is quick");
    begin(f, "long", 31).await;
    // 30.5 s alone; both are done in 20.5 s.
    assert_eq!(f.steal("n3").await.unwrap().units, 21..31);
}

pub(super) async fn the_source_at_hand_decides_between_victims(f: &Fixture) {
    learn(f, Duration::ZERO, 10 * SECOND).await;
    begin(f, "richer", 41).await;
    begin(f, "poorer", 37).await;
    begin(f, "poor", 21).await;
    let at_hand = steal(f, "n2", &["unknown", "poorer"]).await.unwrap();
    assert_eq!(at_hand.chunk.task.job.as_str(), "poorer");
    let elsewhere = f.steal("n3").await.unwrap();
    assert_eq!(elsewhere.chunk.task.job.as_str(), "richer");
}

pub(super) async fn who_held_a_chunk_last_gets_it_back(f: &Fixture) {
    let chunks = vec![0..2, 2..4, 4..6];
    let long = NewTask {
        chunks,
        ..task("j1", 6)
    };
    f.submit("j1", 50, &[long]).await;
    let mut held = Vec::new();
    for id in ["n1", "n2", "n3"] {
        held.push(f.take(id).await.unwrap());
    }
    for grant in &held[..2] {
        f.store.release(&grant.chunk, grant.token).await.unwrap();
    }
    let later = retry(5 * SECOND);
    f.fail(&held[2], later).await;
    let second = f.take("n2").await.unwrap();
    assert_eq!(second.units, 2..4);
    assert_eq!(
        f.take("n3").await.unwrap().units,
        0..2,
        "its own is delayed"
    );
    let release = f.store.release(&second.chunk, second.token);
    release.await.unwrap();
    f.pass(5 * SECOND).await;
    assert_eq!(f.take("n3").await.unwrap().units, 4..6);
    assert_eq!(f.take("n1").await.unwrap().units, 2..4);
}

pub(super) async fn a_chunk_that_was_held_goes_to_fitting_builds_only(f: &Fixture) {
    let pinned = NewTask {
        builds: "x264-164".to_owned(),
        ..task("j1", 2)
    };
    f.submit("j1", 50, &[pinned]).await;
    let ask = |builds: &str| Want {
        builds: builds.to_owned(),
        ..want("n1", Steal::Never)
    };
    let grant = f.store.take(&ask("x264-164")).await.unwrap().unwrap();
    f.store.release(&grant.chunk, grant.token).await.unwrap();
    assert_eq!(f.store.take(&ask("x264-165")).await.unwrap(), None);
    assert!(f.store.take(&ask("x264-164")).await.unwrap().is_some());
}
