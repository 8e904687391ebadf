//! Servers that lose something, and what waits for that.

use super::server::Server;
use crate::redis::{Lapses, RedisStore};
use crate::{Result, Store};
use std::time::Duration;

/// Longer than the pause between two looks, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Long enough for an operation that nothing keeps waiting.
const A_WHILE: Duration = Duration::from_millis(300);

async fn watch(server: &Server) -> (RedisStore, Lapses) {
    let store = RedisStore::open(&server.url(), "main", 1).await.unwrap();
    let lapses = store.lapses().await.unwrap();
    (store, lapses)
}

/// A store that has nothing to give back.
async fn settled(server: &Server, epoch: u32) -> (RedisStore, Lapses) {
    let (store, lapses) = watch(server).await;
    let lapse = lapses.open().expect("nobody has looked at a new server");
    store.raise_epoch(epoch).await.unwrap();
    lapses.settle(&lapse).await.unwrap();
    (store, lapses)
}

async fn is_kept_waiting(store: &RedisStore) -> bool {
    tokio::time::timeout(A_WHILE, store.now_ms()).await.is_err()
}

/// Asks until the connection is there again: a call that was under way when it broke is not repeated.
async fn raise(store: &RedisStore, epoch: u32) -> Result<()> {
    let raised = store.raise_epoch(epoch).await;
    if raised.is_err() {
        return store.raise_epoch(epoch).await;
    }
    raised
}

#[tokio::test]
async fn after_a_restart_everything_waits_for_a_new_epoch() {
    let Some(server) = Server::start() else {
        return;
    };
    let (store, mut lapses) = settled(&server, 2).await;
    assert_eq!(lapses.open(), None);
    assert!(!is_kept_waiting(&store).await);

    server.kill_and_restart();
    let lapse = tokio::time::timeout(SOON, lapses.next()).await.unwrap();
    assert!(is_kept_waiting(&store).await);
    raise(&store, 2).await.unwrap();
    assert!(is_kept_waiting(&store).await, "an epoch that was before");
    raise(&store, 3).await.unwrap();
    assert!(!is_kept_waiting(&store).await);
    assert_eq!(lapses.open(), Some(lapse.clone()), "jobs may be missing");
    lapses.settle(&lapse).await.unwrap();
    assert_eq!(lapses.open(), None);
    assert_eq!(watch(&server).await.1.open(), None, "it is settled for all");
}

#[tokio::test]
async fn a_restart_is_seen_also_by_who_comes_after_it() {
    let Some(server) = Server::start() else {
        return;
    };
    drop(settled(&server, 2).await);
    server.kill_and_restart();
    let (store, lapses) = watch(&server).await;
    assert!(lapses.open().is_some());
    assert!(is_kept_waiting(&store).await);
}

#[tokio::test]
async fn who_wrote_to_another_run_looks_also_where_others_have_settled() {
    let Some(server) = Server::start() else {
        return;
    };
    let (first, mut lapses) = settled(&server, 2).await;
    server.kill_and_restart();
    let (second, others) = watch(&server).await;
    // The first looks by itself within a second, but may not have done so yet.
    let lapse = others.open().unwrap();
    second.raise_epoch(3).await.unwrap();
    others.settle(&lapse).await.unwrap();
    tokio::time::timeout(SOON, lapses.next()).await.unwrap();
    assert!(is_kept_waiting(&first).await);
    assert!(!is_kept_waiting(&second).await);
}

#[tokio::test]
async fn a_flush_is_seen_and_a_lost_connection_is_no_lapse() {
    let Some(server) = Server::start() else {
        return;
    };
    let (store, mut lapses) = settled(&server, 2).await;
    let client = redis::Client::open(server.url()).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let kill = redis::cmd("CLIENT")
        .arg(&["KILL", "TYPE", "normal", "SKIPME", "yes"])
        .to_owned();
    kill.query_async::<()>(&mut other).await.unwrap();
    let asked = async { while store.now_ms().await.is_err() {} };
    tokio::time::timeout(SOON, asked).await.unwrap();
    assert_eq!(lapses.open(), None);

    let flush = redis::cmd("FLUSHALL");
    flush.query_async::<()>(&mut other).await.unwrap();
    tokio::time::timeout(SOON, lapses.next()).await.unwrap();
    assert!(is_kept_waiting(&store).await);
}

#[tokio::test]
async fn a_second_lapse_is_not_settled_with_the_first() {
    let Some(server) = Server::start() else {
        return;
    };
    let (store, mut lapses) = settled(&server, 2).await;
    server.kill_and_restart();
    let first = tokio::time::timeout(SOON, lapses.next()).await.unwrap();
    raise(&store, 3).await.unwrap();
    server.kill_and_restart();
    let second = async {
        while lapses.open() == Some(first.clone()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, second).await.unwrap();
    lapses.settle(&first).await.unwrap();
    assert!(lapses.open().is_some());
    assert!(is_kept_waiting(&store).await);
}

#[tokio::test]
async fn a_store_that_nobody_watches_waits_for_nothing() {
    let Some(server) = Server::start() else {
        return;
    };
    let store = RedisStore::open(&server.url(), "main", 1).await.unwrap();
    server.kill_and_restart();
    let asked = async { while store.now_ms().await.is_err() {} };
    tokio::time::timeout(SOON, asked).await.unwrap();
}
