//! Everything that the memory store holds, and the indexes over it. An index is never changed by
//! itself: after a chunk's record changed, `index` derives its entries from the record.

use super::costs::Costs;
use super::lease::Watch;
use super::ordered::Ordered;
use super::outbox::Receiver;
use super::queue::{Queue, Tenant};
use super::record::{ChunkRecord, Job, Standing, Task};
use crate::error::{Error, Result};
use crate::rules::PACE_USUAL;
use model::node::NodeInfo;
use model::{ChunkId, JobId, NodeId, TenantId};
use std::collections::BTreeMap;

/// The whole store.
#[derive(Default)]
pub(super) struct State {
    pub(super) epoch: u32,
    pub(super) grants: u64,
    pub(super) accepted: u64,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Jobs by number, for listings.
    pub(super) numbers: BTreeMap<u64, JobId>,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    /// No node is silent for a day before this time.
    pub(super) silence_at_ms: u64,
    /// Queued chunks that may be granted, by the builds that they need.
    pub(super) queues: BTreeMap<String, Queue>,
    pub(super) tenants: BTreeMap<TenantId, Tenant>,
    /// What the tenant that was granted a chunk last had been served: where one starts that had nothing
    /// queued, so that nobody saves up for later.
    pub(super) level: f64,
    pub(super) costs: Costs,
    /// When one who asked went away with nothing last, and its room, by the builds of what it may have.
    pub(super) hungry: BTreeMap<String, (u64, u64)>,
    /// Jobs that nodes were told to yield for, until when.
    pub(super) summons: BTreeMap<NodeId, (JobId, u64)>,
    /// Queued chunks by the time before which they are not offered.
    pub(super) delayed: Ordered<ChunkId>,
    /// Held chunks with something to steal, richest first, by the builds that they need. Those whose
    /// holder has claimed nothing are not among them.
    pub(super) rich: BTreeMap<String, Ordered<ChunkId>>,
    /// Held chunks by the end of their lease.
    pub(super) leases: Ordered<ChunkId>,
    /// Who looks for ended leases.
    pub(super) watch: Watch,
    /// Dead chunks by time of death.
    pub(super) dead: Ordered<ChunkId>,
    pub(super) holders: BTreeMap<ChunkId, NodeId>,
    /// Queued chunks that may be granted by the node that held them last, in their order, and these nodes.
    pub(super) left: BTreeMap<NodeId, Ordered<ChunkId>>,
    pub(super) leavers: BTreeMap<ChunkId, NodeId>,
    /// Nodes by when a step of a job last ended leases of theirs.
    pub(super) losses: Ordered<NodeId>,
    /// Jobs that need a decision, by the time at which they may be handed out.
    pub(super) attention: Ordered<JobId>,
    pub(super) nudges: Ordered<JobId>,
    pub(super) receivers: BTreeMap<String, Receiver>,
    /// Receivers with a queue, by the time from which they may be served.
    pub(super) deliveries: Ordered<String>,
    /// Notices of all receivers, and those of each tenant's.
    pub(super) notices: usize,
    pub(super) tenant_notices: BTreeMap<String, usize>,
}

/// A registered node.
pub(super) struct Node {
    pub(super) info: NodeInfo,
    pub(super) builds: String,
    pub(super) seen_at_ms: u64,
    pub(super) draining: bool,
    /// Time that it takes for a unit, in millionths of what is expected; learned from its commits.
    pub(super) pace: u64,
}

impl State {
    pub(super) fn job(&self, id: &JobId) -> Result<&Job> {
        self.jobs.get(id).ok_or_else(|| unknown_job(id))
    }

    pub(super) fn job_mut(&mut self, id: &JobId) -> Result<&mut Job> {
        self.jobs.get_mut(id).ok_or_else(|| unknown_job(id))
    }

    /// The pace of a node, in millionths.
    pub(super) fn pace_of(&self, node: &NodeId) -> u64 {
        self.nodes.get(node).map_or(PACE_USUAL, |node| node.pace)
    }

    pub(super) fn task_mut(&mut self, id: &ChunkId) -> Option<&mut Task> {
        self.jobs
            .get_mut(&id.task.job)?
            .tasks
            .get_mut(&id.task.name)
    }

    pub(super) fn chunk(&self, id: &ChunkId) -> Option<&ChunkRecord> {
        let task = self.jobs.get(&id.task.job)?.tasks.get(&id.task.name)?;
        task.chunks.get(&id.number)
    }

    pub(super) fn chunk_mut(&mut self, id: &ChunkId) -> Option<&mut ChunkRecord> {
        self.task_mut(id)?.chunks.get_mut(&id.number)
    }

    /// Brings the indexes in line with the record of a chunk, which may be gone.
    pub(super) fn index(&mut self, id: &ChunkId, now_ms: u64) {
        self.unindex(id);
        self.enter(id, now_ms);
        self.rank(&id.task.job);
    }

    fn enter(&mut self, id: &ChunkId, now_ms: u64) {
        let Some(job) = self.jobs.get_mut(&id.task.job) else {
            return;
        };
        let Some(task) = job.tasks.get(&id.task.name) else {
            return;
        };
        let Some(record) = task.chunks.get(&id.number) else {
            return;
        };
        match (record.standing, &record.chunk.lease) {
            (Standing::Queued, _) if record.chunk.not_before_ms > now_ms => {
                self.delayed.set(id.clone(), record.chunk.not_before_ms);
            }
            (Standing::Queued, _) => {
                let queue = self.queues.entry(task.builds.clone()).or_default();
                queue.set(id.clone(), record.place);
                if let Some(node) = &record.last {
                    let left = self.left.entry(node.clone()).or_default();
                    left.set(id.clone(), record.place);
                    self.leavers.insert(id.clone(), node.clone());
                }
            }
            (Standing::Held, Some(lease)) => {
                self.leases.set(id.clone(), lease.expires_at_ms);
                self.holders.insert(id.clone(), lease.node.clone());
                job.held += 1;
                let tenant = job.record.tenant.clone();
                self.tenants.entry(tenant).or_default().held += 1;
                if record.is_offered() {
                    let rich = self.rich.entry(task.builds.clone()).or_default();
                    rich.set(id.clone(), u64::MAX - record.free_micros() as u64);
                }
            }
            (Standing::Dead { at_ms }, _) => self.dead.set(id.clone(), at_ms),
            (Standing::Parked | Standing::Held, _) => {}
        }
    }

    fn unindex(&mut self, id: &ChunkId) {
        for queue in self.queues.values_mut() {
            queue.remove(id);
        }
        for rich in self.rich.values_mut() {
            rich.remove(id);
        }
        for index in [&mut self.delayed, &mut self.leases, &mut self.dead] {
            index.remove(id);
        }
        if let Some(node) = self.leavers.remove(id)
            && let Some(left) = self.left.get_mut(&node)
        {
            left.remove(id);
            if left.is_empty() {
                self.left.remove(&node);
            }
        }
        if self.holders.remove(id).is_none() {
            return;
        }
        if let Some(job) = self.jobs.get_mut(&id.task.job) {
            job.held -= 1;
            if let Some(tenant) = self.tenants.get_mut(&job.record.tenant) {
                tenant.held -= 1;
            }
        }
    }

    /// Notes a change of a job that asks for a decision.
    pub(super) fn mark(&mut self, id: &JobId, now_ms: u64) {
        let Some(job) = self.jobs.get_mut(id) else {
            return;
        };
        job.record.version += 1;
        job.record.changed_at_ms = now_ms;
        job.marked = job.record.version;
        self.attention.add(id.clone(), now_ms);
    }
}

pub(super) fn unknown_job(id: &JobId) -> Error {
    Error::NotFound {
        what: "job",
        id: id.to_string(),
    }
}
