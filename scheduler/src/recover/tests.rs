//! Epochs, and recoveries that meet trouble.

use super::{NewJob, Storage, TRIES, current_epoch, persist, raise_epoch, recover, run};
use crate::config::Config;
use crate::farm::Farm;
use crate::{Error, Result};
use model::layout;
use std::sync::Arc;
use std::time::Duration;
use storage::SourceRoots;
use store::memory::MemoryStore;
use store::{Store, SystemClock};
use tokio_util::sync::CancellationToken;

#[tokio::test(start_paused = true)]
async fn an_error_that_may_pass_is_met_three_times_and_no_other() {
    let may_pass = || store::Error::Unavailable {
        reason: "a hiccup".to_owned(),
    };
    let lasts = || store::Error::NotFound {
        what: "job",
        id: "j1".to_owned(),
    };
    for (fails, error, calls, succeeds) in [
        (TRIES - 1, may_pass(), TRIES, true),
        (TRIES, may_pass(), TRIES, false),
        (1, lasts(), 1, false),
    ] {
        let mut called = 0;
        let error = &error;
        let answer: Result<()> = persist(async || {
            called += 1;
            match (called <= fails, error) {
                (false, _) => Ok(()),
                (true, store::Error::NotFound { .. }) => Err(Error::Store(lasts())),
                (true, _) => Err(Error::Store(may_pass())),
            }
        })
        .await;
        assert_eq!((called, answer.is_ok()), (calls, succeeds), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_epoch_is_raised_through_a_hiccup_of_storage() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
    let in_the_way = folder.path().join(layout::EPOCH);
    std::fs::create_dir(&in_the_way).unwrap();
    let free_the_way = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        std::fs::remove_dir(&in_the_way).unwrap();
    };
    let (raised, ()) = tokio::join!(raise_epoch(&storage), free_the_way);
    assert_eq!(raised.unwrap(), 2);
}

#[tokio::test]
async fn every_rebuilt_store_gets_an_epoch_that_none_had_before() {
    let storage = Storage::open("memory:").unwrap();
    let first = current_epoch(&storage).await.unwrap();
    let second = raise_epoch(&storage).await.unwrap();
    assert!(second > first);
    assert_eq!(current_epoch(&storage).await.unwrap(), second);
    assert!(raise_epoch(&storage).await.unwrap() > second);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_knows_no_job_is_taken_for_lost_also_when_the_recovery_starts_anew() {
    for knows_a_job in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        if knows_a_job {
            store.submit(&job("j0"), &[]).await.unwrap();
        }
        let config = Config::new(storage, store.clone(), SourceRoots::default());
        let farm = Farm::new(config);
        let in_the_way = folder.path().join(layout::JOBS);
        std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
        for _ in 0..2 {
            assert!(recover(&farm).await.is_err());
            let lost = farm.recovery().unwrap().lost;
            assert_eq!(lost, !knows_a_job);
            store.submit(&job("j1"), &[]).await.unwrap();
        }
    }
}

fn job(id: &str) -> NewJob {
    NewJob {
        id: id.parse().unwrap(),
        tenant: "t".parse().unwrap(),
        title: "bunny".parse().unwrap(),
        profile: "web".to_owned(),
        source_url: String::new(),
        priority: 50,
        traceparent: String::new(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_waits_for_storage_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let config = Config::new(storage, store, SourceRoots::default());
    let farm = Arc::new(Farm::new(config));
    let in_the_way = folder.path().join("jobs/j1/ticket.json");
    std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    // A link that leads to itself can be opened by nobody.
    std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
    let free_the_way = async {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(farm.recovery().unwrap().left(), 1, "it goes on");
        std::fs::remove_file(&in_the_way).unwrap();
    };
    let recovery = run(farm.clone(), CancellationToken::new());
    let (recovered, ()) = tokio::join!(recovery, free_the_way);
    assert_eq!(recovered.unwrap().unreadable, 1, "the ticket is gone");
    assert_eq!(farm.recovery(), None);
    let told = CancellationToken::new();
    told.cancel();
    std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
    assert_eq!(run(farm.clone(), told).await, None);
}
