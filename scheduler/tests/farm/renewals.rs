//! Renewals that are held: a node hears at once what it lost, and only then.

use crate::harness::{Farm, PATIENCE};
use crate::node::{Node, Script};
use model::task::Grant;
use proto::v1;
use scheduler::Scheduler;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::SystemClock;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Far above what the answer to a loss may take.
const HEARTBEAT: Duration = Duration::from_secs(10);

async fn farm() -> Farm {
    Farm::with(Arc::new(SystemClock), |config| config.heartbeat = HEARTBEAT).await
}

/// Renews leases with so long a wait, beside the test.
fn renew(node: &Node, grants: &[&Grant], wait: Duration) -> JoinHandle<v1::RenewResponse> {
    let leases = grants.iter().map(|grant| v1::HeldLease {
        chunk: grant.chunk.to_string(),
        token: Some(grant.token.into()),
    });
    let request = v1::RenewRequest {
        node: node.id.to_string(),
        leases: leases.collect(),
        wait_ms: u32::try_from(wait.as_millis()).unwrap(),
    };
    let mut client = node.client.clone();
    tokio::spawn(async move { client.renew(request).await.unwrap().into_inner() })
}

async fn answer(renewal: JoinHandle<v1::RenewResponse>) -> v1::RenewResponse {
    let answered = tokio::time::timeout(PATIENCE, renewal).await;
    answered.expect("an answer in time").unwrap()
}

async fn cancel(farm: &Farm, id: &str) {
    let request = v1::CancelJobRequest { id: id.to_owned() };
    farm.client().cancel_job(request).await.unwrap();
}

/// A node that talks to a replica of its own.
async fn node_elsewhere(farm: &Farm, stop: &CancellationToken) -> Node {
    let replica = Scheduler::new(farm.config.clone()).unwrap();
    let channel = replica.in_process(stop.clone()).await.unwrap();
    tokio::spawn(replica.run(stop.clone()));
    let mut node = Node::new("n1", channel, farm.storage.clone(), Script::passing());
    node.register().await;
    node
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_ends_a_renewal_that_another_replica_holds() {
    let farm = farm().await;
    let stop = CancellationToken::new();
    let _guard = stop.clone().drop_guard();
    let mut node = node_elsewhere(&farm, &stop).await;
    let job = farm.submit().await;
    let grant = node.take().await.unwrap();
    let mut renewal = renew(&node, &[&grant], HEARTBEAT);
    // What another node loses ends nothing.
    let other_job = farm
        .submit_with(|request| request.title = "other".to_owned())
        .await;
    let mut other = farm.node("n2", Script::passing());
    other.register().await;
    other.take().await.unwrap();
    cancel(&farm, &other_job).await;
    let early = tokio::time::timeout(Duration::from_millis(600), &mut renewal).await;
    assert!(early.is_err(), "answered although nothing was lost");
    let cancelled = Instant::now();
    cancel(&farm, &job).await;
    let answer = answer(renewal).await;
    let waited = cancelled.elapsed();
    assert_eq!((answer.held, answer.again), (vec![false], true));
    assert!(waited < Duration::from_millis(500), "{waited:?}");
    let known = self::answer(renew(&node, &[&grant], HEARTBEAT)).await;
    assert_eq!((known.held, known.again), (vec![false], true));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_since_the_renewal_was_sent_ends_it_too() {
    let farm = farm().await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let renewal = renew(&node, &[], HEARTBEAT);
    let job = farm.submit().await;
    node.take().await.unwrap();
    cancel(&farm, &job).await;
    let answer = answer(renewal).await;
    assert_eq!((answer.held, answer.again), (vec![], true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_held_for_no_longer_than_a_heartbeat() {
    let heartbeat = Duration::from_millis(300);
    let farm = Farm::with(Arc::new(SystemClock), |config| config.heartbeat = heartbeat).await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    farm.submit().await;
    let grant = node.take().await.unwrap();
    // Longer than a lease lasts, in all.
    for _ in 0..4 {
        let asked = Instant::now();
        let answer = answer(renew(&node, &[&grant], PATIENCE)).await;
        assert_eq!((answer.held, answer.again), (vec![true], false));
        assert!(asked.elapsed() >= heartbeat, "{:?}", asked.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduler_that_stops_answers_held_renewals() {
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.heartbeat = 3 * PATIENCE;
    })
    .await;
    let stop = CancellationToken::new();
    let replica = Scheduler::new(farm.config.clone()).unwrap();
    // Served for longer than it runs, as by a server that lets requests end.
    let channel = replica.in_process(CancellationToken::new()).await.unwrap();
    let running = tokio::spawn(replica.run(stop.clone()));
    let mut node = Node::new("n1", channel, farm.storage.clone(), Script::passing());
    node.register().await;
    let mut renewal = renew(&node, &[], 3 * PATIENCE);
    let held = tokio::time::timeout(Duration::from_millis(100), &mut renewal).await;
    assert!(held.is_err(), "answered at once");
    stop.cancel();
    let answer = answer(renewal).await;
    assert!(!answer.again, "there is no need to ask sooner");
    running.await.unwrap();
}
