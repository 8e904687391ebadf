//! The catalog.

use crate::harness::{Farm, eventually};
use crate::node::{Node, Script};
use model::job::{NewJob, Phase, Urgency};
use model::task::{Grant, TaskKind};
use model::{JobId, TitleId, layout};
use proto::v1;
use scheduler::publish::{Outcome, settle};
use std::sync::Arc;
use storage::Storage;
use store::memory::MemoryStore;
use store::{Advance, Store, SystemClock};
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_can_be_brought_back_and_left_again() {
    let farm = Farm::start().await;
    farm.spawn_node("n1", Script::passing());
    let mut jobs = Vec::new();
    for _ in 0..2 {
        let job = farm.submit().await;
        farm.reaches(&job, "published").await;
        jobs.push(job);
    }
    let rollback = |version| {
        let mut client = farm.client();
        let request = v1::RollbackTitleRequest {
            title: "bunny".to_owned(),
            version,
        };
        async move {
            client
                .rollback_title(request)
                .await
                .map(tonic::Response::into_inner)
        }
    };
    let back = rollback(1).await.unwrap();
    assert_eq!(
        (back.version, back.job.as_str(), back.path.as_str()),
        (1, jobs[0].as_str(), "titles/bunny/v1")
    );
    assert_eq!(back.history, [2]);
    let forth = rollback(2).await.unwrap();
    assert_eq!((forth.version, forth.job.as_str()), (2, jobs[1].as_str()));
    assert_eq!(
        rollback(9).await.unwrap_err().code(),
        Code::FailedPrecondition
    );

    let third = farm.submit().await;
    farm.reaches(&third, "published").await;
    let titles = farm
        .client()
        .list_titles(v1::ListTitlesRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(titles.titles.len(), 1);
    assert_eq!(
        (titles.titles[0].version, titles.titles[0].history.clone()),
        (3, vec![1, 2])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_belongs_to_the_tenant_that_named_it_first() {
    let farm = Farm::start().await;
    let of = |tenant: &str| v1::SubmitJobRequest {
        tenant: tenant.to_owned(),
        ..farm.request()
    };
    let mine = farm.client().submit_job(of("a")).await.unwrap();
    let refused = || async {
        let refused = farm.client().submit_job(of("b")).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
        let kind = refused.metadata().get("magpie-failure-kind").unwrap();
        assert_eq!(kind, "policy");
    };
    refused().await;
    farm.spawn_node("n1", Script::passing());
    let job = mine.into_inner().job.unwrap().id;
    farm.reaches(&job, "published").await;
    refused().await;
    farm.client().submit_job(of("a")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_was_published_before_owners_were_kept_stays_its_tenants() {
    let farm = Farm::start().await;
    farm.spawn_node("n1", Script::passing());
    let job = farm.submit().await;
    farm.reaches(&job, "published").await;
    let owner = layout::owner(&TitleId::new("bunny").unwrap());
    farm.storage.delete(&owner).await.unwrap();
    let theirs = v1::SubmitJobRequest {
        tenant: "b".to_owned(),
        ..farm.request()
    };
    let refused = farm.client().submit_job(theirs).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_submission_takes_no_title_and_no_key() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    let of = |tenant: &str, title: &str| v1::SubmitJobRequest {
        tenant: tenant.to_owned(),
        title: title.to_owned(),
        idempotency_key: "upload-17".to_owned(),
        ..farm.request()
    };
    let in_the_way = folder.path().join("jobs");
    std::fs::write(&in_the_way, b"").unwrap();
    let refused = farm.client().submit_job(of("a", "bunny")).await;
    assert!(refused.is_err(), "{refused:?}");
    std::fs::remove_file(&in_the_way).unwrap();
    farm.client().submit_job(of("b", "bunny")).await.unwrap();

    let refused = farm.client().submit_job(of("c", "bunny")).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    farm.client().submit_job(of("c", "other")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_gives_open_jobs_their_titles() {
    let farm = Farm::start().await;
    farm.submit().await;
    let storage = farm.stop().await;
    let owner = layout::owner(&TitleId::new("bunny").unwrap());
    storage.delete(&owner).await.unwrap();
    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    let theirs = v1::SubmitJobRequest {
        tenant: "b".to_owned(),
        ..farm.request()
    };
    let refused = farm.client().submit_job(theirs).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_title_that_was_never_published_is_not_found() {
    let farm = Farm::start().await;
    let request = v1::GetTitleRequest {
        title: "nothing".to_owned(),
    };
    assert_eq!(
        farm.client().get_title(request).await.unwrap_err().code(),
        Code::NotFound
    );
}

/// A job of which all is done but the last step before it is published, its node and that step.
async fn nearly_published(farm: &Farm) -> (JobId, Node, Grant) {
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let job = farm.submit().await;
    loop {
        let grant = node.take().await.expect("work");
        if grant.kind == TaskKind::Verify {
            return (JobId::new(job).unwrap(), node, grant);
        }
        node.finish(&grant).await;
    }
}

/// Fails a job that is packaged.
async fn fail(farm: &Farm, job: &JobId) {
    let failure = Advance {
        from: Phase::Packaging,
        to: Phase::Failed,
        add: Vec::new(),
        failure: None,
        title_version: None,
    };
    let failed = farm.config.store.advance(job, &failure).await;
    assert!(failed.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_failed_in_packaging_is_led_back_after_the_store_was_lost() {
    let farm = Farm::start().await;
    let (job, _node, _verify) = nearly_published(&farm).await;
    fail(&farm, &job).await;
    let failed = farm.reaches(job.as_str(), "failed").await.job.unwrap();
    let report = layout::report(&job);
    eventually("report", || async {
        farm.storage.exists(&report).await.unwrap().then_some(())
    })
    .await;
    let epoch = scheduler::current_epoch(&farm.storage).await.unwrap();
    let storage = farm.stop().await;

    let store = MemoryStore::with_epoch(Arc::new(SystemClock), epoch);
    let farm = Farm::on(storage, Arc::new(SystemClock), |config| {
        config.store = Arc::new(store);
    })
    .await;
    let retry = v1::RetryDeadJobRequest {
        job: job.to_string(),
    };
    let led_back = farm.client().retry_dead_job(retry).await.unwrap();
    let version = led_back.into_inner().version;
    assert!(version > failed.version, "{version}");
    farm.spawn_node("n2", Script::passing());
    farm.reaches(job.as_str(), "published").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_being_published_can_be_cancelled_no_more() {
    let farm = Farm::start().await;
    let (job, mut node, verify) = nearly_published(&farm).await;
    let outcome = settle(&farm.storage, &job, Outcome::Publish).await;
    assert_eq!(outcome.unwrap(), Outcome::Publish);
    let id = job.to_string();
    let request = v1::CancelJobRequest { id };
    let refused = farm.client().cancel_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("being published"), "{refused:?}");
    node.finish(&verify).await;
    farm.reaches(job.as_str(), "published").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_end_was_settled_is_not_published() {
    let farm = Farm::start().await;
    let (job, mut node, verify) = nearly_published(&farm).await;
    let outcome = settle(&farm.storage, &job, Outcome::Cancel).await;
    assert_eq!(outcome.unwrap(), Outcome::Cancel);
    node.finish(&verify).await;
    farm.reaches(job.as_str(), "cancelled").await;
    let title = TitleId::new("bunny").unwrap();
    let published = farm.storage.exists(&layout::catalog(&title)).await;
    assert!(!published.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_job_is_not_published_by_a_store_that_lost_the_step() {
    let farm = Farm::start().await;
    let job = farm.submit().await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let probe = node.take().await.unwrap();
    node.finish(&probe).await;
    let before = farm.reaches(&job, "processing").await.job.unwrap();
    let request = v1::CancelJobRequest { id: job.clone() };
    farm.client().cancel_job(request).await.unwrap();
    let storage = farm.stop().await;

    // The job as the store had written it down last.
    let store = MemoryStore::new(Arc::new(SystemClock));
    let open = NewJob {
        id: JobId::new(before.id).unwrap(),
        tenant: before.tenant.parse().unwrap(),
        title: before.title.parse().unwrap(),
        profile: before.profile,
        source_url: before.source_url,
        urgency: Urgency::of(50),
        held_max: None,
        traceparent: String::new(),
    };
    store.submit(&open, &[]).await.unwrap();
    let farm = Farm::on(storage, Arc::new(SystemClock), |config| {
        config.store = Arc::new(store);
    })
    .await;
    farm.spawn_node("n2", Script::passing());
    farm.reaches(&job, "cancelled").await;
    let title = TitleId::new("bunny").unwrap();
    let published = farm.storage.exists(&layout::catalog(&title)).await;
    assert!(!published.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_job_that_a_lost_store_led_back_cannot_be_cancelled() {
    let farm = Farm::start().await;
    let (job, mut node, verify) = nearly_published(&farm).await;
    node.finish(&verify).await;
    farm.reaches(job.as_str(), "published").await;
    let storage = farm.stop().await;
    // The scheduler ended before it could write down what came of the job.
    storage.delete(&layout::report(&job)).await.unwrap();

    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    farm.reaches(job.as_str(), "processing").await;
    let id = job.to_string();
    let request = v1::CancelJobRequest { id };
    let refused = farm.client().cancel_job(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused:?}");
    farm.spawn_node("n2", Script::passing());
    let detail = farm.reaches(job.as_str(), "published").await;
    assert!(
        detail.published_json.contains("\"revision\":1"),
        "switched twice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_failed_before_anything_was_published_can_be_cancelled_after_its_retry() {
    let farm = Farm::start().await;
    let (job, _node, _verify) = nearly_published(&farm).await;
    let outcome = settle(&farm.storage, &job, Outcome::Publish).await;
    assert_eq!(outcome.unwrap(), Outcome::Publish);
    fail(&farm, &job).await;
    let retry = v1::RetryDeadJobRequest {
        job: job.to_string(),
    };
    farm.client().retry_dead_job(retry).await.unwrap();
    let id = job.to_string();
    let request = v1::CancelJobRequest { id };
    let ended = farm.client().cancel_job(request).await.unwrap();
    assert_eq!(ended.into_inner().phase, "cancelled");
}
