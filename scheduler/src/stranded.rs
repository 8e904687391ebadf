//! Jobs that no node of the farm can go on with, because their plans pin builds that no node has any
//! more, as after an update of all nodes. They are waited with for a while and then fail with a class,
//! so that somebody hears of them; a retry leads them back once such a node is there again. Nothing is
//! planned anew: a plan is written once, and what was made under it would not fit another.

use crate::Result;
use crate::farm::Farm;
use model::job::{JobFilter, JobRecord, Phase};
use model::node::{NodeRecord, builds_digest};
use model::task::{TaskRecord, TaskState};
use model::{Failure, FailureKind, JobId};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use store::Advance;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Shortest and longest pause between two rounds. A round reads the tasks of every job with a plan on
/// which nothing was done since the round before; with ten thousand waiting jobs that is some
/// thirty reads a second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(300));

/// Jobs read at a time.
const PAGE: u32 = 500;

/// Builds that are named in a failure.
const NAMED_MAX: usize = 8;

/// Since when this replica sees no node for a job.
type Since = HashMap<JobId, Instant>;

/// Fails stranded jobs until told to stop.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) {
    let pause = (farm.config.builds_wait / 8).clamp(PAUSES.0, PAUSES.1);
    let mut since = Since::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = sweep(&farm, &mut since, pause).await {
            warn!(%error, "jobs without fitting nodes could not be looked for");
        }
    }
}

async fn sweep(farm: &Farm, since: &mut Since, pause: Duration) -> Result<()> {
    let mut nodes = farm.nodes_alive().await?;
    // An unfit one still tries a chunk now and then, and may be mended.
    nodes.retain(|node| !node.is_draining());
    if nodes.is_empty() {
        // Nobody can say which builds the nodes will have that are to come.
        since.clear();
        return Ok(());
    }
    let filter = JobFilter {
        phases: vec![Phase::Processing, Phase::Packaging],
        ..JobFilter::default()
    };
    let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
    let quiet_since_ms = farm.store().now_ms().await?.saturating_sub(pause_ms);
    let quiet = |job: &&JobRecord| job.changed_at_ms <= quiet_since_ms;
    let (mut next, mut seen) = (String::new(), Since::new());
    loop {
        let page = farm.store().jobs(&filter, &next, PAGE).await?;
        for job in page.jobs.iter().filter(quiet) {
            let at = since.get(&job.id).copied();
            // One job that cannot be read hides no other.
            match look(farm, job, &nodes, at).await {
                Ok(Some(at)) => drop(seen.insert(job.id.clone(), at)),
                Ok(None) => {}
                Err(error) => {
                    warn!(job_id = %job.id, %error, "whether it waits in vain is not known");
                    seen.extend(at.map(|at| (job.id.clone(), at)));
                }
            }
        }
        if page.next.is_empty() {
            break;
        }
        next = page.next;
    }
    *since = seen;
    Ok(())
}

/// Since when a job waits in vain, if it does; fails the job when that is too long.
async fn look(
    farm: &Farm,
    job: &JobRecord,
    nodes: &[NodeRecord],
    at: Option<Instant>,
) -> Result<Option<Instant>> {
    if !is_stranded(&farm.store().tasks(&job.id).await?, nodes) {
        return Ok(None);
    }
    let at = at.unwrap_or_else(Instant::now);
    if at.elapsed() < farm.config.builds_wait {
        return Ok(Some(at));
    }
    fail(farm, job, nodes).await.map(|()| None)
}

/// Whether a job waits, and for nothing but nodes that are not there.
pub(crate) fn is_stranded(tasks: &[TaskRecord], nodes: &[NodeRecord]) -> bool {
    let mut open = tasks
        .iter()
        .filter(|task| task.state == TaskState::Open)
        .peekable();
    let waits_in_vain = |task: &TaskRecord| {
        let fits = |node: &NodeRecord| builds_digest(&node.info.builds) == task.builds;
        let held = task.chunks.iter().any(|chunk| chunk.lease.is_some());
        !held && !task.builds.is_empty() && !nodes.iter().any(fits)
    };
    open.peek().is_some() && open.all(waits_in_vain)
}

async fn fail(farm: &Farm, job: &JobRecord, nodes: &[NodeRecord]) -> Result<()> {
    let plan = farm.plan(&job.id).await.unwrap_or_else(|error| {
        warn!(job_id = %job.id, %error, "its plan cannot be read");
        None
    });
    let pinned = plan.iter().flat_map(|plan| &plan.builds);
    let missing: Vec<String> = pinned
        .filter(|(name, build)| {
            !nodes
                .iter()
                .any(|n| n.info.builds.get(*name) == Some(*build))
        })
        .map(|(name, build)| format!("{name} {build}"))
        .take(NAMED_MAX)
        .collect();
    let message = format!(
        "no node has the builds that the plan pins ({}); retry when one has, or submit the title anew",
        missing.join(", ")
    );
    let advance = Advance {
        from: job.phase,
        to: Phase::Failed,
        add: Vec::new(),
        failure: Some(Failure::new(FailureKind::Unsupported, "builds", message)),
        title_version: None,
    };
    farm.advance(&job.id, &advance).await.map(|_| ())
}
