//! Reports that come late.

use super::report;
use crate::config::Config;
use crate::farm::Farm;
use model::job::{JobRecord, NewJob, Phase, Urgency};
use model::layout;
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::memory::MemoryStore;
use store::{Advance, Store, SystemClock};

/// A farm with a job that failed, and the job as it was then.
async fn farm_with_a_failed_job() -> (Farm, JobRecord) {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let storage = Storage::open("memory:").unwrap();
    let config = Config::new(storage, store.clone(), SourceRoots::default());
    let job = NewJob {
        id: "j1".parse().unwrap(),
        tenant: "t".parse().unwrap(),
        title: "bunny".parse().unwrap(),
        profile: "web".to_owned(),
        source_url: String::new(),
        urgency: Urgency::of(50),
        held_max: None,
        traceparent: String::new(),
    };
    store.submit(&job, &[]).await.unwrap();
    store.advance(&job.id, &failure()).await.unwrap();
    let failed = store.job(&job.id).await.unwrap();
    (Farm::new(config), failed)
}

fn failure() -> Advance {
    Advance {
        from: Phase::Probing,
        to: Phase::Failed,
        add: Vec::new(),
        failure: None,
        title_version: None,
    }
}

#[tokio::test]
async fn the_report_of_a_job_that_was_led_back_meanwhile_does_not_stay() {
    let (farm, failed) = farm_with_a_failed_job().await;
    farm.store().revive(&failed.id).await.unwrap();
    report(&farm, &failed).await.unwrap();
    let path = layout::report(&failed.id);
    assert!(!farm.storage().exists(&path).await.unwrap());
}

#[tokio::test]
async fn a_report_of_an_earlier_end_is_looked_at_again() {
    let (farm, failed) = farm_with_a_failed_job().await;
    let store = farm.store();
    store.revive(&failed.id).await.unwrap();
    store.advance(&failed.id, &failure()).await.unwrap();
    let hold = Duration::from_secs(15);
    while let Some(attention) = store.attend(hold).await.unwrap() {
        store.settle(&attention).await.unwrap();
    }
    report(&farm, &failed).await.unwrap();
    let again = store.attend(hold).await.unwrap();
    assert_eq!(again.unwrap().job, failed.id);
}
