//! Tests that need workers. A worker is this same file started anew, as in production, so the tests
//! need a `main` of their own that becomes a worker before anything else runs.

mod agent;
#[cfg(debug_assertions)]
mod containment;
mod crowds;
mod damage;
mod fake_scheduler;
mod fitness;
mod heartbeat;
mod memory;
mod pace;
mod plans;
mod tampering;
mod title;

use libtest_mimic::{Arguments, Trial};
use std::process::ExitCode;

/// A test: its name and what it does.
type Case = (&'static str, fn() -> anyhow::Result<()>);

fn main() -> ExitCode {
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == "worker")
    {
        return node_agent::worker::main();
    }
    #[cfg(debug_assertions)]
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == containment::SPINNER)
    {
        return containment::spin_for_ever();
    }
    damage::listen();
    let mut trials = containment();
    let cases = [
        agent::CASES,
        crowds::CASES,
        damage::CASES,
        fitness::CASES,
        heartbeat::CASES,
        memory::CASES,
        pace::CASES,
        title::CASES,
        tampering::CASES,
    ];
    trials.extend(cases.into_iter().flatten().map(trial));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial((name, run): &'static Case) -> Trial {
    Trial::test(*name, move || {
        run().map_err(|error| format!("{error:?}").into())
    })
}

#[cfg(debug_assertions)]
fn containment() -> Vec<Trial> {
    containment::CASES.iter().map(trial).collect()
}

/// Only debug builds of a worker can be told to misbehave; listed as ignored, so that it shows.
#[cfg(not(debug_assertions))]
fn containment() -> Vec<Trial> {
    vec![Trial::test("containment_is_tested_in_debug_builds", || Ok(())).with_ignored_flag(true)]
}

/// Runs a test's future on a runtime of its own.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
