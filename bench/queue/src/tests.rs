//! A small run of every contestant: each unit is done once, by whoever; nothing is timed.

use crate::coordination::{Contestant, Options, measure};
use crate::server::Fsync;

#[tokio::test(flavor = "multi_thread")]
async fn every_contestant_does_each_unit_once() {
    if tests::require("redis-server").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        rounds: 1,
        holders: 4,
        units: 220,
        rate: 400,
        seconds: 1,
    };
    // It counts what is left of the one and what is done of the other, and fails where that differs.
    let found = measure(options, folder.path()).await.unwrap();
    let run = |fsync| {
        let runs = found.runs.iter().filter(move |run| run.fsync == fsync);
        runs.map(|run| run.contestant).collect::<Vec<_>>()
    };
    let all = Contestant::ALL.to_vec();
    assert_eq!(run(Fsync::EverySecond), all);
    assert_eq!(run(Fsync::Always), all);
    assert!(found.markdown().contains("| Magpie, chunks of 10 |"));
}
