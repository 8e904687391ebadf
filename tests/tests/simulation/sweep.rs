//! Many troubled farms one after the other, what they met, and which seeds show something that does not
//! hold.

use super::memory::Counts;
use super::random::Fnv;
use super::shape::Shape;
use super::world::{Outcome, run};
use super::{FIRST, SEEDS, number, record, say};
use serde_json::json;
use std::collections::BTreeMap;
use std::hash::Hasher;
use std::ops::Range;
use std::time::Instant;

/// Farms that one line of results tells of.
const BATCH: u64 = 500;

/// Failing seeds after which a sweep ends.
const FAILURES_MAX: usize = 5;

/// What some farms met together.
#[derive(Default)]
struct Met {
    test: String,
    seeds: u64,
    nodes: u64,
    jobs: u64,
    virtual_seconds: f64,
    counts: Counts,
    phases: BTreeMap<&'static str, u32>,
    disturbances: BTreeMap<&'static str, u64>,
    /// Hash of the logs of all farms, in order: equal where every farm went the same way.
    log: Fnv,
}

impl Met {
    fn of(test: &str) -> Self {
        Self {
            test: test.to_owned(),
            ..Self::default()
        }
    }

    fn add(&mut self, shape: &Shape, outcome: &Outcome) {
        self.seeds += 1;
        self.nodes += u64::from(shape.nodes);
        self.jobs += u64::from(shape.jobs);
        self.virtual_seconds += outcome.makespan;
        self.log.write(&outcome.log_hash.to_le_bytes());
        self.counts.add(&outcome.counts);
        for (phase, jobs) in &outcome.phases {
            *self.phases.entry(phase).or_default() += jobs;
        }
        for (kind, times) in &outcome.disturbances {
            *self.disturbances.entry(kind).or_default() += times;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.nodes += other.nodes;
        self.jobs += other.jobs;
        self.virtual_seconds += other.virtual_seconds;
        self.log.write(&other.log.finish().to_le_bytes());
        self.counts.add(&other.counts);
        for (phase, jobs) in &other.phases {
            *self.phases.entry(phase).or_default() += jobs;
        }
        for (kind, times) in &other.disturbances {
            *self.disturbances.entry(kind).or_default() += times;
        }
    }

    fn line(&self, seeds: &Range<u64>, failures: usize, seconds: f64) -> serde_json::Value {
        let counts = &self.counts;
        json!({
            "what": self.test, "first_seed": seeds.start, "seeds": self.seeds,
            "failures": failures, "nodes": self.nodes, "jobs": self.jobs,
            "virtual_hours": (self.virtual_seconds / 36.0).round() / 100.0,
            "wall_seconds": (seconds * 10.0).round() / 10.0,
            "events": counts.events, "store_calls": counts.calls,
            "grants": counts.grants, "steals": counts.steals, "yields": counts.yields,
            "commits": counts.accepted, "late_commits_adopted": counts.adopted,
            "commits_repeated": counts.already, "leases_lost": counts.lost,
            "leases_expired": counts.expired, "attempts_failed": counts.failed,
            "chunks_given_up": counts.buried,
            "phases": self.phases, "disturbances": self.disturbances,
            "log": format!("{:016x}", self.log.finish()),
        })
    }
}

/// Runs farms from many seeds, for a test of this name, and says what they met.
#[track_caller]
pub(super) fn sweep(test: &str, usual: u64, shape: impl Fn(u64) -> Shape) {
    let first = number(FIRST).unwrap_or(0);
    let seeds = first..first + number(SEEDS).unwrap_or(usual);
    let (started, mut all, mut failures) = (Instant::now(), Met::of(test), Vec::new());
    for first in seeds.clone().step_by(BATCH as usize) {
        let batch = first..seeds.end.min(first + BATCH);
        let (batch_started, mut met, before) = (Instant::now(), Met::of(test), failures.len());
        for seed in batch.clone() {
            let shape = shape(seed);
            let outcome = run(&shape, None);
            met.add(&shape, &outcome);
            if !outcome.violations.is_empty() {
                say(&format!("seed {seed}: {:#?}", outcome.violations));
                record(
                    &json!({"what": "failure", "seed": seed, "violations": outcome.violations,
                    "last_events": outcome.last_events}),
                );
                failures.push(seed);
            }
        }
        let failed = failures.len() - before;
        record(&met.line(&batch, failed, batch_started.elapsed().as_secs_f64()));
        all.merge(&met);
        if failures.len() >= FAILURES_MAX {
            break;
        }
    }
    let line = all.line(&seeds, failures.len(), started.elapsed().as_secs_f64());
    say(&line.to_string());
    assert!(
        failures.is_empty(),
        "seeds {failures:?}; replay: {FIRST}={} {SEEDS}=1 cargo test -p tests --test simulation -- \
         --include-ignored --nocapture {test}",
        failures[0]
    );
}
