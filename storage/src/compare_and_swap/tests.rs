//! Who gives up and when, what is left behind, and what a reader sees meanwhile.

use super::*;
use crate::Created;
use futures::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

fn disk() -> (tempfile::TempDir, Storage) {
    let place = tempfile::tempdir().unwrap();
    let storage = Storage::open(place.path().to_str().unwrap()).unwrap();
    (place, storage)
}

#[tokio::test(start_paused = true)]
async fn who_always_comes_second_gives_up() {
    let storage = Storage::open("memory:").unwrap();
    let (other, rounds) = (storage.clone(), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&rounds);
    let change = move |old: Option<u64>| {
        let round = counted.fetch_add(1, Ordering::Relaxed);
        let quicker = other.put_json("a", &u64::from(round)).now_or_never();
        quicker.expect("memory does not wait").unwrap();
        Some(old.unwrap_or(0) + 100)
    };
    let error = storage.update_json("a", change).await.unwrap_err();
    assert!(
        matches!(&error, Error::Raced { path } if path == "a"),
        "{error}"
    );
    assert_eq!(rounds.load(Ordering::Relaxed), ROUNDS_MAX);
    let last = u64::from(ROUNDS_MAX) - 1;
    assert_eq!(storage.get_json::<u64>("a").await.unwrap(), last);
}

#[test]
fn who_waits_too_long_for_the_lock_gives_up() {
    let (_place, storage) = disk();
    let disk = storage.disk.clone().unwrap();
    let location = Path::from("a/b");
    let held = disk.hold(&location, LOCK_WAIT).unwrap().unwrap();
    let change = |_: Option<u64>| Some(1);
    let wait = Duration::from_millis(20);
    let error = update_local(&disk, "a/b", &location, wait, change).unwrap_err();
    assert!(
        matches!(&error, Error::Raced { path } if path == "a/b"),
        "{error}"
    );
    assert_eq!(error.kind(), model::FailureKind::Transient);
    drop(held);
    let done = update_local(&disk, "a/b", &location, wait, change).unwrap();
    assert_eq!(done, Some(1));
}

#[tokio::test]
async fn a_failure_leaves_the_old_object_and_no_staged_file() {
    let (place, storage) = disk();
    storage.put_json("folder/a.json", &1u64).await.unwrap();
    // JSON has no keys that are not text.
    let change = |_: Option<std::collections::BTreeMap<Vec<u8>, u8>>| Some([(vec![1], 1)].into());
    let error = storage
        .update_json("folder/b.json", change)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    // A folder cannot be replaced by a file.
    std::fs::create_dir_all(place.path().join("folder/c.json/full")).unwrap();
    let held = storage.disk.as_ref().unwrap();
    let held = held
        .hold(&Path::from("folder/c.json"), LOCK_WAIT)
        .unwrap()
        .unwrap();
    assert!(held.replace(&mut "new".as_bytes()).is_err());
    assert!(place.path().join("folder/c.json#0").exists());
    drop(held);
    let left: Vec<_> = std::fs::read_dir(place.path().join("folder"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(storage.get_json::<u64>("folder/a.json").await.unwrap(), 1);
}

#[tokio::test]
async fn a_panic_of_the_caller_is_the_callers_and_frees_the_lock() {
    let (_place, storage) = disk();
    let other = storage.clone();
    let change = |_: Option<u64>| -> Option<u64> { panic!("a bug of the caller") };
    let ended = tokio::spawn(async move { other.update_json("a", change).await }).await;
    assert!(ended.unwrap_err().is_panic());
    let done = storage.update_json("a", |_: Option<u64>| Some(1)).await;
    assert_eq!(done.unwrap(), Some(1));
}

#[tokio::test]
async fn what_a_killed_process_left_staged_is_not_written_through() {
    let (place, storage) = disk();
    storage.put("segment", "bytes".into()).await.unwrap();
    let staged = place.path().join("a.json#0");
    std::fs::hard_link(place.path().join("segment"), &staged).unwrap();
    storage
        .update_json("a.json", |_: Option<u64>| Some(1))
        .await
        .unwrap();
    assert_eq!(storage.get("segment").await.unwrap(), "bytes");
    assert!(!staged.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_sees_the_old_or_the_new_and_never_less() {
    let (_place, storage) = disk();
    let long = "x".repeat(200_000);
    let text = |number: u64| format!("{number} {}", "x".repeat(200_000));
    storage.put_json("a.json", &text(0)).await.unwrap();
    let (reader, end) = (storage.clone(), Arc::new(AtomicBool::new(false)));
    let ended = Arc::clone(&end);
    let reading = tokio::spawn(async move {
        let mut reads = 0u64;
        while !ended.load(Ordering::Relaxed) || reads == 0 {
            let seen: String = reader.get_json("a.json").await.unwrap();
            assert!(seen.ends_with(&long));
            reads += 1;
        }
    });
    for number in 1..20 {
        let new = text(number);
        let change = move |_: Option<String>| Some(new.clone());
        storage.update_json("a.json", change).await.unwrap();
    }
    end.store(true, Ordering::Relaxed);
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn titles_with_names_alike_do_not_disturb_each_other() {
    let (place, storage) = disk();
    let long = "n".repeat(240);
    let paths = [
        "a/b~c",
        "a~b/c",
        "a/b/c",
        "a~b~c",
        &format!("{long}1"),
        &format!("{long}2"),
    ];
    let many: Vec<String> = (0..400)
        .map(|title| format!("catalog/title-{title}.json"))
        .collect();
    let all: Vec<&str> = paths
        .iter()
        .copied()
        .chain(many.iter().map(String::as_str))
        .collect();
    for path in &all {
        let own = (*path).to_owned();
        let change = move |old: Option<String>| {
            assert_eq!(old, None);
            Some(own.clone())
        };
        storage.update_json(path, change).await.unwrap();
    }
    for path in &all {
        assert_eq!(storage.get_json::<String>(path).await.unwrap(), *path);
    }
    // Three digits each, so that they stay few.
    for lock in std::fs::read_dir(place.path().join(".locks")).unwrap() {
        let name = lock.unwrap().file_name().into_string().unwrap();
        assert!(name.len() == 3 || name == "storage", "{name}");
    }
    assert_eq!(storage.list("").await.unwrap().len(), all.len());
    let created = storage.put_json_if_absent("a/b~c", &"other").await.unwrap();
    assert_eq!(created, Created::Existed);
}

#[test]
fn pauses_have_a_bound() {
    for round in 0..1000 {
        assert!(pause(round) <= PAUSE_MAX);
    }
}
