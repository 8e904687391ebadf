//! Jobs whose plan pins builds, or takes memory, that no node has.

use crate::harness::Farm;
use crate::node::Script;
use proto::v1;
use std::sync::Arc;
use std::time::Duration;
use store::SystemClock;

/// A farm whose one job was planned by a node that takes no work any more, and that has a node with
/// other builds.
async fn updated(builds_wait: Duration) -> (Farm, String) {
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.builds_wait = builds_wait;
    })
    .await;
    let mut old = farm.node("old", Script::passing());
    old.register().await;
    let job = farm.submit().await;
    let probe = old.take().await.unwrap();
    old.finish(&probe).await;
    farm.reaches(&job, "processing").await;
    let id = "old".to_owned();
    let drain = v1::DrainNodeRequest { id };
    farm.client().drain_node(drain).await.unwrap();
    let mut new = farm.node("new", Script::passing());
    new.builds = [("x264".to_owned(), "165".to_owned())].into();
    new.register().await;
    (farm, job)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_builds_no_node_has_fails_in_time_and_can_be_led_back() {
    let (farm, job) = updated(Duration::ZERO).await;
    let record = farm.reaches(&job, "failed").await.job.unwrap();
    let failure = record.failure.unwrap();
    assert_eq!(
        (failure.kind.as_str(), failure.place.as_str()),
        ("unsupported", "builds")
    );
    assert!(failure.message.contains("x264 164"), "{failure:?}");

    farm.spawn_node("old-again", Script::passing());
    let request = v1::ListNodesRequest {};
    crate::harness::eventually("the node", || async {
        let nodes = farm.client().list_nodes(request).await.unwrap();
        let nodes = nodes.into_inner().nodes;
        nodes
            .iter()
            .any(|node| node.id == "old-again")
            .then_some(())
    })
    .await;
    let retry = v1::RetryDeadJobRequest { job: job.clone() };
    farm.client().retry_dead_job(retry).await.unwrap();
    farm.reaches(&job, "published").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn until_then_it_says_what_it_waits_for() {
    let (farm, job) = updated(Duration::from_secs(3_600)).await;
    let request = v1::GetJobRequest { id: job };
    let detail = farm.client().get_job(request).await.unwrap().into_inner();
    assert_eq!(detail.job.unwrap().phase, "processing");
    assert_eq!(
        detail.waiting_for,
        "a node with the builds that the plan pins, for about 60 min"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_waits_for_a_node_that_is_only_unfit() {
    let (farm, job) = updated(Duration::from_secs(3_600)).await;
    let mut unfit = farm.node("unfit", Script::passing());
    unfit.unfit = "5 attempts failed".to_owned();
    unfit.register().await;
    let request = v1::GetJobRequest { id: job };
    let detail = farm.client().get_job(request).await.unwrap().into_inner();
    assert_eq!(detail.waiting_for, "a free slot");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_no_node_has_the_memory_for_says_so_and_fails_in_time() {
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.builds_wait = Duration::from_secs(2);
    })
    .await;
    let mut little = farm.node("little", Script::passing());
    little.memory_bytes = 64 << 20;
    little.register().await;
    let job = farm.submit().await;
    let probe = little.take().await.unwrap();
    little.finish(&probe).await;
    farm.reaches(&job, "processing").await;
    while let Some(grant) = little.take_within(0).await {
        assert!(!grant.chunk.task.to_string().contains("video"));
        little.finish(&grant).await;
    }
    let request = v1::GetJobRequest { id: job.clone() };
    let detail = farm.client().get_job(request).await.unwrap().into_inner();
    assert!(detail.waiting_for.contains("MiB of memory"), "{detail:?}");
    let failure = farm.reaches(&job, "failed").await.job.unwrap().failure;
    assert_eq!(failure.unwrap().kind, "exhausted");
}
