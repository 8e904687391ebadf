//! A node on which everything fails: it stops taking work and says so.

use crate::agent::Running;
use crate::fake_scheduler::FakeScheduler;
use crate::{Case, block_on, plans};
use anyhow::{Result, ensure};
use model::plan::{BuildIds, Plan};
use model::task::TaskKind;
use model::{FailureKind, JobId, layout};
use storage::{SourceRoots, Storage};

pub(crate) const CASES: &[Case] = &[(
    "a_node_on_which_everything_fails_takes_no_more_and_says_so",
    everything_fails,
)];

/// Failures in a row after which a node is unfit.
const ROW: usize = 5;

fn everything_fails() -> Result<()> {
    block_on(async {
        let storage = Storage::open("memory:")?;
        let scheduler = FakeScheduler::default();
        for number in 0..=ROW {
            let job = JobId::new(format!("job-{number}"))?;
            // Builds that this node does not have, which is its own fault.
            let plan = Plan {
                builds: BuildIds::new(),
                ..plans::empty(&job)?
            };
            storage.put_json(&layout::plan(&job), &plan).await?;
            scheduler.add(&job, TaskKind::Images, 1)?;
        }
        let running = Running::start(scheduler, &storage, SourceRoots::default())?;
        let scheduler = running.end_after(|state| !state.unfit.is_empty()).await?;
        scheduler.with(|state| {
            let said = state.unfit.as_str();
            ensure!(said.starts_with("5 attempts of 5 jobs"), "{said}");
            ensure!(said.contains("the plan pins"), "{said}");
            let failures = state
                .chunks
                .iter()
                .filter_map(|chunk| chunk.failure.as_ref());
            let failures: Vec<_> = failures.map(|failure| failure.kind).collect();
            ensure!(failures == [FailureKind::NodeFault; ROW], "{failures:?}");
            Ok(())
        })
    })
}
