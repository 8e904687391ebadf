//! What waits, in the order in which it is granted: tenants by the work that they got for their
//! weight, their jobs by urgency, the chunks of a job in their order. The docs of
//! [`crate::Store::take`] and [`crate::Store::claim`] say what holds.

use super::ordered::Ordered;
use super::record::ChunkRecord;
use super::state::State;
use crate::rules::{self, ELSEWHERE_MS, LEAD_SECONDS, LOOK_MAX, OLDEST_TURN, SUMMONS_MS};
use crate::{AT_HAND_MAX, Share, Want};
use model::{ChunkId, JobId, NodeId, TenantId};
use std::collections::{BTreeMap, BTreeSet};

/// What waits for nodes with certain builds.
#[derive(Default)]
pub(super) struct Queue {
    /// Queued chunks that may be granted now, in their order.
    chunks: BTreeMap<JobId, Ordered<ChunkId>>,
    /// Jobs with such chunks that may be granted one.
    ready: BTreeMap<TenantId, Ready>,
    /// Tenants of these jobs, by [`Tenant::score`].
    tenants: Ordered<TenantId>,
}

#[derive(Default)]
struct Ready {
    by_urgency: Ordered<JobId, String>,
    by_age: Ordered<JobId>,
}

/// A tenant as far as the queue knows it.
#[derive(Default)]
pub(super) struct Tenant {
    pub(super) share: Share,
    /// Whether its share was set.
    pub(super) is_set: bool,
    /// Expected seconds of the units that it claimed, over its weight; see [`State::level`].
    pub(super) served: f64,
    /// Chunks of it that are held.
    pub(super) held: u32,
    /// Grants of queued chunks.
    grants: u64,
}

impl Tenant {
    /// Orders tenants as what they were served does: it is never negative, and the bits of such numbers
    /// sort as they do.
    fn score(&self) -> u64 {
        self.served.to_bits()
    }
}

/// A job that some holders were told to yield for.
#[derive(Default)]
pub(super) struct Summons {
    until_ms: u64,
    told: usize,
}

/// Who asks, for what it may be given.
pub(super) struct Asks<'a> {
    pub(super) node: &'a NodeId,
    pub(super) builds: &'a str,
    pub(super) room_bytes: u64,
    /// Jobs whose source is at hand.
    pub(super) at_hand: &'a [JobId],
    pub(super) now_ms: u64,
}

impl<'a> Asks<'a> {
    pub(super) fn of(want: &'a Want, now_ms: u64) -> Self {
        Self {
            node: &want.node,
            builds: &want.builds,
            room_bytes: want.room_bytes,
            at_hand: &want.at_hand[..want.at_hand.len().min(AT_HAND_MAX)],
            now_ms,
        }
    }

    /// Names of the queues whose chunks the node may run.
    pub(super) fn offered(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let own = (!self.builds.is_empty()).then_some(self.builds);
        std::iter::once("").chain(own)
    }
}

impl Queue {
    pub(super) fn set(&mut self, id: ChunkId, place: u64) {
        let job = self.chunks.entry(id.task.job.clone()).or_default();
        job.set(id, place);
    }

    /// Brings a job in line: with a rank and a number where it may be granted, and gone where not.
    fn rank(&mut self, tenant: &TenantId, id: &JobId, place: Option<(&str, u64)>) {
        let place = place.filter(|_| self.chunks.contains_key(id));
        let Some((rank, number)) = place else {
            let Some(ready) = self.ready.get_mut(tenant) else {
                return;
            };
            ready.by_urgency.remove(id);
            ready.by_age.remove(id);
            if ready.by_urgency.is_empty() {
                self.ready.remove(tenant);
                self.tenants.remove(tenant);
            }
            return;
        };
        let ready = self.ready.entry(tenant.clone()).or_default();
        ready.by_urgency.set(id.clone(), rank.to_owned());
        ready.by_age.set(id.clone(), number);
    }

    pub(super) fn remove(&mut self, id: &ChunkId) {
        if let Some(chunks) = self.chunks.get_mut(&id.task.job) {
            chunks.remove(id);
            if chunks.is_empty() {
                self.chunks.remove(&id.task.job);
            }
        }
    }
}

impl State {
    /// Brings the order of jobs and tenants in line with the records, after a chunk of this job came,
    /// went or changed hands, or the job did.
    pub(super) fn rank(&mut self, id: &JobId) {
        let Some(job) = self.jobs.get(id) else {
            return;
        };
        let tenant = job.record.tenant.clone();
        let is_free = !job.record.paused && job.held < job.record.held_max.unwrap_or(u32::MAX);
        let rank = rules::rank(job.record.urgency, job.number);
        let place = is_free.then_some((rank.as_str(), job.number));
        let was_waiting = self.waits(&tenant);
        for queue in self.queues.values_mut() {
            queue.rank(&tenant, id, place);
        }
        if self.waits(&tenant) {
            let level = self.level;
            let served = &mut self.tenants.entry(tenant.clone()).or_default().served;
            if !was_waiting {
                *served = served.max(level);
            }
            self.place_tenant(&tenant);
        }
    }

    /// Brings the place of a tenant in the queues in line with what it was served.
    fn place_tenant(&mut self, name: &TenantId) {
        let score = self.tenants.get(name).map_or(0, Tenant::score);
        for queue in self.queues.values_mut() {
            if queue.ready.contains_key(name) {
                queue.tenants.set(name.clone(), score);
            }
        }
    }

    /// Forgets a tenant of which nothing is known that its next job would not bring anew.
    pub(super) fn forget_tenant(&mut self, name: &TenantId) {
        let is_idle = |tenant: &Tenant| tenant.held == 0 && !tenant.is_set;
        if !self.waits(name) && self.tenants.get(name).is_some_and(is_idle) {
            self.tenants.remove(name);
        }
    }

    /// Whether a job of the tenant waits for a node.
    fn waits(&self, tenant: &TenantId) -> bool {
        self.queues
            .values()
            .any(|queue| queue.ready.contains_key(tenant))
    }

    /// The queued chunk that comes first for the one who asks; a summons comes before the order.
    pub(super) fn find_queued(&mut self, asks: &Asks<'_>) -> Option<ChunkId> {
        let summoned = self.summons.remove(asks.node);
        let job = summoned.filter(|(_, until_ms)| *until_ms > asks.now_ms);
        let found = job
            .filter(|(job, _)| self.may_grant(job))
            .and_then(|(job, _)| self.find_of_job(&job, asks))
            .or_else(|| {
                let tenants = self.waiting_tenants(asks);
                tenants.into_iter().find_map(|tenant| {
                    let turn = self.tenants.get(&tenant).map_or(0, |tenant| tenant.grants);
                    let jobs =
                        self.waiting_jobs(&tenant, asks, (turn + 1).is_multiple_of(OLDEST_TURN));
                    jobs.iter().find_map(|job| self.find_of_job(job, asks))
                })
            })?;
        let tenant = self.jobs.get(&found.task.job)?.record.tenant.clone();
        let tenant = self.tenants.entry(tenant).or_default();
        tenant.grants += 1;
        self.level = self.level.max(tenant.served);
        Some(found)
    }

    /// Whether more of a job may be held: it is not paused, and it and its tenant are below their limits.
    pub(super) fn may_grant(&self, id: &JobId) -> bool {
        let Some(job) = self.jobs.get(id) else {
            return false;
        };
        !job.record.paused
            && job.held < job.record.held_max.unwrap_or(u32::MAX)
            && self.may_hold(&job.record.tenant)
    }

    /// Tenants with something that may be granted, the one first that got the least.
    fn waiting_tenants(&self, asks: &Asks<'_>) -> Vec<TenantId> {
        let mut first = BTreeSet::new();
        for builds in asks.offered() {
            let queue = self.queues.get(builds).into_iter();
            let tenants = queue.flat_map(|queue| queue.tenants.iter());
            let may = tenants.filter(|(_, name)| self.may_hold(name));
            first.extend(may.take(LOOK_MAX));
        }
        let names = first.into_iter().map(|(_, name)| name.clone());
        names.take(LOOK_MAX).collect()
    }

    /// Whether a tenant is below its limit.
    fn may_hold(&self, tenant: &TenantId) -> bool {
        let tenant = self.tenants.get(tenant);
        tenant.is_none_or(|tenant| tenant.held < tenant.share.held_max.unwrap_or(u32::MAX))
    }

    /// Jobs of the tenant with something that may be granted, by urgency or by age.
    fn waiting_jobs(&self, tenant: &TenantId, asks: &Asks<'_>, by_age: bool) -> Vec<JobId> {
        let mut jobs = BTreeSet::new();
        for builds in asks.offered() {
            let queue = self.queues.get(builds);
            let Some(ready) = queue.and_then(|queue| queue.ready.get(tenant)) else {
                continue;
            };
            if by_age {
                let oldest = ready.by_age.iter().take(LOOK_MAX);
                jobs.extend(oldest.map(|(number, job)| (format!("{number:020}"), job.clone())));
            } else {
                jobs.extend(ready.by_urgency.iter().take(LOOK_MAX).cloned());
            }
        }
        jobs.into_iter()
            .map(|(_, job)| job)
            .take(LOOK_MAX)
            .collect()
    }

    /// The first queued chunk of the job that the one who asks may have; one comes first of all that it
    /// held last, since what that needs is at hand there.
    fn find_of_job(&self, job: &JobId, asks: &Asks<'_>) -> Option<ChunkId> {
        let left = self.left.get(asks.node).into_iter();
        let mut own = left
            .flat_map(Ordered::iter)
            .take(LOOK_MAX)
            .filter(|(_, id)| id.task.job == *job && self.is_offered(id, asks));
        if let Some((_, id)) = own.find(|(_, id)| self.fits(id, asks)) {
            return Some(id.clone());
        }
        let mut found: Option<&(u64, ChunkId)> = None;
        for builds in asks.offered() {
            let queue = self.queues.get(builds);
            let chunks = queue.and_then(|queue| queue.chunks.get(job)).into_iter();
            let mut first = chunks.flat_map(Ordered::iter).take(LOOK_MAX);
            if let Some(fit) = first.find(|(_, id)| self.fits(id, asks)) {
                found = Some(found.map_or(fit, |best| std::cmp::min(best, fit)));
            }
        }
        found.map(|(_, id)| id.clone())
    }

    /// Whether the one who asks has the builds that the chunk needs.
    fn is_offered(&self, id: &ChunkId, asks: &Asks<'_>) -> bool {
        let job = self.jobs.get(&id.task.job);
        let task = job.and_then(|job| job.tasks.get(&id.task.name));
        task.is_some_and(|task| asks.offered().any(|builds| builds == task.builds))
    }

    /// Whether the one who asks has room for the chunk and need not avoid it.
    pub(super) fn fits(&self, id: &ChunkId, asks: &Asks<'_>) -> bool {
        let task = self
            .jobs
            .get(&id.task.job)
            .and_then(|job| job.tasks.get(&id.task.name));
        let Some((task, record)) = task.and_then(|task| Some((task, task.chunks.get(&id.number)?)))
        else {
            return false;
        };
        task.slot_bytes <= asks.room_bytes
            && !(avoids(record, asks.node)
                && self.has_elsewhere(asks, &task.builds, task.slot_bytes))
    }

    /// Whether another node could run it: seen of late, with fitting builds and memory, taking work.
    fn has_elsewhere(&self, asks: &Asks<'_>, builds: &str, slot_bytes: u64) -> bool {
        self.nodes.iter().any(|(id, other)| {
            id != asks.node
                && !other.draining
                && other.info.takes_work()
                && other.seen_at_ms + ELSEWHERE_MS > asks.now_ms
                && other.info.memory_bytes >= slot_bytes
                && (builds.is_empty() || other.builds == builds)
        })
    }

    /// Charges a claimed unit to the tenant of the job.
    pub(super) fn charge(&mut self, job: &JobId, micros: u64) {
        let Some(job) = self.jobs.get(job) else {
            return;
        };
        let name = job.record.tenant.clone();
        let tenant = self.tenants.entry(name.clone()).or_default();
        tenant.served += micros as f64 / 1e6 / f64::from(tenant.share.weight.max(1));
        self.place_tenant(&name);
    }

    /// Whether the holder of a chunk of this job shall hand it back for a job that comes first; if so, the
    /// node's next take is for that one.
    /// `node` is the holder if it has claimed a unit since it was granted the chunk.
    pub(super) fn yields(&mut self, job: &JobId, node: Option<&NodeId>, now_ms: u64) -> bool {
        let Some(record) = self.jobs.get(job).map(|job| &job.record) else {
            return false;
        };
        if record.paused {
            return true;
        }
        let Some(node) = node else {
            return false;
        };
        let known = self.nodes.get(node);
        let builds = known.map_or_else(String::new, |known| known.builds.clone());
        let asks = Asks {
            node,
            builds: &builds,
            room_bytes: known.map_or(u64::MAX, |known| known.info.memory_bytes),
            at_hand: &[],
            now_ms,
        };
        let urgency = record.urgency;
        let overtakes = |id: &JobId| {
            let other = self.jobs.get(id);
            other.is_some_and(|other| other.record.urgency.overtakes(urgency))
        };
        let own = self.waiting_jobs(&record.tenant, &asks, false);
        let urgent = own
            .into_iter()
            .take_while(overtakes)
            .find(|id| self.may_summon(id, &asks));
        let Some(first) = urgent.or_else(|| self.behind(&record.tenant, &asks)) else {
            return false;
        };
        if let Some(job) = self.jobs.get_mut(&first) {
            if job.summons.until_ms <= now_ms {
                job.summons.told = 0;
            }
            job.summons.until_ms = now_ms + SUMMONS_MS;
            job.summons.told += 1;
        }
        self.summons
            .insert(node.clone(), (first, now_ms + SUMMONS_MS));
        true
    }

    /// The first job of a tenant that is far behind this one.
    fn behind(&self, tenant: &TenantId, asks: &Asks<'_>) -> Option<JobId> {
        let served = |name: &TenantId| self.tenants.get(name).map_or(0.0, |known| known.served);
        let border = served(tenant) - LEAD_SECONDS;
        let behind = self.waiting_tenants(asks).into_iter();
        behind
            .take_while(|other| served(other) < border)
            .flat_map(|other| self.waiting_jobs(&other, asks, false))
            .find(|id| self.may_summon(id, asks))
    }

    /// Whether one more holder may be told to yield for the job, and the node may have a chunk of it.
    fn may_summon(&self, id: &JobId, asks: &Asks<'_>) -> bool {
        let Some(job) = self.jobs.get(id) else {
            return false;
        };
        let queues = self.queues.values();
        let queued: usize = queues
            .filter_map(|queue| queue.chunks.get(id))
            .map(Ordered::len)
            .sum();
        let is_open = job.summons.until_ms <= asks.now_ms || job.summons.told < queued;
        is_open && self.find_of_job(id, asks).is_some()
    }
}

/// Whether its last attempt failed on the node and shall be made elsewhere.
pub(super) fn avoids(record: &ChunkRecord, node: &NodeId) -> bool {
    record.chunk.avoid.as_ref() == Some(node)
}
