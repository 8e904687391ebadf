//! What every kind of storage does alike. Not a list of tests but of promises: `run` keeps them one
//! after the other on one storage, which may hold other things below other names.

use std::sync::Arc;
use storage::{Created, Error, Storage};
use tokio::sync::Barrier;

/// Writers at once.
const WRITERS: u64 = 16;

/// Holds a storage to all promises.
pub(crate) async fn run(storage: &Storage) {
    one_writer_creates(storage).await;
    no_update_is_lost(storage).await;
    an_update_that_leaves_things_alone_writes_nothing(storage).await;
    ranges_are_cut_at_the_end(storage).await;
    copies_replace_and_stand_alone(storage).await;
    listings_are_complete_and_in_order(storage).await;
    names_come_back_as_they_were_given(storage).await;
    what_is_absent_is_not_found(storage).await;
    what_cannot_be_named_is_refused(storage).await;
    broken_json_names_its_path(storage).await;
}

async fn put(storage: &Storage, path: &str, content: &str) {
    let content = content.as_bytes().to_vec();
    storage.put(path, content.into()).await.unwrap();
}

async fn one_writer_creates(storage: &Storage) {
    let path = "contract/create/one.json";
    let start = Arc::new(Barrier::new(WRITERS as usize));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (storage, start) = (storage.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                loop {
                    match storage.put_json_if_absent(path, &writer).await {
                        Err(Error::Raced { .. }) => {}
                        result => return (writer, result.unwrap()),
                    }
                }
            })
        })
        .collect();
    let mut first = Vec::new();
    for writer in writers {
        let (writer, created) = writer.await.unwrap();
        if created == Created::New {
            first.push(writer);
        }
    }
    assert_eq!(first.len(), 1, "{first:?} all came first");
    assert_eq!(storage.get_json::<u64>(path).await.unwrap(), first[0]);
}

async fn no_update_is_lost(storage: &Storage) {
    let path = "contract/update/count.json";
    let start = Arc::new(Barrier::new(WRITERS as usize));
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let (storage, start) = (storage.clone(), Arc::clone(&start));
            tokio::spawn(async move {
                start.wait().await;
                let next = |old: Option<u64>| Some(old.unwrap_or(0) + 1);
                storage.update_json(path, next).await.unwrap().unwrap()
            })
        })
        .collect();
    let mut results = Vec::new();
    for writer in writers {
        results.push(writer.await.unwrap());
    }
    results.sort_unstable();
    assert_eq!(results, (1..=WRITERS).collect::<Vec<_>>());
    assert_eq!(storage.get_json::<u64>(path).await.unwrap(), WRITERS);
    let listed = storage.list("contract/update").await.unwrap();
    assert_eq!(listed.len(), 1, "{listed:?}");
}

async fn an_update_that_leaves_things_alone_writes_nothing(storage: &Storage) {
    let path = "contract/leave/value.json";
    let leave = |_: Option<u64>| None;
    assert_eq!(storage.update_json(path, leave).await.unwrap(), None);
    assert!(!storage.exists(path).await.unwrap());
    storage.put_json(path, &7u64).await.unwrap();
    assert_eq!(storage.update_json(path, leave).await.unwrap(), Some(7));
}

async fn ranges_are_cut_at_the_end(storage: &Storage) {
    let path = "contract/range/ten";
    put(storage, path, "0123456789").await;
    assert_eq!(storage.size(path).await.unwrap(), 10);
    let cases = [
        (0..10, "0123456789"),
        (3..5, "34"),
        (9..10, "9"),
        (8..99, "89"),
    ];
    for (range, expected) in cases {
        let found = storage.get_range(path, range.clone()).await.unwrap();
        assert_eq!(found, expected.as_bytes(), "{range:?}");
    }
    let (from, until) = (6, 4);
    for range in [10..11, 50..60, 5..5, from..until, 10..u64::MAX] {
        let found = storage.get_range(path, range.clone()).await.unwrap();
        assert!(found.is_empty(), "{range:?}");
    }
    put(storage, "contract/range/none", "").await;
    assert!(
        storage
            .get_range("contract/range/none", 0..1)
            .await
            .unwrap()
            .is_empty()
    );
    assert!(storage.get("contract/range/none").await.unwrap().is_empty());
}

async fn copies_replace_and_stand_alone(storage: &Storage) {
    let (from, to) = ("contract/copy/from", "contract/copy/far/away/to");
    put(storage, from, "first").await;
    for _ in 0..2 {
        storage.copy(from, to).await.unwrap();
        assert_eq!(storage.get(to).await.unwrap(), "first".as_bytes());
    }
    put(storage, to, "other").await;
    assert_eq!(storage.get(from).await.unwrap(), "first".as_bytes());
    storage.copy(from, to).await.unwrap();
    assert_eq!(storage.get(to).await.unwrap(), "first".as_bytes());
    put(storage, from, "second").await;
    assert_eq!(storage.get(to).await.unwrap(), "first".as_bytes());
    storage.delete(from).await.unwrap();
    assert_eq!(storage.get(to).await.unwrap(), "first".as_bytes());
    assert_eq!(storage.list("contract/copy").await.unwrap().len(), 1);
    let absent = storage.copy("contract/copy/nothing", to).await.unwrap_err();
    assert!(matches!(absent, Error::NotFound { .. }), "{absent}");
    assert_eq!(storage.get(to).await.unwrap(), "first".as_bytes());
}

async fn listings_are_complete_and_in_order(storage: &Storage) {
    let paths = ["z", "b/2", "b/10", "a", "b/c/d", "bb", "b.json"];
    for path in paths {
        put(storage, &format!("contract/list/{path}"), path).await;
    }
    let listed = storage.list("contract/list").await.unwrap();
    let found: Vec<_> = listed.iter().map(|object| object.path.as_str()).collect();
    let mut expected = paths.map(|path| format!("contract/list/{path}"));
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(listed[1].size_bytes, "b.json".len() as u64);
    let names = storage.names("contract/list").await.unwrap();
    assert_eq!(names, ["a", "b", "b.json", "bb", "z"]);
    assert_eq!(
        storage.names("contract/list/b").await.unwrap(),
        ["10", "2", "c"]
    );
    for nothing in ["contract/list/nothing", "contract/list/a", "contract/li"] {
        assert!(storage.list(nothing).await.unwrap().is_empty(), "{nothing}");
        assert!(
            storage.names(nothing).await.unwrap().is_empty(),
            "{nothing}"
        );
    }
    // The root shows what callers wrote, and nothing of storage itself.
    assert_eq!(storage.names("").await.unwrap(), ["contract"]);
    let all = storage.list("").await.unwrap();
    assert!(
        all.iter()
            .all(|object| object.path.starts_with("contract/")),
        "{all:?}"
    );
}

async fn names_come_back_as_they_were_given(storage: &Storage) {
    let names = [
        "a b", "a%20b", "a~b", "[x]{y}", "ä€", "a+b&c=d", "a#b", "it's",
    ];
    for name in names {
        let path = format!("contract/names/{name}");
        put(storage, &path, name).await;
        storage
            .update_json(&format!("{path}.json"), |_: Option<u64>| Some(1))
            .await
            .unwrap();
        assert_eq!(
            storage
                .get_json::<u64>(&format!("{path}.json"))
                .await
                .unwrap(),
            1
        );
    }
    let listed = storage.list("contract/names").await.unwrap();
    assert_eq!(listed.len(), 2 * names.len(), "{listed:?}");
    for object in &listed {
        assert_eq!(storage.size(&object.path).await.unwrap(), object.size_bytes);
    }
    let found = storage.names("contract/names").await.unwrap();
    for name in names {
        assert!(
            found.iter().any(|found| found == name),
            "{name} in {found:?}"
        );
        let content = storage
            .get(&format!("contract/names/{name}"))
            .await
            .unwrap();
        assert_eq!(content, name.as_bytes());
    }
}

async fn what_is_absent_is_not_found(storage: &Storage) {
    let path = "contract/absent/nothing";
    let errors = [
        storage.get(path).await.unwrap_err(),
        storage.get_range(path, 0..1).await.unwrap_err(),
        storage.size(path).await.unwrap_err(),
        storage.get_json::<u64>(path).await.unwrap_err(),
        // A folder is no object.
        storage.get("contract").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
    }
    assert!(!storage.exists(path).await.unwrap());
    assert_eq!(storage.find_json::<u64>(path).await.unwrap(), None);
    storage.delete(path).await.unwrap();
    put(storage, path, "now").await;
    storage.delete(path).await.unwrap();
    storage.delete(path).await.unwrap();
    assert!(!storage.exists(path).await.unwrap());
}

async fn what_cannot_be_named_is_refused(storage: &Storage) {
    for path in [
        "", "../up", "a/../b", "a//b", "/a", "a/", ".locks/a", "a#1", "a\nb",
    ] {
        let refused = storage.put(path, Vec::new().into()).await.unwrap_err();
        assert!(matches!(refused, Error::Url { .. }), "{path:?}: {refused}");
        let refused = storage.delete(path).await.unwrap_err();
        assert!(matches!(refused, Error::Url { .. }), "{path:?}: {refused}");
        let absent = storage.get(path).await.unwrap_err();
        assert!(
            matches!(absent, Error::NotFound { .. }),
            "{path:?}: {absent}"
        );
    }
    assert!(storage.list("..").await.is_err() && storage.names(".locks").await.is_err());
}

async fn broken_json_names_its_path(storage: &Storage) {
    let path = "contract/broken/half.json";
    put(storage, path, "{\"half\": ").await;
    let read = storage
        .find_json::<serde_json::Value>(path)
        .await
        .unwrap_err();
    assert!(
        matches!(&read, Error::Corrupt { path: named, .. } if named == path),
        "{read}"
    );
    let change = |old: Option<serde_json::Value>| old;
    let updated = storage.update_json(path, change).await.unwrap_err();
    assert!(
        matches!(&updated, Error::Corrupt { path: named, .. } if named == path),
        "{updated}"
    );
    assert_eq!(storage.size(path).await.unwrap(), 9);
}
