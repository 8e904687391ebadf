//! Urgency, pauses and tenants: what a person sets holds at once, and after a lost store.

use crate::harness::Farm;
use crate::node::{Node, Script};
use proto::v1;
use std::sync::Arc;
use storage::Storage;
use store::SystemClock;
use tonic::Code;

async fn farm_on(storage: Storage) -> Farm {
    Farm::on(storage, Arc::new(SystemClock), |_| {}).await
}

async fn job(farm: &Farm, id: &str) -> v1::Job {
    let request = v1::GetJobRequest { id: id.to_owned() };
    let detail = farm.client().get_job(request).await.unwrap();
    detail.into_inner().job.unwrap()
}

async fn pause(farm: &Farm, id: &str) -> Result<v1::Job, tonic::Status> {
    let request = v1::PauseJobRequest { id: id.to_owned() };
    let paused = farm.client().pause_job(request).await?;
    Ok(paused.into_inner())
}

/// The job whose chunk the node is granted next.
async fn next(node: &mut Node) -> Option<String> {
    let grant = node.take_within(0).await?;
    Some(grant.chunk.task.job.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_as_urgent_as_was_said_last_also_after_a_lost_store() {
    let farm = Farm::start().await;
    let first = farm.submit().await;
    let second = farm
        .submit_with(|request| request.title = "second".to_owned())
        .await;
    let third = farm
        .submit_with(|request| {
            request.title = "third".to_owned();
            request.deadline_ms = 2_000_000_000_000;
            request.held_max = 3;
        })
        .await;
    assert_eq!(job(&farm, &third).await.held_max, 3);
    let request = v1::SetUrgencyRequest {
        id: second.clone(),
        priority: 90,
        deadline_ms: 1_900_000_000_000,
    };
    let changed = farm.client().set_urgency(request.clone()).await.unwrap();
    let changed = changed.into_inner();
    assert_eq!(
        (changed.priority, changed.deadline_ms),
        (90, 1_900_000_000_000)
    );
    let wrong = v1::SetUrgencyRequest {
        priority: 101,
        ..request
    };
    let refused = farm.client().set_urgency(wrong).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);

    let farm = farm_on(farm.stop().await).await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    for expected in [second, third, first] {
        assert_eq!(next(&mut node).await, Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_job_rests_also_after_a_lost_store_until_it_is_resumed() {
    let farm = Farm::start().await;
    let id = farm.submit().await;
    assert!(pause(&farm, &id).await.unwrap().paused);
    let farm = farm_on(farm.stop().await).await;
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    assert_eq!(next(&mut node).await, None);
    let request = v1::GetJobRequest { id: id.clone() };
    let detail = farm.client().get_job(request).await.unwrap().into_inner();
    assert_eq!(detail.waiting_for, "a person: it is paused");
    let request = v1::ResumeJobRequest { id: id.clone() };
    let resumed = farm.client().resume_job(request).await.unwrap();
    assert!(!resumed.into_inner().paused);
    let grant = node.take().await.expect("the probe");
    node.finish(&grant).await;
    farm.spawn_node("n2", Script::passing());
    farm.reaches(&id, "published").await;
    let ended = pause(&farm, &id).await.unwrap_err();
    assert_eq!(ended.code(), Code::FailedPrecondition);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_keeps_its_part_after_a_lost_store() {
    let farm = Farm::start().await;
    let tenant = |weight, held_max| v1::SetTenantRequest {
        tenant: Some(v1::Tenant {
            id: "acme".to_owned(),
            weight,
            held_max,
        }),
    };
    for weight in [0, 1_001] {
        let refused = farm.client().set_tenant(tenant(weight, 0)).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    }
    farm.client().set_tenant(tenant(7, 1)).await.unwrap();
    for title in ["one", "two"] {
        farm.submit_with(|request| {
            request.title = title.to_owned();
            request.tenant = "acme".to_owned();
        })
        .await;
    }
    let farm = farm_on(farm.stop().await).await;
    let listed = farm.client().list_tenants(v1::ListTenantsRequest {}).await;
    let listed = listed.unwrap().into_inner().tenants;
    assert_eq!(listed, [tenant(7, 1).tenant.unwrap()]);
    let mut node = farm.node("n1", Script::passing());
    node.register().await;
    assert!(next(&mut node).await.is_some());
    assert_eq!(next(&mut node).await, None, "it holds one chunk at a time");
}
