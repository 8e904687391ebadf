//! What driver, reaper and services share: the store, the storage, and who is to be woken. It decides
//! nothing; decisions are in `policy` and `lifecycle`.

use crate::config::Config;
use crate::driver::Troubles;
use crate::handle::PlanSummary;
use crate::handle::WorkSeen;
use crate::losses::Losses;
use crate::metrics::Metrics;
use crate::recover::Progress;
use crate::webhook;
use crate::{Error, Result};
use model::node::NodeRecord;
use model::plan::Plan;
use model::{JobId, layout};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Advance, Store};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Plans kept in memory: those of the jobs that a replica decides about at a time, several times over.
const PLANS_MAX: usize = 64;

/// Age up to which the list of nodes is taken from memory: every heartbeat asks whether its node
/// drains, and the answer may be a second late.
const NODES_AGE_MAX: Duration = Duration::from_secs(1);

/// Shared state of one scheduler process.
pub(crate) struct Farm {
    pub(crate) config: Config,
    /// Work for nodes may have appeared.
    pub(crate) work: Notify,
    /// A job may need a decision.
    pub(crate) attention: Notify,
    /// A notice may wait for its receiver.
    pub(crate) notices: Notify,
    /// What monitoring reads.
    pub(crate) metrics: Metrics,
    /// Nodes that wait to hear that they lost a lease.
    pub(crate) losses: Losses,
    /// The scheduler stops: long waits end.
    pub(crate) stopping: CancellationToken,
    plans: Mutex<HashMap<JobId, Arc<Plan>>>,
    pub(crate) summaries: Mutex<HashMap<JobId, PlanSummary>>,
    pub(crate) troubles: Troubles,
    recovery: Mutex<Option<Progress>>,
    nodes: Mutex<Option<(Instant, Arc<Vec<NodeRecord>>)>>,
    /// What monitoring read last.
    pub(crate) metrics_seen: tokio::sync::Mutex<Option<(Instant, String)>>,
    /// What was left to do, for autoscalers.
    pub(crate) work_seen: WorkSeen,
}

impl Farm {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            work: Notify::new(),
            attention: Notify::new(),
            notices: Notify::new(),
            metrics: Metrics::new(),
            losses: Losses::default(),
            stopping: CancellationToken::new(),
            plans: Mutex::new(HashMap::new()),
            summaries: Mutex::new(HashMap::new()),
            troubles: Troubles::default(),
            recovery: Mutex::new(None),
            nodes: Mutex::new(None),
            metrics_seen: tokio::sync::Mutex::new(None),
            work_seen: WorkSeen::default(),
        }
    }

    pub(crate) fn store(&self) -> &dyn Store {
        self.config.store.as_ref()
    }

    pub(crate) fn storage(&self) -> &storage::Storage {
        &self.config.storage
    }

    /// Takes a step; answers whether the job was still where the step starts. The one place where
    /// phases change, so that every change is logged and announced.
    pub(crate) async fn advance(&self, job: &JobId, advance: &Advance) -> Result<bool> {
        let taken = self.store().advance(job, advance).await?;
        if taken {
            self.work.notify_waiters();
            self.attention.notify_one();
        }
        if taken && advance.from != advance.to {
            self.metrics.phase(advance.to);
            if let Some(failure) = &advance.failure {
                self.metrics.job_failed(failure.kind);
            }
            info!(job_id = %job, from = %advance.from, to = %advance.to, "job changed phase");
            // The end of a job is announced when it has come to rest, as often as that takes.
            if !advance.to.is_final()
                && let Err(error) = self.announce(job).await
            {
                warn!(job_id = %job, %error, "phase change could not be announced");
            }
        }
        Ok(taken)
    }

    async fn announce(&self, job: &JobId) -> Result<()> {
        let record = self.store().job(job).await?;
        webhook::announce(self, &record).await
    }

    /// The plan of a job, if it has one.
    pub(crate) async fn plan(&self, job: &JobId) -> Result<Option<Arc<Plan>>> {
        if let Some(plan) = self.plans.lock().get(job) {
            return Ok(Some(plan.clone()));
        }
        let Some(plan) = self.storage().find_json::<Plan>(&layout::plan(job)).await? else {
            return Ok(None);
        };
        let plan = Arc::new(plan);
        remember(&mut self.plans.lock(), job, plan.clone());
        Ok(Some(plan))
    }

    /// Keeps the summary of a plan.
    pub(crate) fn remember_summary(&self, job: &JobId, summary: PlanSummary) {
        remember(&mut self.summaries.lock(), job, summary);
    }

    /// Nodes that showed a sign of life lately; at most a second old.
    pub(crate) async fn nodes(&self) -> Result<Arc<Vec<NodeRecord>>> {
        let fresh = |(at, _): &&(Instant, _)| at.elapsed() < NODES_AGE_MAX;
        if let Some((_, nodes)) = self.nodes.lock().as_ref().filter(fresh) {
            return Ok(nodes.clone());
        }
        let nodes = Arc::new(self.store().nodes(self.config.seen_within()).await?);
        *self.nodes.lock() = Some((Instant::now(), nodes.clone()));
        Ok(nodes)
    }

    /// Makes the next look at the nodes a fresh one.
    pub(crate) fn forget_nodes(&self) {
        *self.nodes.lock() = None;
    }

    /// Nodes whose leases would still hold.
    pub(crate) async fn nodes_alive(&self) -> Result<Vec<NodeRecord>> {
        let now_ms = self.store().now_ms().await?;
        let ttl_ms = u64::try_from(self.config.lease_ttl().as_millis()).unwrap_or(u64::MAX);
        let nodes = self.nodes().await?;
        let alive = |node: &&NodeRecord| node.seen_at_ms.saturating_add(ttl_ms) >= now_ms;
        Ok(nodes.iter().filter(alive).cloned().collect())
    }

    /// Notes how far the recovery is; `None` when there is none.
    pub(crate) fn recovers(&self, progress: Option<Progress>) {
        *self.recovery.lock() = progress;
    }

    /// How far the recovery is, while there is one.
    pub(crate) fn recovery(&self) -> Option<Progress> {
        *self.recovery.lock()
    }

    /// What to say of a job that the store does not know: during a recovery, that it may come, and also
    /// where it was accepted, because a lost store is not seen at once.
    pub(crate) async fn unknown(&self, job: &JobId, error: store::Error) -> Result<Error> {
        Ok(match self.recovery() {
            Some(Progress { done, all, .. }) => Error::Recovering { done, all },
            None if self.storage().exists(&layout::ticket(job)).await? => {
                Error::Recovering { done: 0, all: 0 }
            }
            None => error.into(),
        })
    }

    /// Refuses a new job when too many are open, or may be found to be by the recovery.
    pub(crate) async fn check_room(&self) -> Result<()> {
        let open = self.store().depth().await?.jobs;
        let limit = self.config.limits.jobs_max;
        if open >= limit {
            return Err(Error::Full { open, limit });
        }
        match self.recovery() {
            Some(progress) if progress.lost && open.saturating_add(progress.left()) >= limit => {
                let Progress { done, all, .. } = progress;
                Err(Error::Recovering { done, all })
            }
            _ => Ok(()),
        }
    }
}

/// Keeps what never changes of a job. Which other one makes room does not matter: it can be read again.
fn remember<T>(kept: &mut HashMap<JobId, T>, job: &JobId, value: T) {
    if kept.len() >= PLANS_MAX {
        let victim = kept.keys().next().cloned();
        victim.and_then(|victim| kept.remove(&victim));
    }
    kept.insert(job.clone(), value);
}

#[cfg(test)]
mod tests {
    use super::{Error, Farm, Progress};
    use crate::config::Config;
    use std::sync::Arc;
    use storage::{SourceRoots, Storage};
    use store::SystemClock;
    use store::memory::MemoryStore;

    #[tokio::test]
    async fn jobs_that_a_lost_store_may_get_back_take_room() {
        let storage = Storage::open("memory:").unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
        let mut config = Config::new(storage, store, SourceRoots::default());
        config.limits.jobs_max = 3;
        let farm = Farm::new(config);
        for (done, lost, has_room) in [
            (1, true, false),
            (2, true, true),
            (1, false, true),
            (4, true, true),
        ] {
            let all = 4;
            farm.recovers(Some(Progress { done, all, lost }));
            match farm.check_room().await {
                Ok(()) => assert!(has_room, "{done} {lost}"),
                Err(Error::Recovering { .. }) => assert!(!has_room, "{done} {lost}"),
                Err(error) => panic!("{error}"),
            }
        }
    }
}
