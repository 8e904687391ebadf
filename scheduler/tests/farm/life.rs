//! From submission to an end.

use crate::harness::{Farm, eventually};
use crate::node::Script;
use model::catalog::CatalogEntry;
use model::qc::Action;
use model::task::{Claim, Committed, TaskKind};
use model::{Failure, FailureKind, JobId, TitleId, layout};
use proto::v1;
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use store::{ManualClock, SystemClock};
use tokio::time::Instant;
use tonic::Code;

#[tokio::test(flavor = "multi_thread")]
async fn a_title_goes_from_submission_to_the_catalog() {
    let farm = Farm::start().await;
    farm.spawn_node("n1", Script::passing());
    let job = farm.submit().await;
    let detail = farm.reaches(&job, "published").await;
    let record = detail.job.unwrap();
    assert_eq!((record.title.as_str(), record.title_version), ("bunny", 1));
    assert_eq!(record.units, record.units_done);
    assert!(
        detail.published_json.contains("titles/bunny/v1"),
        "{}",
        detail.published_json
    );
    assert!(
        detail.plan_summary_json.contains("h264-360p"),
        "{}",
        detail.plan_summary_json
    );
    assert!(
        detail.plan_summary_json.contains("one data track"),
        "{}",
        detail.plan_summary_json
    );
    let title = v1::GetTitleRequest {
        title: "bunny".to_owned(),
    };
    let title = farm.client().get_title(title).await.unwrap().into_inner();
    assert_eq!(
        (title.job.as_str(), title.duration_seconds),
        (job.as_str(), 10.0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn many_jobs_on_many_nodes_all_end_with_versions_of_their_own() {
    let farm = Farm::start().await;
    for id in ["n1", "n2", "n3"] {
        farm.spawn_node(id, Script::passing());
    }
    let mut jobs = Vec::new();
    for _ in 0..12 {
        jobs.push(farm.submit().await);
    }
    let mut versions = Vec::new();
    for job in &jobs {
        versions.push(
            farm.reaches(job, "published")
                .await
                .job
                .unwrap()
                .title_version,
        );
    }
    versions.sort_unstable();
    assert_eq!(versions, (1..=12).collect::<Vec<u32>>());
    let capacity = farm
        .client()
        .get_capacity(v1::GetCapacityRequest {})
        .await
        .unwrap();
    let capacity = capacity.into_inner();
    assert_eq!(
        (capacity.jobs, capacity.chunks_queued, capacity.nodes),
        (0, 0, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_the_work_and_switch_the_catalog_once_for_each_job() {
    let farm = Farm::start().await;
    for id in ["n1", "n2"] {
        farm.spawn_replica();
        farm.spawn_node(id, Script::passing());
    }
    let mut jobs = Vec::new();
    for _ in 0..10 {
        jobs.push(farm.submit().await);
    }
    for job in &jobs {
        farm.reaches(job, "published").await;
    }
    let title = TitleId::new("bunny").unwrap();
    let entry: CatalogEntry = farm
        .storage
        .get_json(&layout::catalog(&title))
        .await
        .unwrap();
    assert_eq!((entry.revision, entry.history.len()), (10, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flagged_title_waits_for_a_person() {
    let farm = Farm::start().await;
    farm.spawn_node("n1", Script::with_verdict(Action::Flag));
    for (answer, end) in [("approve", "published"), ("reject", "rejected")] {
        let job = farm.submit().await;
        let detail = farm.reaches(&job, "review").await;
        assert!(
            detail.waiting_for.contains("person"),
            "{}",
            detail.waiting_for
        );
        assert!(
            detail.verdict_json.contains("flag"),
            "{}",
            detail.verdict_json
        );
        let request = v1::ReviewJobRequest {
            id: job.clone(),
            answer: answer.to_owned(),
            comment: "seen".to_owned(),
        };
        farm.client().review_job(request.clone()).await.unwrap();
        farm.reaches(&job, end).await;
        let again = farm.client().review_job(request).await.unwrap_err();
        assert_eq!(again.code(), Code::FailedPrecondition);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_falls_silent_loses_its_work_to_another() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let farm = Farm::with(clock.clone(), |_| {}).await;
    let mut silent = farm.node("n1", Script::passing());
    silent.register().await;
    let job = farm.submit().await;
    let grant = silent.take().await.unwrap();
    assert_eq!(
        (grant.kind.clone(), silent.claim(&grant).await),
        (TaskKind::Probe, Claim::Unit(0))
    );

    let mut other = farm.node("n2", Script::passing());
    other.register().await;
    let mut second = None;
    for _ in 0..20 {
        // One lease and the longest wait before another try.
        clock.advance(Duration::from_secs(7));
        second = other.take().await;
        if second.is_some() {
            break;
        }
    }
    let second = second.expect("the lease ends and the work is offered again");
    assert_eq!((&second.chunk, second.attempts), (&grant.chunk, 1));
    assert!(second.token > grant.token);
    assert_eq!(silent.claim(&grant).await, Claim::Lost);

    other.finish(&second).await;
    assert_eq!(silent.commit(&grant, 0).await, Committed::Already);
    farm.spawn_node("n3", Script::passing());
    farm.reaches(&job, "published").await;
}

#[tokio::test]
async fn waits_for_room_and_failures_use_up_nothing_of_each_other() {
    let clock = Arc::new(ManualClock::new(1_790_000_000_000));
    let farm = Farm::with(clock.clone(), |_| {}).await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let job = farm.submit().await;
    let crash = Failure::new(FailureKind::NodeFault, "probe", "worker ended");
    let full = Failure::new(FailureKind::Exhausted, "probe", "no room");
    let most = [&[&crash][..], &[&full; 11], &[&crash]].concat();
    for failure in most {
        let grant = node.take().await.expect("another try");
        assert!(node.fail(&grant, failure).await);
        // The longest wait before another try.
        clock.advance(Duration::from_secs(301));
    }
    let last = node.take().await.expect("one crash more may be");
    assert_eq!(last.attempts, 2, "waits for room are no failed attempts");
    node.fail(&last, &crash).await;
    farm.reaches(&job, "failed").await;
    let metrics = farm.handle.metrics().await;
    for (kind, outcome, count) in [
        ("node_fault", "retry", 2),
        ("node_fault", "dead", 1),
        ("exhausted", "retry", 11),
        ("exhausted", "dead", 0),
    ] {
        let labels = format!("kind=\"{kind}\",outcome=\"{outcome}\"");
        let line = format!("magpie_failures_total{{{labels}}} {count}\n");
        assert!(metrics.contains(&line), "{metrics}");
    }
    assert!(metrics.contains("magpie_chunks_dead 1.0\n"), "{metrics}");
}

#[tokio::test]
async fn a_first_claim_lets_a_node_that_waits_have_the_rest() {
    let farm = Farm::start().await;
    let mut holder = farm.node("n1", Script::passing());
    holder.register().await;
    let job = farm.submit().await;
    let probe = holder.take().await.unwrap();
    holder.finish(&probe).await;
    farm.reaches(&job, "processing").await;
    let mut encode = None;
    while let Some(grant) = holder.take_within(0).await {
        encode = Some(grant).filter(|grant| grant.units.len() > 1).or(encode);
    }
    let encode = encode.expect("a chunk of several segments");

    // From here on time goes by when nobody has anything to do.
    tokio::time::pause();
    let mut thief = farm.node("n2", Script::passing());
    thief.register().await;
    let waiting = tokio::spawn(async move { thief.take_within(20_000).await });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished(), "nobody has claimed anything");
    let claimed = Instant::now();
    assert_eq!(holder.claim(&encode).await, Claim::Unit(encode.units.start));
    let stolen = waiting.await.unwrap().expect("the second half");
    assert_eq!(stolen.chunk.task, encode.chunk.task);
    assert_eq!(stolen.units.end, encode.units.end);
    assert!(claimed.elapsed() < Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_store_costs_no_job() {
    let storage = Storage::open("memory:").unwrap();
    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    let started = farm.submit().await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let probe = node.take().await.unwrap();
    node.finish(&probe).await;
    farm.reaches(&started, "processing").await;
    let waiting = farm
        .submit_with(|request| request.title = "other".to_owned())
        .await;
    let cancelled = farm
        .submit_with(|request| request.title = "third".to_owned())
        .await;
    let request = v1::CancelJobRequest {
        id: cancelled.clone(),
    };
    farm.client().cancel_job(request).await.unwrap();
    let storage = farm.stop().await;

    let farm = Farm::on(storage, Arc::new(SystemClock), |_| {}).await;
    farm.spawn_node("n1", Script::passing());
    let detail = farm.reaches(&started, "published").await;
    let probed_again = detail.tasks.iter().any(|task| task.id.ends_with("/probe"));
    assert!(!probed_again, "a job with a plan goes on from it");
    farm.reaches(&waiting, "published").await;
    let request = v1::GetJobRequest { id: cancelled };
    let ended = farm
        .client()
        .get_job(request)
        .await
        .unwrap()
        .into_inner()
        .job
        .unwrap();
    assert_eq!(ended.phase, "cancelled", "its report tells of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farm_that_recovers_serves_what_it_knows_and_says_what_may_come() {
    let farm = Farm::start().await;
    let old = farm.submit().await;
    let storage = farm.stop().await;

    let (farm, recovery) = Farm::recovering(storage, Arc::new(SystemClock), |_| {}).await;
    farm.spawn_node("n1", Script::passing());
    let request = v1::GetJobRequest { id: old.clone() };
    let early = farm.client().get_job(request).await.unwrap_err();
    assert_eq!(early.code(), Code::Unavailable);
    assert!(early.message().starts_with("recovering"), "{early:?}");
    let new = farm
        .submit_with(|request| request.title = "other".to_owned())
        .await;
    farm.reaches(&new, "published").await;

    let recovered = recovery.await.unwrap();
    assert_eq!((recovered.submitted, recovered.ended), (1, 1));
    farm.reaches(&old, "published").await;
    let capacity = v1::GetCapacityRequest {};
    let capacity = farm.client().get_capacity(capacity).await.unwrap();
    assert_eq!(capacity.into_inner().to_recover, 0);
    let nope = "nope".to_owned();
    let request = v1::GetJobRequest { id: nope };
    let unknown = farm.client().get_job(request).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_plan_ends_the_job_and_says_why() {
    let farm = Farm::start().await;
    let mut script = Script::passing();
    if let Ok(source) = &mut script.source {
        source.video = None;
    }
    farm.spawn_node("n1", script);
    let job = farm.submit().await;
    let detail = farm.reaches(&job, "failed").await;
    let failure = detail.job.unwrap().failure.unwrap();
    assert_eq!(
        (failure.kind.as_str(), failure.place.as_str()),
        ("bad_input", "plan")
    );
    let id = JobId::new(job).unwrap();
    let report = eventually("report", || async {
        farm.storage
            .find_json::<model::catalog::Report>(&layout::report(&id))
            .await
            .unwrap()
    });
    assert_eq!(
        report.await.job.failure.unwrap().kind,
        FailureKind::BadInput
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_stays_unreadable_ends_the_job_after_some_minutes() {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let farm = Farm::with(clock.clone(), |_| {}).await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let job = farm.submit().await;
    let id = JobId::new(job.clone()).unwrap();
    let grant = node.take().await.unwrap();
    assert_eq!(node.claim(&grant).await, Claim::Unit(0));
    let broken = &b"{ \"source\": "[..];
    farm.storage
        .put(&layout::source_info(&id), broken.into())
        .await
        .unwrap();
    assert_eq!(node.commit(&grant, 0).await, Committed::Accepted);
    let failure = eventually("the job is given up", || async {
        clock.advance(Duration::from_secs(61));
        let request = v1::GetJobRequest { id: job.clone() };
        let record = farm
            .client()
            .get_job(request)
            .await
            .unwrap()
            .into_inner()
            .job
            .unwrap();
        (record.phase == "failed").then(|| record.failure.unwrap())
    });
    let failure = failure.await;
    assert_eq!(failure.kind, "storage");
    assert!(
        failure.message.contains("probe.json is corrupt"),
        "{failure:?}"
    );
}
