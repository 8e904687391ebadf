//! What the farm page is told: the farm at one moment, small enough to be sent every second. A job of
//! many hours has thousands of segments; a page gets a strip of a few hundred cells for each task.

use crate::strip::Strip;
use model::job::{JobFilter, JobRecord, Phase};
use model::node::NodeRecord;
use model::qc::Verdict;
use model::{ChunkId, Failure, JobId, NodeId};
use scheduler::{Capacity, Handle, JobDetail, PlanSummary};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;

/// Jobs on the page, newest first; the rest is in `magpie jobs`.
const JOBS_SHOWN: u32 = 30;

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
    dead: Vec<Dead>,
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
    /// Ended jobs with the version they had: reading one anew costs storage requests.
    ended: HashMap<JobId, (u64, Arc<Job>)>,
}

impl Looker {
    /// Starts with nothing seen.
    pub(crate) fn new(handle: Handle) -> Self {
        Self {
            handle,
            ended: HashMap::new(),
        }
    }

    /// The farm now.
    pub(crate) async fn look(&mut self) -> scheduler::Result<Snapshot> {
        let listed = self
            .handle
            .jobs(&JobFilter::default(), "", JOBS_SHOWN)
            .await?;
        let mut jobs = Vec::with_capacity(listed.jobs.len());
        for record in &listed.jobs {
            jobs.push(self.job(record).await?);
        }
        self.ended
            .retain(|id, _| listed.jobs.iter().any(|record| record.id == *id));
        // Jobs that a person or the farm still has to do with come first.
        jobs.sort_by_key(|shown| match shown.job.phase {
            Phase::Review => 0,
            phase if !phase.is_final() => 1,
            _ => 2,
        });
        Ok(Snapshot {
            now_ms: self.handle.now_ms().await?,
            capacity: self.handle.capacity().await?,
            nodes: self.handle.nodes().await?,
            jobs,
            dead: self.dead().await?,
        })
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

    async fn dead(&self) -> scheduler::Result<Vec<Dead>> {
        let dead = self.handle.dead().await?.into_iter().take(DEAD_SHOWN);
        let shown = dead.map(|chunk| Dead {
            units: chunk.units.len(),
            attempts: chunk.failures.len(),
            dead_at_ms: chunk.dead_at_ms,
            last: chunk.failures.into_iter().next_back().map(|last| Attempt {
                node: last.node,
                failure: last.failure,
            }),
            chunk: chunk.chunk,
        });
        Ok(shown.collect())
    }
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
