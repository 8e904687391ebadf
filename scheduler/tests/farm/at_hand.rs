//! What a node says to have at hand reaches the store and decides what it is offered; what cannot be at
//! hand is refused by name. A move of work costs nothing where the source is at hand, and else more than
//! the richer title is richer by.

use crate::harness::Farm;
use crate::node::Script;
use model::job::{NewJob, Urgency};
use model::task::{Claim, Grant, NewTask, TaskKind, UnitRecord};
use model::{JobId, NodeId, TaskId, TaskName};
use proto::v1;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use store::{AT_HAND_MAX, ManualClock, Steal, Store, Want};
use tonic::{Code, Status};

const SECOND: Duration = Duration::from_secs(1);

/// What a move costs where the source is not at hand.
const MOVE: Duration = Duration::from_secs(10);

/// Longer than the test's clock goes.
const LEASE: Duration = Duration::from_secs(3_600);

async fn submit(store: &dyn Store, id: &str, chunks: &[Range<u32>]) {
    let job = NewJob {
        id: JobId::new(id).unwrap(),
        tenant: "acme".parse().unwrap(),
        title: id.parse().unwrap(),
        profile: "web".to_owned(),
        source_url: "file:///film.mkv".to_owned(),
        urgency: Urgency::of(50),
        held_max: None,
        traceparent: String::new(),
    };
    let kind = TaskKind::Encode {
        group: "v".to_owned(),
    };
    let task = NewTask {
        id: TaskId::new(job.id.clone(), TaskName::new(kind.name()).unwrap()),
        kind,
        after: Vec::new(),
        units: chunks.last().unwrap().end,
        chunks: chunks.to_vec(),
        unit_seconds: 1.0,
        cost_class: "1080p".to_owned(),
        builds: String::new(),
        slot_bytes: 0,
    };
    store.submit(&job, &[task]).await.unwrap();
}

/// Takes a queued chunk for another node than those under test.
async fn hold(store: &dyn Store, at_hand: &[&str]) -> Grant {
    let want = Want {
        node: NodeId::new("holder").unwrap(),
        builds: String::new(),
        ttl: LEASE,
        room_bytes: u64::MAX,
        at_hand: at_hand.iter().map(|job| job.parse().unwrap()).collect(),
        steal: Steal::Never,
    };
    store.take(&want).await.unwrap().unwrap()
}

async fn claim(store: &dyn Store, grant: &Grant) -> u32 {
    match store.claim(&grant.chunk, grant.token).await.unwrap() {
        Claim::Unit(unit) => unit,
        other => panic!("{other:?} instead of a unit"),
    }
}

/// Makes it known that a unit takes a second, and what moves cost.
async fn learn(store: &dyn Store, clock: &ManualClock) {
    submit(store, "first", &[0..1, 1..2, 2..3, 3..4]).await;
    for (cost, at_hand) in [(MOVE, &[][..]), (MOVE, &[]), (Duration::ZERO, &["first"])] {
        let grant = hold(store, at_hand).await;
        clock.advance(cost + SECOND);
        let unit = claim(store, &grant).await;
        let record = UnitRecord {
            digest: "digest".to_owned(),
            config_digest: String::new(),
            frames: 48,
            node: NodeId::new("holder").unwrap(),
            elapsed_ms: 1_000,
            reused: false,
        };
        let commit = store.commit(&grant.chunk, grant.token, unit, &record);
        commit.await.unwrap();
    }
    // The last chunk stays held, so that the job is not decided about.
    hold(store, &[]).await;
}

/// A farm on which two titles are under way, with 40 and 36 units that may be stolen.
async fn farm() -> Farm {
    let clock = Arc::new(ManualClock::new(1_790_000_000_000));
    let farm = Farm::with(clock.clone(), |_| {}).await;
    let store = farm.config.store.as_ref();
    learn(store, &clock).await;
    for (job, units) in [("richer", 41), ("poorer", 37)] {
        submit(store, job, std::slice::from_ref(&(0..units))).await;
        let grant = hold(store, &[]).await;
        claim(store, &grant).await;
    }
    farm
}

/// Which job a node is offered that says it has the sources of these at hand.
async fn offered(farm: &Farm, at_hand: Vec<String>) -> Result<String, Status> {
    let mut node = farm.node("thief", Script::passing());
    let request = v1::TakeRequest {
        at_hand,
        ..node.want(0)
    };
    let answer = node.client.take(request).await?.into_inner();
    let grant: Grant = answer.grant.expect("work").try_into().unwrap();
    Ok(grant.chunk.task.job.to_string())
}

fn unknown(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("unknown-{number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_offered_the_job_whose_source_it_says_to_have() {
    let at_hand = vec!["unknown".to_owned(), "poorer".to_owned()];
    assert_eq!(offered(&farm().await, at_hand).await.unwrap(), "poorer");
    assert_eq!(offered(&farm().await, vec![]).await.unwrap(), "richer");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_jobs_at_hand_the_first_ones_count() {
    let after = |others| unknown(others).chain(["poorer".to_owned()]).collect();
    let farm = farm().await;
    let left_out = offered(&farm, after(AT_HAND_MAX)).await;
    assert_eq!(left_out.unwrap(), "richer");
    let farm = self::farm().await;
    let last = offered(&farm, after(AT_HAND_MAX - 1)).await;
    assert_eq!(last.unwrap(), "poorer");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_cannot_be_at_hand() {
    let farm = farm().await;
    for wrong in ["", "No Job", "../secret", "a/b"] {
        let at_hand = vec!["poorer".to_owned(), wrong.to_owned()];
        let refused = offered(&farm, at_hand).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong:?}");
        let message = refused.message();
        assert!(
            message.starts_with("at_hand: ") && message.contains(&format!("{wrong:?}")),
            "{message}"
        );
    }
}
