//! What holds for notices that wait for their receivers.

use super::fixture::{Fixture, SECOND};
use crate::outbox::{NOTICES_MAX, RECEIVER_NOTICES_MAX, TENANT_NOTICES_MAX};
use crate::{Delivery, Error, Notice, Posted};
use std::time::Duration;

const HOLD: Duration = Duration::from_secs(30);

fn notice(job: &str, version: u64, receiver: &str) -> Notice {
    Notice {
        job: job.parse().unwrap(),
        version,
        receiver: receiver.to_owned(),
        ends: false,
        url: format!("https://{receiver}/hook?a=b c"),
        body: format!("{{\"of\": \"{job}\", \"lines\": \"one\\ntwo\"}}"),
    }
}

async fn post(f: &Fixture, job: &str, version: u64, receiver: &str) -> Posted {
    let notice = notice(job, version, receiver);
    f.store.post(&notice).await.unwrap()
}

async fn post_end(f: &Fixture, job: &str, version: u64, receiver: &str) -> Posted {
    let notice = Notice {
        ends: true,
        ..notice(job, version, receiver)
    };
    f.store.post(&notice).await.unwrap()
}

async fn deliver(f: &Fixture) -> Option<Delivery> {
    f.store.deliver(HOLD).await.unwrap()
}

pub(super) async fn notices_come_in_order_and_one_at_a_time_for_each_receiver(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    assert_eq!(deliver(f).await, None);
    assert_eq!(post(f, "j1", 2, "a").await, Posted::New);
    assert_eq!(post(f, "j1", 3, "a").await, Posted::New);
    let first = deliver(f).await.unwrap();
    assert_eq!((&first.notice, first.failures), (&notice("j1", 2, "a"), 0));
    assert_eq!(deliver(f).await, None, "one at a time");
    f.store.delivered(&first).await.unwrap();
    let second = deliver(f).await.unwrap();
    assert_eq!(second.notice.version, 3);
    f.store.delivered(&first).await.unwrap();
    assert_eq!(deliver(f).await, None, "a repetition changes nothing");
    f.store.delivered(&second).await.unwrap();
    f.pass(2 * HOLD).await;
    assert_eq!(deliver(f).await, None);
}

pub(super) async fn a_notice_whose_holder_died_comes_again(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    post(f, "j1", 2, "a").await;
    let lost = deliver(f).await.unwrap();
    f.pass(HOLD - SECOND).await;
    assert_eq!(deliver(f).await, None);
    f.pass(2 * SECOND).await;
    assert_eq!(deliver(f).await, Some(lost));
}

pub(super) async fn a_receiver_that_fails_waits_and_no_other_does(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    f.submit("j2", 50, &[]).await;
    post(f, "j1", 2, "dead").await;
    let mut failed = deliver(f).await.unwrap();
    for failures in 1..3 {
        f.store.put_off(&failed, 10 * SECOND).await.unwrap();
        assert_eq!(deliver(f).await, None);
        f.pass(11 * SECOND).await;
        failed = deliver(f).await.unwrap();
        assert_eq!(failed.failures, failures);
    }
    post(f, "j2", 2, "alive").await;
    let other = deliver(f).await.unwrap();
    assert_eq!(other.notice.receiver, "alive");
    post(f, "j1", 3, "dead").await;
    f.store.delivered(&failed).await.unwrap();
    let next = deliver(f).await.unwrap();
    assert_eq!((next.notice.version, next.failures), (3, 0));
}

pub(super) async fn a_version_is_posted_once(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    assert_eq!(post(f, "j1", 3, "a").await, Posted::New);
    assert_eq!(post(f, "j1", 3, "a").await, Posted::Known);
    assert_eq!(post(f, "j1", 2, "b").await, Posted::Known);
    let first = deliver(f).await.unwrap();
    f.store.delivered(&first).await.unwrap();
    assert_eq!(post(f, "j1", 3, "a").await, Posted::Known);
    assert_eq!(deliver(f).await, None);
    let unknown = f.store.post(&notice("j9", 1, "a")).await;
    assert!(
        matches!(unknown, Err(Error::NotFound { .. })),
        "{unknown:?}"
    );
}

pub(super) async fn queues_of_notices_are_bounded(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    let receivers = (NOTICES_MAX / RECEIVER_NOTICES_MAX) as u64;
    let mut version = 0;
    for receiver in 0..receivers {
        let name = format!("r{receiver}");
        for _ in 0..RECEIVER_NOTICES_MAX {
            version += 1;
            assert_eq!(post(f, "j1", version, &name).await, Posted::New);
        }
        assert_eq!(post(f, "j1", version + 1, &name).await, Posted::Full);
    }
    assert_eq!(post(f, "j1", version + 1, "another").await, Posted::Full);
    let first = deliver(f).await.unwrap();
    f.store.delivered(&first).await.unwrap();
    assert_eq!(post(f, "j1", version + 1, "another").await, Posted::New);
}

pub(super) async fn a_tenant_fills_no_more_than_its_part(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    let receivers = TENANT_NOTICES_MAX / RECEIVER_NOTICES_MAX;
    let mut version = 0;
    for receiver in 0..receivers {
        let name = format!("acme r{receiver}");
        for _ in 0..RECEIVER_NOTICES_MAX {
            version += 1;
            assert_eq!(post(f, "j1", version, &name).await, Posted::New);
        }
    }
    assert_eq!(post(f, "j1", version + 1, "acme r9").await, Posted::Full);
    assert_eq!(post(f, "j1", version + 1, "other r9").await, Posted::New);
    let first = deliver(f).await.unwrap();
    f.store.delivered(&first).await.unwrap();
    assert_eq!(post(f, "j1", version + 2, "acme r9").await, Posted::New);
    assert_eq!(post(f, "j1", version + 3, "acme r9").await, Posted::Full);
}

pub(super) async fn the_end_of_a_job_takes_the_place_of_what_passes(f: &Fixture) {
    let most = RECEIVER_NOTICES_MAX as u64;
    f.submit("j1", 50, &[]).await;
    assert_eq!(post_end(f, "j1", 1, "a").await, Posted::New);
    for version in 2..=most {
        assert_eq!(post(f, "j1", version, "a").await, Posted::New);
    }
    let first = deliver(f).await.unwrap();
    assert_eq!(post(f, "j1", most + 1, "a").await, Posted::Full);
    for version in most + 1..2 * most {
        assert_eq!(post_end(f, "j1", version, "a").await, Posted::New);
        assert_eq!(post(f, "j1", version + 1, "a").await, Posted::Full);
    }
    assert_eq!(post_end(f, "j1", 2 * most, "a").await, Posted::Full);
    f.store.delivered(&first).await.unwrap();
    assert_eq!(post_end(f, "j1", 2 * most, "a").await, Posted::New);
    for version in most + 1..=2 * most {
        let next = deliver(f).await.unwrap();
        assert_eq!((next.notice.version, next.notice.ends), (version, true));
        f.store.delivered(&next).await.unwrap();
    }
    assert_eq!(deliver(f).await, None);
}

pub(super) async fn a_receiver_whose_queue_is_lost_holds_up_nobody(f: &Fixture) {
    f.submit("j1", 50, &[]).await;
    let mut version = 0;
    for receiver in 0..TENANT_NOTICES_MAX / RECEIVER_NOTICES_MAX {
        let name = format!("acme r{receiver}");
        for _ in 0..RECEIVER_NOTICES_MAX {
            version += 1;
            post(f, "j1", version, &name).await;
        }
    }
    f.lose_queue("acme r0").await;
    f.lose_queue("acme r1").await;
    let first = deliver(f).await.unwrap();
    assert_eq!(first.notice.receiver, "acme r2");
    for receiver in ["acme r0", "acme r1"] {
        for _ in 0..RECEIVER_NOTICES_MAX {
            version += 1;
            assert_eq!(post(f, "j1", version, receiver).await, Posted::New);
        }
    }
    assert_eq!(post(f, "j1", version + 1, "acme r9").await, Posted::Full);
}
