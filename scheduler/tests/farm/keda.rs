//! What an autoscaler hears: a client made from KEDA's messages asks, as KEDA does.

use crate::harness::{Farm, PATIENCE, eventually};
use crate::node::Script;
use proto::keda::external_scaler_client::ExternalScalerClient;
use proto::keda::{GetMetricsRequest, ScaledObjectRef};
use proto::v1;
use scheduler::Secret;
use std::sync::Arc;
use storage::Storage;
use store::SystemClock;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

type Keda = ExternalScalerClient<Channel>;

fn keda(farm: &Farm) -> Keda {
    ExternalScalerClient::new(farm.channel.clone())
}

/// A trigger with this metadata beside what KEDA always sends.
fn trigger(metadata: &[(&str, &str)]) -> ScaledObjectRef {
    let own = [("scalerAddress", "magpie-scheduler:7400")];
    let all = own.iter().chain(metadata);
    let all = all.map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    ScaledObjectRef {
        name: "magpie-node".to_owned(),
        namespace: "media".to_owned(),
        scaler_metadata: all.collect(),
    }
}

/// The metric, asked for by the name that the scaler gave it.
async fn nodes(keda: &mut Keda, metadata: &[(&str, &str)]) -> Result<f64, Status> {
    let about = trigger(metadata);
    let spec = keda.get_metric_spec(about.clone()).await?.into_inner();
    let [spec] = &spec.metric_specs[..] else {
        panic!("{spec:?}");
    };
    assert_eq!((spec.target_size, spec.target_size_float), (1, 1.0));
    let request = GetMetricsRequest {
        scaled_object_ref: Some(about),
        metric_name: spec.metric_name.clone(),
    };
    let values = keda.get_metrics(request).await?.into_inner().metric_values;
    let [value] = &values[..] else {
        panic!("{values:?}");
    };
    assert_eq!(value.metric_name, spec.metric_name);
    assert_eq!(value.metric_value as f64, value.metric_value_float);
    Ok(value.metric_value_float)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_asks_for_nodes_until_it_is_empty() {
    let farm = Farm::start().await;
    let mut keda = keda(&farm);
    let metadata = [("slots", "2"), ("newJobMinutes", "60")];
    let watch = keda.stream_is_active(trigger(&metadata)).await.unwrap();
    let mut watch = watch.into_inner();
    let mut told = async || {
        let next = tokio::time::timeout(PATIENCE, watch.message()).await;
        next.expect("told in time").unwrap().unwrap().result
    };
    assert!(!told().await, "nothing is queued");
    assert_eq!(nodes(&mut keda, &metadata).await.unwrap(), 0.0);

    let mut jobs = Vec::new();
    for title in ["one", "two", "three"] {
        jobs.push(
            farm.submit_with(|request| request.title = title.to_owned())
                .await,
        );
    }
    assert!(told().await, "three jobs wait");
    // What was seen last may be a second old.
    let all =
        async || Some(nodes(&mut keda.clone(), &metadata).await.unwrap()).filter(|n| *n > 1.0);
    assert_eq!(
        eventually("three jobs", all).await,
        2.0,
        "an hour each on two slots"
    );
    let soon = [("slots", "1"), ("targetMinutes", "1")];
    assert_eq!(
        nodes(&mut keda, &soon).await.unwrap(),
        1.0,
        "six seconds of probes"
    );
    assert!(
        keda.is_active(trigger(&soon))
            .await
            .unwrap()
            .into_inner()
            .result
    );

    farm.spawn_node("n1", Script::passing());
    for job in &jobs {
        farm.reaches(job, "published").await;
    }
    assert!(!told().await, "all is done");
    assert_eq!(nodes(&mut keda, &metadata).await.unwrap(), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_asks_for_no_nodes_and_is_counted_apart() {
    let farm = Farm::start().await;
    let id = farm.submit().await;
    let request = v1::PauseJobRequest { id: id.clone() };
    farm.client().pause_job(request).await.unwrap();
    let mut keda = keda(&farm);
    let metadata = [("slots", "1"), ("newJobMinutes", "60")];
    assert_eq!(nodes(&mut keda, &metadata).await.unwrap(), 0.0);
    let active = keda.is_active(trigger(&metadata)).await.unwrap();
    assert!(!active.into_inner().result);
    let counts = async || {
        let capacity = farm.client().get_capacity(v1::GetCapacityRequest {}).await;
        let counts = capacity.unwrap().into_inner();
        (
            counts.chunks_queued,
            counts.chunks_paused,
            counts.units_left,
        )
    };
    assert_eq!(counts().await, (0, 1, 0));
    let request = v1::ResumeJobRequest { id };
    farm.client().resume_job(request).await.unwrap();
    assert_eq!(counts().await, (1, 0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_means_nothing_is_refused_with_its_key() {
    let farm = Farm::start().await;
    let mut keda = keda(&farm);
    for (metadata, key) in [
        (&[][..], "slots"),
        (&[("slots", "0")], "slots"),
        (&[("slots", "many")], "slots"),
        (&[("slots", "4"), ("targetMinutes", "0")], "targetMinutes"),
        (&[("slots", "4"), ("targetMinutes", "NaN")], "targetMinutes"),
        (&[("slots", "4"), ("newJobMinutes", "-1")], "newJobMinutes"),
        (
            &[("slots", "4"), ("minSegmentSeconds", "inf")],
            "minSegmentSeconds",
        ),
    ] {
        let refused = nodes(&mut keda, metadata).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{metadata:?}");
        assert!(refused.message().starts_with(key), "{refused:?}");
    }
    let request = GetMetricsRequest {
        scaled_object_ref: Some(trigger(&[("slots", "4")])),
        metric_name: "other".to_owned(),
    };
    let refused = keda.get_metrics(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_trigger_that_bears_the_token_is_answered() {
    const TOKEN: &str = "0123456789abcdef";
    let secret = |config: &mut scheduler::Config| config.token = Some(Secret::new(TOKEN));
    let farm = Farm::with(Arc::new(SystemClock), secret).await;
    let mut keda = keda(&farm);
    for key in ["tokenFromEnv", "token"] {
        let metadata = [("slots", "4"), (key, TOKEN)];
        assert_eq!(nodes(&mut keda, &metadata).await.unwrap(), 0.0);
    }
    for metadata in [&[("slots", "4")][..], &[("tokenFromEnv", "another")]] {
        let about = trigger(metadata);
        let request = GetMetricsRequest {
            scaled_object_ref: Some(about.clone()),
            metric_name: String::new(),
        };
        let refused = [
            keda.is_active(about.clone()).await.err(),
            keda.stream_is_active(about.clone()).await.err(),
            keda.get_metric_spec(about).await.err(),
            keda.get_metrics(request).await.err(),
        ];
        for refused in refused {
            assert_eq!(
                refused.map(|status| status.code()),
                Some(Code::Unauthenticated)
            );
        }
    }
    let mut request = Request::new(trigger(&[("slots", "4")]));
    let header = format!("Bearer {TOKEN}").parse().unwrap();
    request.metadata_mut().insert("authorization", header);
    assert!(!keda.is_active(request).await.unwrap().into_inner().result);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farm_that_recovers_does_not_say_that_it_has_nothing_to_do() {
    let farm = Farm::start().await;
    farm.submit().await;
    let storage = farm.stop().await;
    let (farm, recovery) = Farm::recovering(storage, Arc::new(SystemClock), |_| {}).await;
    let mut keda = keda(&farm);
    let metadata = [("slots", "4")];
    let early = nodes(&mut keda, &metadata).await.unwrap_err();
    assert_eq!(early.code(), Code::Unavailable, "{early:?}");
    recovery.await;
    assert_eq!(nodes(&mut keda, &metadata).await.unwrap(), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_each_job_is_listed_until_it_ends() {
    let farm = Farm::on(
        Storage::open("memory:").unwrap(),
        Arc::new(SystemClock),
        |_| {},
    )
    .await;
    let first = farm.submit().await;
    let second = farm
        .submit_with(|request| {
            request.title = "second".to_owned();
            (request.deadline_ms, request.held_max) = (2_000_000_000_000, 3);
        })
        .await;
    let list = async |page_size, page_token: String| {
        let request = v1::ListWorkRequest {
            page_size,
            page_token,
        };
        farm.client().list_work(request).await.unwrap().into_inner()
    };
    let page = list(1, String::new()).await;
    assert!(page.now_ms > 1_600_000_000_000);
    assert_eq!(
        (&*page.jobs[0].job, &*page.jobs[0].phase),
        (&*second, "probing")
    );
    assert_eq!(
        (page.jobs[0].deadline_ms, page.jobs[0].held_max),
        (2_000_000_000_000, 3)
    );
    let rest = list(50, page.next_page_token).await;
    assert_eq!((&*rest.jobs[0].job, rest.jobs[0].open_units), (&*first, 1));

    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    let grant = node.take().await.expect("the more urgent probe");
    node.finish(&grant).await;
    let planned = async || {
        let jobs = list(50, String::new()).await.jobs;
        jobs.into_iter().find(|job| job.phase == "processing")
    };
    let planned = eventually("a plan", planned).await;
    // Two segments of a film of ten seconds; images, then the rules.
    assert_eq!((&*planned.job, planned.open_units), (&*second, 2));
    assert!(planned.open_seconds > 0.0);
    assert_eq!(
        (planned.later_seconds, planned.later_chain_seconds),
        (4.0, 4.0)
    );
    let unit = planned.open_seconds / 2.0;
    assert!(
        (planned.chain_seconds - unit - 4.0).abs() < 1e-9,
        "{planned:?}"
    );

    farm.spawn_node("n2", Script::passing());
    farm.reaches(&first, "published").await;
    farm.reaches(&second, "published").await;
    assert!(list(50, String::new()).await.jobs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_a_trigger_is_understood() {
    let manifest = include_str!("../../../deploy/kubernetes/scaledobject.yaml");
    let (_, trigger) = manifest.split_once("- type: external\n").unwrap();
    let pairs = trigger.lines().filter_map(|line| line.split_once(": "));
    let pairs = pairs.filter(|(key, _)| !key.contains('#'));
    let metadata: Vec<_> = pairs
        .map(|(key, value)| (key.trim(), value.trim_matches('"')))
        .collect();
    let keys: Vec<_> = metadata.iter().map(|(key, _)| *key).collect();
    assert_eq!(
        keys,
        [
            "scalerAddress",
            "slots",
            "targetMinutes",
            "newJobMinutes",
            "minSegmentSeconds",
            "tokenFromEnv"
        ]
    );
    let farm = Farm::start().await;
    farm.submit().await;
    assert_eq!(nodes(&mut keda(&farm), &metadata).await.unwrap(), 1.0);
    for (at, (key, _)) in metadata
        .iter()
        .enumerate()
        .filter(|(at, _)| (1..5).contains(at))
    {
        let mut wrong = metadata.clone();
        wrong[at].1 = "much";
        let refused = nodes(&mut keda(&farm), &wrong).await.unwrap_err();
        assert!(refused.message().starts_with(key), "{refused:?}");
    }
}
