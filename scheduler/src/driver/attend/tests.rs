//! Telling of the end of a job.

use super::attend;
use crate::config::Config;
use crate::farm::Farm;
use model::job::{NewJob, Phase, Urgency};
use model::plan::Ticket;
use model::profile::Profile;
use model::{JobId, layout};
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::memory::MemoryStore;
use store::{Advance, ManualClock, Notice, Posted};

const HOLD: Duration = Duration::from_secs(15);
const WEBHOOK: &str = "https://example.com/hook";

/// A farm on a clock of the test's.
fn farm() -> (Farm, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(1_700_000_000_000));
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let storage = Storage::open("memory:").unwrap();
    let config = Config::new(storage, store, SourceRoots::default());
    (Farm::new(config), clock)
}

/// A job with a webhook that a person has ended.
async fn cancelled(farm: &Farm, id: &str) -> JobId {
    let ticket = Ticket {
        job: id.parse().unwrap(),
        tenant: "t".parse().unwrap(),
        title: "bunny".parse().unwrap(),
        source_url: String::new(),
        sidecars: Vec::new(),
        profile: Profile::built_in("web").unwrap(),
        urgency: Urgency::of(50),
        held_max: None,
        webhook_url: WEBHOOK.to_owned(),
        traceparent: String::new(),
        accepted_at_ms: 0,
    };
    let path = layout::ticket(&ticket.job);
    farm.storage().put_json(&path, &ticket).await.unwrap();
    let job = NewJob {
        id: ticket.job,
        tenant: ticket.tenant,
        title: ticket.title,
        profile: ticket.profile.name,
        source_url: String::new(),
        urgency: Urgency::of(50),
        held_max: None,
        traceparent: String::new(),
    };
    farm.store().submit(&job, &[]).await.unwrap();
    let end = Advance {
        from: Phase::Probing,
        to: Phase::Cancelled,
        add: Vec::new(),
        failure: None,
        title_version: None,
    };
    assert!(farm.store().advance(&job.id, &end).await.unwrap());
    job.id
}

/// Attends to all jobs that are due; answers how many.
async fn attend_all(farm: &Farm) -> u32 {
    let mut attended = 0;
    while let Some(attention) = farm.store().attend(HOLD).await.unwrap() {
        attend(farm, &attention).await;
        attended += 1;
    }
    attended
}

/// Fills the queue of a receiver with ends of a job.
async fn fill(farm: &Farm, job: &JobId) {
    let mut version = 100;
    loop {
        version += 1;
        let notice = Notice {
            job: job.clone(),
            version,
            receiver: "t https://example.com".to_owned(),
            ends: true,
            url: WEBHOOK.to_owned(),
            body: String::new(),
        };
        if farm.store().post(&notice).await.unwrap() == Posted::Full {
            return;
        }
    }
}

#[tokio::test]
async fn the_end_of_a_job_is_told_once_its_receiver_has_room() {
    let (farm, clock) = farm();
    let other = cancelled(&farm, "other").await;
    assert_eq!(attend_all(&farm).await, 1);
    fill(&farm, &other).await;
    let job = cancelled(&farm, "j1").await;
    assert_eq!(attend_all(&farm).await, 1);
    let report = layout::report(&job);
    assert!(
        farm.storage().exists(&report).await.unwrap(),
        "it has ended"
    );
    assert_eq!(attend_all(&farm).await, 0);

    let store = farm.store();
    let first = store.deliver(HOLD).await.unwrap().unwrap();
    store.delivered(&first).await.unwrap();
    clock.advance(Duration::from_secs(5));
    assert_eq!(attend_all(&farm).await, 1, "it is owed");
    clock.advance(Duration::from_secs(3_600));
    assert_eq!(attend_all(&farm).await, 0, "it is told");
    let mut last = None;
    while let Some(delivery) = store.deliver(HOLD).await.unwrap() {
        store.delivered(&delivery).await.unwrap();
        last = Some(delivery.notice);
    }
    let last = last.unwrap();
    assert_eq!((last.job, last.ends), (job, true));
}
