//! Jobs that no node of the farm can go on with, because their plans pin builds that no node has any
//! more, as after an update of all nodes, or take more memory than any has. They are waited with for a while and then fail with a class,
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

/// Shortest and longest pause between two rounds. A round looks at every open job, and reads the tasks of
/// those with a plan on which nothing was done since the round before.
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
    let quiet = |job: &&JobRecord| job.changed_at_ms <= quiet_since_ms && !job.paused;
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
    let Some(missing) = missing(&farm.store().tasks(&job.id).await?, nodes) else {
        return Ok(None);
    };
    let at = at.unwrap_or_else(Instant::now);
    if at.elapsed() < farm.config.builds_wait {
        return Ok(Some(at));
    }
    fail(farm, job, why(farm, job, missing, nodes).await)
        .await
        .map(|()| None)
}

/// What a job waits for that no node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// The builds that its plan pins.
    Builds,
    /// Memory for one of its chunks.
    Memory {
        /// What a slot takes for it.
        bytes: u64,
    },
}

/// What a job waits for, if it waits for nothing but nodes that are not there.
pub(crate) fn missing(tasks: &[TaskRecord], nodes: &[NodeRecord]) -> Option<Missing> {
    let open = tasks.iter().filter(|task| task.state == TaskState::Open);
    let missing = open.map(|task| {
        let held = task.chunks.iter().any(|chunk| chunk.lease.is_some());
        if held { None } else { missing_of(task, nodes) }
    });
    missing.reduce(Option::and).flatten()
}

fn missing_of(task: &TaskRecord, nodes: &[NodeRecord]) -> Option<Missing> {
    let builds = |node: &&NodeRecord| {
        task.builds.is_empty() || builds_digest(&node.info.builds) == task.builds
    };
    let mut fitting = nodes.iter().filter(builds).peekable();
    if fitting.peek().is_none() {
        return Some(Missing::Builds);
    }
    let bytes = task.slot_bytes;
    let is_large = |node: &NodeRecord| node.info.memory_bytes >= bytes;
    (!fitting.any(is_large)).then_some(Missing::Memory { bytes })
}

/// The failure of a job that waited in vain.
async fn why(farm: &Farm, job: &JobRecord, missing: Missing, nodes: &[NodeRecord]) -> Failure {
    if let Missing::Memory { bytes } = missing {
        let most = nodes.iter().map(|node| node.info.memory_bytes).max();
        let message = format!(
            "encoding takes {} MiB of memory in a slot, and no node has more than {}; retry when one has",
            bytes >> 20,
            most.unwrap_or(0) >> 20
        );
        return Failure::new(FailureKind::Exhausted, "memory", message);
    }
    let plan = farm.plan(&job.id).await.unwrap_or_else(|error| {
        warn!(job_id = %job.id, %error, "its plan cannot be read");
        None
    });
    let pinned = plan.iter().flat_map(|plan| &plan.builds);
    let gone: Vec<String> = pinned
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
        gone.join(", ")
    );
    Failure::new(FailureKind::Unsupported, "builds", message)
}

async fn fail(farm: &Farm, job: &JobRecord, failure: Failure) -> Result<()> {
    let advance = Advance {
        from: job.phase,
        to: Phase::Failed,
        add: Vec::new(),
        failure: Some(failure),
        title_version: None,
    };
    farm.advance(&job.id, &advance).await.map(|_| ())
}
