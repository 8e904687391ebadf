//! A small run of every contestant: each unit is done once, by whoever; nothing is timed.

use crate::coordination::{self, Contestant};
use crate::server::Fsync;
use crate::{backlog, coordination::measure};

#[tokio::test(flavor = "multi_thread")]
async fn every_contestant_does_each_unit_once() {
    if tests::require("redis-server").is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let options = coordination::Options {
        rounds: 1,
        holders: 4,
        units: 220,
        rate: 400,
        seconds: 1,
        alone: false,
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

#[tokio::test(flavor = "multi_thread")]
async fn a_full_farm_refuses_and_an_urgent_job_starts_behind_a_queue() {
    let tools = ["redis-server", "ffmpeg"].map(tests::require);
    if tools.iter().any(Option::is_none) {
        return;
    }
    let magpie = tests::magpie_path().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let options = backlog::Options {
        jobs: 64,
        at_once: 4,
        slots: 2,
        clip_seconds: 12,
    };
    let found = backlog::measure(options, &magpie, folder.path()).await;
    let found = found.unwrap();
    assert!(found.refusal.contains("at most 65"), "{}", found.refusal);
    assert_eq!(found.retry_after_seconds, 30);
    assert_eq!((found.first.count, found.between.count), (16, 32));
    assert!(found.urgent.started_ms <= found.urgent.first_segment_ms);
    assert!(
        found
            .markdown()
            .contains("| submit, last 16, one at a time |")
    );
}
