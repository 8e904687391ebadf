//! Refusals, failures and ends by hand.

use crate::harness::{Farm, eventually};
use crate::node::Script;
use model::{Failure, FailureKind, JobId, layout};
use proto::v1;
use proto::v1::node_service_client::NodeServiceClient;
use scheduler::Secret;
use std::sync::Arc;
use std::time::Duration;
use store::SystemClock;
use store::memory::MemoryStore;
use tonic::metadata::MetadataValue;
use tonic::{Code, Request};

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_fails_at_once_and_rests_until_a_person_retries() {
    let farm = Farm::start().await;
    let failure = Failure::new(FailureKind::BadInput, "probe", "moov box is missing");
    let mut node = farm.node("n1", Script::refusing(failure));
    node.register().await;
    let job = farm.submit().await;
    let grant = node.take().await.unwrap();
    node.finish(&grant).await;
    let detail = farm.reaches(&job, "failed").await;
    let record = detail.job.unwrap();
    assert_eq!(
        (
            record.failed_in.as_str(),
            record.failure.unwrap().kind.as_str()
        ),
        ("probing", "bad_input")
    );

    let dead = farm
        .client()
        .list_dead_chunks(v1::ListDeadChunksRequest {})
        .await
        .unwrap();
    let dead = dead.into_inner().chunks;
    assert_eq!(
        (dead.len(), dead[0].id.as_str()),
        (1, format!("{job}/probe#0").as_str())
    );
    assert_eq!(dead[0].attempts[0].node, "n1");

    farm.client()
        .retry_dead_job(v1::RetryDeadJobRequest { job: job.clone() })
        .await
        .unwrap();
    farm.spawn_node("n2", Script::passing());
    farm.reaches(&job, "published").await;
    let none = farm
        .client()
        .list_dead_chunks(v1::ListDeadChunksRequest {})
        .await
        .unwrap();
    assert!(none.into_inner().chunks.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_can_be_led_back_after_the_store_was_lost() {
    let farm = Farm::start().await;
    let failure = Failure::new(FailureKind::BadInput, "probe", "moov box is missing");
    farm.spawn_node("n1", Script::refusing(failure));
    let job = farm.submit().await;
    let failed = farm.reaches(&job, "failed").await.job.unwrap();
    let id = JobId::new(job.clone()).unwrap();
    eventually("report", || async {
        let path = layout::report(&id);
        farm.storage.exists(&path).await.unwrap().then_some(())
    })
    .await;
    let storage = farm.stop().await;

    let epoch = scheduler::current_epoch(&storage).await.unwrap();
    let store = MemoryStore::with_epoch(Arc::new(SystemClock), epoch);
    let farm = Farm::on(storage, Arc::new(SystemClock), |config| {
        config.store = Arc::new(store);
    })
    .await;
    let renewed = scheduler::current_epoch(&farm.storage).await.unwrap();
    assert!(
        renewed > epoch + 1,
        "{renewed}: the farm of the test raises it once"
    );
    let retry = v1::RetryDeadJobRequest { job: job.clone() };
    let led_back = farm.client().retry_dead_job(retry.clone()).await.unwrap();
    let version = led_back.into_inner().version;
    assert!(version > failed.version, "{version}");
    farm.spawn_node("n2", Script::passing());
    farm.reaches(&job, "published").await;
    let again = farm.client().retry_dead_job(retry).await.unwrap_err();
    assert_eq!(again.code(), Code::FailedPrecondition);
    let job = "nope".to_owned();
    let unknown = v1::RetryDeadJobRequest { job };
    let unknown = farm.client().retry_dead_job(unknown).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_ended_are_listed_after_the_store_was_lost_and_failed_ones_led_back() {
    let farm = Farm::start().await;
    farm.spawn_node(
        "n1",
        Script {
            frames_lost: 1,
            ..Script::passing()
        },
    );
    let failed = farm.submit().await;
    farm.reaches(&failed, "failed").await;
    let cancelled = farm.submit().await;
    let id = cancelled.clone();
    let request = v1::CancelJobRequest { id };
    farm.client().cancel_job(request).await.unwrap();
    let jobs = async |farm: &Farm| {
        let request = v1::ListJobsRequest::default();
        let listed = farm.client().list_jobs(request).await.unwrap();
        listed.into_inner().jobs
    };
    let before = jobs(&farm).await;
    for job in &before {
        let path = layout::report(&JobId::new(job.id.clone()).unwrap());
        eventually("report", || async {
            farm.storage.exists(&path).await.unwrap().then_some(())
        })
        .await;
    }
    let storage = farm.stop().await;

    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    assert_eq!(jobs(&farm).await, before);
    let job = failed.clone();
    let retry = v1::RetryDeadJobRequest { job };
    let led_back = farm.client().retry_dead_job(retry).await.unwrap();
    assert!(led_back.into_inner().version > before[1].version);
    farm.spawn_node("n2", Script::passing());
    farm.reaches(&failed, "published").await;
    let storage = farm.stop().await;

    let farm = Farm::on(storage, Arc::new(SystemClock), |config| {
        config.keep_ended = Duration::ZERO;
    })
    .await;
    assert!(jobs(&farm).await.is_empty(), "nobody keeps them any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_chunk_stays_failed() {
    let farm = Farm::start().await;
    let failure = Failure::new(FailureKind::Unsupported, "probe", "a game cartridge");
    farm.spawn_node("n1", Script::refusing(failure));
    let job = farm.submit().await;
    farm.reaches(&job, "failed").await;
    let id = format!("{job}/probe#0");
    farm.client()
        .drop_dead_chunk(v1::DropDeadChunkRequest { id })
        .await
        .unwrap();
    let dead = farm
        .client()
        .list_dead_chunks(v1::ListDeadChunksRequest {})
        .await
        .unwrap();
    assert!(dead.into_inner().chunks.is_empty());
    let retry = farm
        .client()
        .retry_dead_job(v1::RetryDeadJobRequest { job })
        .await
        .unwrap_err();
    assert_eq!(retry.code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_stops_and_stays_stopped() {
    let farm = Farm::start().await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let job = farm.submit().await;
    let grant = node.take().await.unwrap();
    let request = v1::CancelJobRequest { id: job.clone() };
    let ended = farm
        .client()
        .cancel_job(request.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(ended.phase, "cancelled");
    node.finish(&grant).await;
    let again = farm
        .client()
        .cancel_job(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(
        (again.phase.as_str(), again.version),
        ("cancelled", ended.version)
    );
    assert!(node.take().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_is_one_job() {
    let farm = Farm::start().await;
    let mut request = farm.request();
    request.idempotency_key = "upload-17".to_owned();
    let mut submissions = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (mut client, request) = (farm.client(), request.clone());
        submissions.spawn(async move { client.submit_job(request).await.unwrap().into_inner() });
    }
    let answers = submissions.join_all().await;
    let first = answers[0].job.as_ref().unwrap();
    assert!(
        answers
            .iter()
            .all(|answer| answer.job.as_ref().unwrap().id == first.id)
    );
    assert_eq!(answers.iter().filter(|answer| !answer.existed).count(), 1);

    let other = v1::SubmitJobRequest {
        title: "another".to_owned(),
        ..request.clone()
    };
    let refused = farm.client().submit_job(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let tenant = v1::SubmitJobRequest {
        tenant: "b".to_owned(),
        title: "bunny-of-b".to_owned(),
        ..request
    };
    let answer = farm.client().submit_job(tenant).await.unwrap().into_inner();
    assert!(!answer.existed && answer.job.unwrap().id != first.id);
    let jobs = farm
        .client()
        .list_jobs(v1::ListJobsRequest::default())
        .await
        .unwrap();
    assert_eq!(jobs.into_inner().jobs.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_accepted_is_refused_by_name() {
    let farm = Farm::with(Arc::new(SystemClock), |config| config.limits.jobs_max = 1).await;
    let outside = v1::SubmitJobRequest {
        source_url: "file:///etc/passwd".to_owned(),
        ..farm.request()
    };
    let refused = farm.client().submit_job(outside).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(
        refused.message().starts_with("source_url"),
        "{}",
        refused.message()
    );
    farm.submit().await;
    let full = farm.client().submit_job(farm.request()).await.unwrap_err();
    assert_eq!(full.code(), Code::ResourceExhausted);
    assert_eq!(
        full.metadata().get("magpie-failure-kind").unwrap(),
        "exhausted"
    );
    let unknown = farm
        .client()
        .watch_job(v1::GetJobRequest {
            id: "nope".to_owned(),
        })
        .await;
    assert_eq!(unknown.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_kept_out_where_a_token_is_set() {
    let token = "a-long-enough-token";
    let farm = Farm::with(Arc::new(SystemClock), |config| {
        config.token = Some(Secret::new(token));
    })
    .await;
    let refused = farm.client().submit_job(farm.request()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let take = v1::TakeRequest::default();
    let refused = NodeServiceClient::new(farm.channel.clone())
        .take(take)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    for (given, expected) in [
        ("Bearer wrong-token-of-length", Some(Code::Unauthenticated)),
        ("Bearer a-long-enough-token", None),
    ] {
        let mut request = Request::new(farm.request());
        let value = MetadataValue::try_from(given).unwrap();
        request.metadata_mut().insert("authorization", value);
        let answer = farm.client().submit_job(request).await;
        assert_eq!(answer.err().map(|status| status.code()), expected);
    }
    let mut health = tonic_health::pb::health_client::HealthClient::new(farm.channel.clone());
    let request = tonic_health::pb::HealthCheckRequest {
        service: "magpie.v1.FarmService".to_owned(),
    };
    assert_eq!(health.check(request).await.unwrap().into_inner().status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_protocol_is_refused_and_a_drained_one_rests() {
    let farm = Farm::start().await;
    let mut node = farm.node("n1", Script::passing());
    let other = v1::RegisterRequest {
        node: Some((&node.info()).into()),
        protocol_version: proto::PROTOCOL_VERSION + 1,
    };
    let refused = node.client.register(other).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let answer = node.register().await;
    assert_eq!((answer.heartbeat_ms, answer.lease_ttl_ms), (2_000, 6_000));

    farm.client()
        .drain_node(v1::DrainNodeRequest {
            id: "n1".to_owned(),
        })
        .await
        .unwrap();
    farm.submit().await;
    assert!(node.take().await.is_none());
    let renew = v1::RenewRequest {
        node: "n1".to_owned(),
        leases: Vec::new(),
        wait_ms: 0,
    };
    assert!(
        node.client
            .renew(renew)
            .await
            .unwrap()
            .into_inner()
            .draining
    );
    let waits = eventually("a reason to wait", || async {
        let jobs = farm
            .client()
            .list_jobs(v1::ListJobsRequest::default())
            .await
            .unwrap();
        let id = jobs.into_inner().jobs[0].id.clone();
        let detail = farm
            .client()
            .get_job(v1::GetJobRequest { id })
            .await
            .unwrap()
            .into_inner();
        (!detail.waiting_for.is_empty()).then_some(detail.waiting_for)
    });
    assert!(waits.await.starts_with("a node"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_frame_stops_a_title_that_quality_control_let_pass() {
    let farm = Farm::start().await;
    farm.spawn_node(
        "n1",
        Script {
            frames_lost: 1,
            ..Script::passing()
        },
    );
    let job = farm.submit().await;
    let record = farm.reaches(&job, "failed").await.job.unwrap();
    let failure = record.failure.unwrap();
    assert_eq!(
        (failure.kind.as_str(), failure.place.as_str()),
        ("bug", "video-h264")
    );
    assert!(
        failure
            .message
            .contains("249 frames were committed and 250 planned"),
        "{failure:?}"
    );
    assert_eq!(record.title_version, 0);
}
