//! A simulation of whole farms: the real store, retry policy and lifecycle in virtual time, with nodes
//! that die, freeze and are cut off. One seed decides everything that happens, so a seed that fails can
//! be replayed; what must hold is in `witness` and `ledger`.

mod bell;
mod bound;
mod costs;
mod driver;
mod executor;
mod fairness;
mod ledger;
mod link;
mod makespan;
mod memory;
mod mutant;
mod mutants;
mod node;
mod people;
mod random;
mod reaper;
mod service;
mod shape;
mod sweep;
mod titles;
mod trouble;
mod witness;
mod world;

use shape::Shape;
use std::io::Write;
use sweep::sweep;
use world::{Outcome, run};

/// A farm to look at again, how many farms are looked at, from which seed on, and how many nodes have those
/// that are large.
const SEED: &str = "MAGPIE_SIMULATION_SEED";
const SEEDS: &str = "MAGPIE_SIMULATION_SEEDS";
const FIRST: &str = "MAGPIE_SIMULATION_FIRST";
const NODES: &str = "MAGPIE_SIMULATION_NODES";

/// A file to which lines of JSON are added that say what came of a run.
const RESULTS: &str = "MAGPIE_SIMULATION_RESULTS";

/// Adds a line to the file of results where there is one.
fn record(line: &serde_json::Value) {
    let Some(path) = std::env::var_os(RESULTS) else {
        return;
    };
    let file = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    let mut file = file.unwrap_or_else(|error| panic!("{RESULTS}: {error}"));
    writeln!(file, "{line}").expect("results can be written");
}

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number")),
    )
}

#[track_caller]
fn assert_clean(outcome: &Outcome) {
    let seed = outcome.seed;
    assert!(
        outcome.violations.is_empty(),
        "seed {seed}: {:#?}\nlast events: {:#?}\nreplay: {SEED}={seed} cargo test -p tests --test \
         simulation -- --nocapture one_seed",
        outcome.violations,
        outcome.last_events,
    );
}

#[test]
fn troubled_farms_lose_no_job_and_do_nothing_twice() {
    sweep("troubled_farms", 300, Shape::troubled);
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_SEEDS says how many"]
fn ten_thousand_troubled_farms_lose_no_job_and_do_nothing_twice() {
    sweep("ten_thousand", 10_000, Shape::troubled);
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_troubled_farms_lose_no_job_and_do_nothing_twice() {
    let nodes = number(NODES).unwrap_or(1_000) as u32;
    sweep("large_troubled", 3, |seed| {
        Shape::large_and_troubled(seed, nodes)
    });
}

#[test]
fn one_seed_can_be_replayed() {
    let seed = number(SEED).unwrap_or(7);
    let outcome = run(&Shape::troubled(seed), None);
    assert_clean(&outcome);
    let again = run(&Shape::troubled(seed), None);
    assert_eq!(
        outcome.log_hash, again.log_hash,
        "seed {seed} is not one run"
    );
    assert_ne!(
        outcome.log_hash,
        run(&Shape::troubled(seed + 1), None).log_hash
    );
    say(&format!(
        "seed {seed}: {:?}, log {:016x}",
        outcome.counts, outcome.log_hash
    ));
}
