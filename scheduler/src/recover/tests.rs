//! Epochs, and recoveries that meet trouble.

use super::{NewJob, Storage, TRIES, current_epoch, persist, raise_epoch, recover, run};
use crate::config::Config;
use crate::farm::Farm;
use crate::handle::Handle;
use crate::{Error, Result};
use model::catalog::Report;
use model::job::{JobRecord, Phase, Steering, Urgency};
use model::layout;
use model::plan::Ticket;
use model::profile::Profile;
use std::sync::Arc;
use std::time::Duration;
use storage::SourceRoots;
use store::faulty::{Faults, FaultyStore};
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
        urgency: Urgency::of(50),
        held_max: None,
        traceparent: String::new(),
    }
}

fn ticket(id: &str) -> Ticket {
    let NewJob {
        id, tenant, title, ..
    } = job(id);
    Ticket {
        job: id,
        tenant,
        title,
        source_url: String::new(),
        sidecars: Vec::new(),
        profile: Profile::built_in("web").unwrap(),
        urgency: Urgency::of(50),
        held_max: None,
        webhook_url: String::new(),
        traceparent: String::new(),
        accepted_at_ms: 0,
    }
}

async fn accept(storage: &Storage, id: &str) {
    let ticket = ticket(id);
    let path = layout::ticket(&ticket.job);
    storage.put_json(&path, &ticket).await.unwrap();
}

/// Writes that a job was accepted and ended.
async fn end(storage: &Storage, id: &str) {
    accept(storage, id).await;
    let store = MemoryStore::new(Arc::new(SystemClock));
    store.submit(&job(id), &[]).await.unwrap();
    let report = Report {
        job: JobRecord {
            phase: Phase::Cancelled,
            ..store.job(&job(id).id).await.unwrap()
        },
        verdict: None,
        published: None,
    };
    let path = layout::report(&report.job.id);
    storage.put_json(&path, &report).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_ended_and_was_lost_tells_of_a_lost_store() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(folder.path().to_str().unwrap()).unwrap();
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    // Another scheduler has accepted a job since the store was lost.
    accept(&storage, "j0").await;
    store.submit(&job("j0"), &[]).await.unwrap();
    end(&storage, "j1").await;
    let config = Config::new(storage, store, SourceRoots::default());
    let farm = Farm::new(config);
    // The recovery comes no further than that.
    let in_the_way = folder.path().join("jobs/j2/ticket.json");
    std::fs::create_dir_all(in_the_way.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink(&in_the_way, &in_the_way).unwrap();
    assert!(recover(&farm).await.is_err());
    let progress = farm.recovery().unwrap();
    assert_eq!((progress.done, progress.lost), (2, true));
}

#[tokio::test]
async fn a_job_is_recovered_whatever_is_damaged_of_its_title() {
    let title = job("j1").title;
    for damaged in [layout::catalog(&title), layout::owner(&title)] {
        let storage = Storage::open("memory:").unwrap();
        accept(&storage, "j1").await;
        storage.put(&damaged, "{ \"ten".into()).await.unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let config = Config::new(storage, store.clone(), SourceRoots::default());
        let recovered = recover(&Farm::new(config)).await.unwrap();
        let counts = (recovered.submitted, recovered.unreadable);
        assert_eq!(counts, (1, 0), "{damaged}");
        assert!(store.job(&job("j1").id).await.is_ok());
    }
}

#[tokio::test]
async fn what_was_said_of_a_known_job_is_said_again() {
    let storage = Storage::open("memory:").unwrap();
    accept(&storage, "j1").await;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let j1 = job("j1");
    store.submit(&j1, &[]).await.unwrap();
    let said = Steering {
        urgency: Urgency::of(90),
        paused: true,
    };
    let path = layout::steering(&j1.id);
    storage.put_json(&path, &said).await.unwrap();
    let config = Config::new(storage, store.clone(), SourceRoots::default());
    let recovered = recover(&Farm::new(config)).await.unwrap();
    assert_eq!((recovered.known, recovered.submitted), (1, 0));
    let known = store.job(&j1.id).await.unwrap();
    assert_eq!((known.urgency, known.paused), (said.urgency, true));
}

#[tokio::test]
async fn what_ended_is_counted_and_listed_once() {
    let storage = Storage::open("memory:").unwrap();
    end(&storage, "j1").await;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let farm = Farm::new(Config::new(storage, store, SourceRoots::default()));
    for listed in [1, 0] {
        let found = recover(&farm).await.unwrap();
        assert_eq!((found.ended, found.published), (1, 0));
        assert_eq!(found.listed, listed);
    }
}

#[tokio::test]
async fn an_accepted_job_that_the_store_does_not_know_may_come() {
    let storage = Storage::open("memory:").unwrap();
    accept(&storage, "j1").await;
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let farm = Arc::new(Farm::new(Config::new(
        storage,
        store,
        SourceRoots::default(),
    )));
    let handle = Handle { farm };
    let asked = async |id: &str| handle.job(&id.parse().unwrap()).await.unwrap_err();
    assert!(matches!(asked("j1").await, Error::Recovering { .. }));
    assert!(matches!(asked("j2").await, Error::Store(_)));
}

#[tokio::test(start_paused = true)]
async fn no_hiccup_of_the_store_costs_a_round() {
    let hiccups = Faults {
        before_percent: 1,
        after_percent: 1,
    };
    for seed in 0..300 {
        let storage = Storage::open("memory:").unwrap();
        accept(&storage, "j1").await;
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let store = Arc::new(FaultyStore::new(store, seed, hiccups));
        let config = Config::new(storage, store, SourceRoots::default());
        let recovered = recover(&Farm::new(config)).await;
        assert!(recovered.is_ok(), "{seed}: {recovered:?}");
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
