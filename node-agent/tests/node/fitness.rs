//! A node on which everything fails: it stops taking work and says so.

use crate::agent::Running;
use crate::fake_scheduler::{FakeScheduler, State};
use crate::{Case, block_on, plans};
use anyhow::{Context, Result, ensure};
use model::job::Urgency;
use model::plan::{BuildIds, Plan, Ticket};
use model::profile::Profile;
use model::task::TaskKind;
use model::{FailureKind, JobId, TenantId, TitleId, layout};
use std::path::Path;
use storage::{SourceRoots, Storage};
use tempfile::TempDir;

pub(crate) const CASES: &[Case] = &[
    (
        "a_node_on_which_everything_fails_takes_no_more_and_says_so",
        everything_fails,
    ),
    (
        "a_source_that_is_not_there_makes_no_broken_node_fit",
        missing_source,
    ),
    (
        "what_a_worker_says_of_its_source_shows_that_workers_work",
        verdict,
    ),
];

/// Failures in a row after which a node is unfit.
const ROW: usize = 5;

/// Adds a job that fails by the node's own fault: its plan has builds that this node does not have.
async fn add_broken(scheduler: &FakeScheduler, storage: &Storage, number: usize) -> Result<()> {
    let job = JobId::new(format!("job-{number}"))?;
    let plan = Plan {
        builds: BuildIds::new(),
        ..plans::empty(&job)?
    };
    storage.put_json(&layout::plan(&job), &plan).await?;
    scheduler.add(&job, TaskKind::Images, 1)
}

fn everything_fails() -> Result<()> {
    block_on(async {
        let storage = Storage::open("memory:")?;
        let scheduler = FakeScheduler::default();
        for number in 0..=ROW {
            add_broken(&scheduler, &storage, number).await?;
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

/// Adds the probe of a file.
async fn add_probe(scheduler: &FakeScheduler, storage: &Storage, file: &Path) -> Result<()> {
    let job = JobId::new("probed")?;
    let ticket = Ticket {
        job: job.clone(),
        tenant: TenantId::new("tenant")?,
        title: TitleId::new("title")?,
        source_url: format!("file://{}", file.display()),
        sidecars: Vec::new(),
        profile: Profile::built_in("preview")?,
        urgency: Urgency::of(50),
        held_max: None,
        webhook_url: String::new(),
        traceparent: String::new(),
        accepted_at_ms: 0,
    };
    storage.put_json(&layout::ticket(&job), &ticket).await?;
    scheduler.add(&job, TaskKind::Probe, 1)
}

/// Broken jobs before the probe: one less than make a row.
const BEFORE: usize = ROW - 1;

/// An agent with broken jobs before and after the probe of a file. The folder ends with what is returned.
async fn around_a_probe(content: Option<&str>) -> Result<(Running, TempDir)> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().canonicalize()?;
    let file = place.join("source.mp4");
    if let Some(content) = content {
        std::fs::write(&file, content)?;
    }
    let storage = Storage::open("memory:")?;
    let scheduler = FakeScheduler::default();
    for number in 0..BEFORE {
        add_broken(&scheduler, &storage, number).await?;
    }
    add_probe(&scheduler, &storage, &file).await?;
    // An unfit node does not come to the second.
    for number in [ROW, ROW + 1] {
        add_broken(&scheduler, &storage, number).await?;
    }
    let roots = SourceRoots::new([place.to_str().context("a path in UTF-8")?])?;
    Ok((Running::start(scheduler, &storage, roots)?, folder))
}

fn blames_the_source(state: &State) -> Result<()> {
    let failure = state.chunks[BEFORE].failure.as_ref();
    let failure = failure.context("the probe did not fail")?;
    ensure!(failure.kind == FailureKind::BadInput, "{failure}");
    Ok(())
}

fn missing_source() -> Result<()> {
    block_on(async {
        let (running, _folder) = around_a_probe(None).await?;
        let scheduler = running.end_after(|state| !state.unfit.is_empty()).await?;
        scheduler.with(|state| blames_the_source(state))
    })
}

fn verdict() -> Result<()> {
    block_on(async {
        let (running, _folder) = around_a_probe(Some("this is no video\n")).await?;
        let scheduler = running.finish().await?;
        scheduler.with(|state| {
            ensure!(state.unfit.is_empty(), "{}", state.unfit);
            blames_the_source(state)
        })
    })
}
