//! Tests that need workers. A worker is this same file started anew, as in production, so the tests
//! need a `main` of their own that becomes a worker before anything else runs.

mod agent;
mod containment;
mod fake_scheduler;
mod plans;
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
    if std::env::args()
        .nth(1)
        .is_some_and(|first| first == containment::SPINNER)
    {
        return containment::spin_for_ever();
    }
    let cases = containment::CASES
        .iter()
        .chain(agent::CASES)
        .chain(title::CASES);
    let trials = cases.map(|(name, run)| {
        Trial::test(*name, move || {
            run().map_err(|error| format!("{error:?}").into())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

/// Runs a test's future on a runtime of its own.
fn block_on<T>(future: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(future)
}
