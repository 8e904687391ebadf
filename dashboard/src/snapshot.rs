//! What the farm page is told: the farm at one moment, small enough to be sent every second. A job of
//! many hours has thousands of segments; a page gets a strip of a few hundred cells for each task. Of
//! many jobs it gets those that wait longest for a person, those that nodes hold, and then the newest.

use crate::reviews::Reviews;
use crate::strip::Strip;
use model::job::{JobFilter, JobRecord, Phase};
use model::node::NodeRecord;
use model::qc::Verdict;
use model::{ChunkId, Failure, JobId, NodeId};
use scheduler::{Capacity, Handle, JobDetail, PlanSummary};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// Jobs on the page; the rest is in `magpie jobs`.
const JOBS_SHOWN: u32 = 30;

/// Of them, those that wait for a person and those that nodes hold: so many each, so that the newest
/// always have room.
const BUSY_SHOWN: usize = 10;

/// Dead chunks on the page, oldest first; the rest is in `magpie dlq list`.
const DEAD_SHOWN: usize = 50;

/// Findings of one verdict on the page: enough to judge by; all of them are in the job's report.
const FINDINGS_SHOWN: usize = 50;

/// The farm at one moment.
#[derive(Serialize)]
pub(crate) struct Snapshot {
    now_ms: u64,
    capacity: Capacity,
    nodes: Vec<NodeRecord>,
    jobs: Vec<Arc<Job>>,
    /// The listing of jobs goes on where the page ends.
    more_jobs: bool,
    /// Jobs that wait for a person and that the page does not show.
    more_reviews: usize,
    dead: Vec<Dead>,
    /// Dead chunks that the page does not show.
    more_dead: usize,
}

/// A job as the page shows it.
#[derive(Serialize)]
pub(crate) struct Job {
    job: JobRecord,
    tasks: Vec<Strip>,
    waiting_for: String,
    verdict: Option<Verdict>,
    plan: Option<PlanSummary>,
}

#[derive(Serialize)]
struct Dead {
    chunk: ChunkId,
    units: usize,
    attempts: usize,
    dead_at_ms: u64,
    last: Option<Attempt>,
}

#[derive(Serialize)]
struct Attempt {
    node: NodeId,
    failure: Failure,
}

/// Looks at the farm again and again, and keeps what cannot change between two looks.
pub(crate) struct Looker {
    handle: Handle,
    reviews: Reviews,
    /// Ended jobs with the version they had: reading one anew costs storage requests.
    ended: HashMap<JobId, (u64, Arc<Job>)>,
}

impl Looker {
    /// Starts with nothing seen.
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            reviews: Reviews::default(),
            ended: HashMap::new(),
        }
    }

    /// The farm now.
    pub(crate) async fn look(&mut self) -> scheduler::Result<Snapshot> {
        let nodes = self.handle.nodes().await?;
        let (listed, more_jobs) = self.listed(&nodes).await?;
        let mut jobs = Vec::with_capacity(listed.len());
        for record in &listed {
            jobs.push(self.job(record).await?);
        }
        self.ended
            .retain(|id, _| listed.iter().any(|record| record.id == *id));
        // Jobs that a person or the farm still has to do with come first.
        jobs.sort_by_key(|shown| match shown.job.phase {
            Phase::Review => 0,
            phase if !phase.is_final() => 1,
            _ => 2,
        });
        let (dead, more_dead) = self.dead().await?;
        Ok(Snapshot {
            now_ms: self.handle.now_ms().await?,
            capacity: self.handle.capacity().await?,
            nodes,
            jobs,
            more_jobs,
            more_reviews: self.reviews.left_out(&listed),
            dead,
            more_dead,
        })
    }

    /// The jobs that are shown, and whether there are more.
    async fn listed(&mut self, nodes: &[NodeRecord]) -> scheduler::Result<(Vec<JobRecord>, bool)> {
        let waiting = self.reviews.look(&self.handle).await?;
        let mut listed: Vec<_> = waiting.iter().take(BUSY_SHOWN).cloned().collect();
        for id in held(nodes) {
            if listed.iter().any(|known| known.id == id) {
                continue;
            }
            // One that ended and was forgotten since the node was asked is no loss.
            match self.handle.job(&id).await {
                Ok(record) => listed.push(record),
                Err(error) => tracing::debug!(job_id = %id, %error, "a held job is not shown"),
            }
        }
        let all = JobFilter::default();
        let newest = self.handle.jobs(&all, "", JOBS_SHOWN).await?;
        let mut more = !newest.next.is_empty();
        for record in newest.jobs {
            if listed.iter().any(|known| known.id == record.id) {
                continue;
            }
            if listed.len() == JOBS_SHOWN as usize {
                more = true;
                break;
            }
            listed.push(record);
        }
        Ok((listed, more))
    }

    async fn job(&mut self, record: &JobRecord) -> scheduler::Result<Arc<Job>> {
        if let Some((version, known)) = self.ended.get(&record.id)
            && *version == record.version
        {
            return Ok(Arc::clone(known));
        }
        let shown = match self.handle.detail(&record.id).await {
            Ok(detail) => Arc::new(Job::from(detail)),
            // One job that cannot be read must not hide the others.
            Err(error) => return Ok(Arc::new(Job::unread(record, &error))),
        };
        if shown.job.phase.is_final() {
            let known = (shown.job.version, Arc::clone(&shown));
            self.ended.insert(record.id.clone(), known);
        }
        Ok(shown)
    }

    /// The dead chunks that are shown, and how many are not.
    async fn dead(&self) -> scheduler::Result<(Vec<Dead>, usize)> {
        let dead = self.handle.dead().await?;
        let more = dead.len().saturating_sub(DEAD_SHOWN);
        let shown = dead.into_iter().take(DEAD_SHOWN).map(|chunk| Dead {
            units: chunk.units.len(),
            attempts: chunk.failures.len(),
            dead_at_ms: chunk.dead_at_ms,
            last: chunk.failures.into_iter().next_back().map(|last| Attempt {
                node: last.node,
                failure: last.failure,
            }),
            chunk: chunk.chunk,
        });
        Ok((shown.collect(), more))
    }
}

/// Jobs that nodes hold chunks of, each once.
fn held(nodes: &[NodeRecord]) -> Vec<JobId> {
    let mut held: Vec<JobId> = Vec::new();
    for chunk in nodes.iter().flat_map(|node| &node.holds) {
        if held.len() < BUSY_SHOWN && !held.contains(&chunk.task.job) {
            held.push(chunk.task.job.clone());
        }
    }
    held
}

impl Job {
    fn unread(record: &JobRecord, error: &scheduler::Error) -> Self {
        Self {
            job: record.clone(),
            tasks: Vec::new(),
            waiting_for: format!("its details, which could not be read: {error}"),
            verdict: None,
            plan: None,
        }
    }
}

impl From<JobDetail> for Job {
    fn from(detail: JobDetail) -> Self {
        let mut verdict = detail.verdict;
        if let Some(verdict) = &mut verdict {
            // What has to be judged comes before what is only noted, each in order of time.
            verdict
                .findings
                .sort_by_key(|finding| Reverse(finding.action));
            verdict.findings.truncate(FINDINGS_SHOWN);
        }
        Self {
            tasks: detail.tasks.iter().map(Strip::from).collect(),
            job: detail.job,
            waiting_for: detail.waiting_for,
            verdict,
            plan: detail.plan,
        }
    }
}

#[cfg(test)]
mod tests;
