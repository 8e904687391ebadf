//! What all attempts of an agent share.

use super::hashes::Hashes;
use crate::agent::Stop;
use crate::config::Config;
use crate::sandbox::Spares;
use crate::transfer::{BlockCache, Pieces, SourceReader, retrying};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt, stream};
use model::plan::{BuildIds, Plan, Ticket};
use model::{Failure, FailureKind, JobId, NodeId, layout};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use storage::{Source, SourceRoots, Storage};

/// Plans kept: a node works on few jobs at a time, and a plan of a long title is a megabyte.
const PLANS_MAX: usize = 4;

/// Jobs that are told of as at hand.
const AT_HAND_MAX: usize = 16;

/// Objects read or written at the same time by one task.
const PARALLEL: usize = 8;

/// Runs futures, several at a time, and gives their results in order; the first failure ends all.
/// They are boxed because a stream of closures over references is not `Send` in the eyes of the
/// compiler.
pub(crate) async fn in_order<T: Send>(
    futures: impl Iterator<Item = BoxFuture<'_, Result<T, Failure>>>,
) -> Result<Vec<T>, Failure> {
    let futures: Vec<_> = futures.collect();
    stream::iter(futures).buffered(PARALLEL).try_collect().await
}

/// A plan with the bytes that it was read from; workers get those.
pub(crate) struct LoadedPlan {
    /// The plan.
    pub(crate) plan: Plan,
    /// Its JSON.
    pub(crate) json: Bytes,
}

/// Plans by job, last read first.
type Plans = VecDeque<(JobId, Arc<LoadedPlan>)>;

/// What all attempts share; cheap to clone.
#[derive(Clone)]
pub(crate) struct Context {
    /// Storage.
    pub(crate) pieces: Pieces,
    /// Workers.
    pub(crate) spares: Spares,
    /// This node.
    pub(crate) node: NodeId,
    /// Longest time that a worker may make no progress.
    pub(crate) stall: Duration,
    /// Builds of this node.
    pub(crate) builds: Arc<BuildIds>,
    roots: Arc<SourceRoots>,
    cache: Arc<BlockCache>,
    plans: Arc<Mutex<Plans>>,
    at_hand: Arc<Mutex<VecDeque<JobId>>>,
    hashes: Arc<Hashes>,
}

impl Context {
    /// For an agent of this configuration.
    pub(crate) fn new(
        config: &Config,
        storage: Storage,
        spares: Spares,
        builds: &BuildIds,
    ) -> Self {
        Self {
            pieces: Pieces::new(storage),
            spares,
            node: config.node.clone(),
            stall: config.limits.stall,
            builds: Arc::new(builds.clone()),
            roots: Arc::new(config.roots.clone()),
            cache: Arc::new(BlockCache::new(config.cache_bytes)),
            plans: Arc::default(),
            at_hand: Arc::default(),
            hashes: Arc::default(),
        }
    }

    /// The ticket of a job.
    pub(crate) async fn ticket(&self, job: &JobId) -> Result<Ticket, Failure> {
        self.pieces.get_json(&layout::ticket(job)).await
    }

    /// The plan of a job.
    pub(crate) async fn plan(&self, job: &JobId) -> Result<Arc<LoadedPlan>, Failure> {
        let kept = self
            .plans
            .lock()
            .iter()
            .find(|(kept, _)| kept == job)
            .cloned();
        if let Some((_, plan)) = kept {
            return Ok(plan);
        }
        let path = layout::plan(job);
        let json = self.pieces.get(&path).await?;
        let plan = serde_json::from_slice(&json)
            .map_err(|e| Failure::new(FailureKind::Storage, "plan", format!("{path}: {e}")))?;
        let loaded = Arc::new(LoadedPlan { plan, json });
        let mut plans = self.plans.lock();
        plans.push_front((job.clone(), Arc::clone(&loaded)));
        plans.truncate(PLANS_MAX);
        Ok(loaded)
    }

    /// The plan of a job whose work must be done by the builds that the plan pins.
    pub(crate) async fn pinned_plan(&self, job: &JobId) -> Result<Arc<LoadedPlan>, Stop> {
        let loaded = self.plan(job).await?;
        if loaded.plan.builds == *self.builds {
            return Ok(loaded);
        }
        let message = format!(
            "the plan pins {:?}, this node has {:?}",
            loaded.plan.builds, self.builds
        );
        Err(Failure::new(FailureKind::NodeFault, "builds", message).into())
    }

    /// Opens a source by URL.
    pub(crate) async fn source(&self, url: &str) -> Result<Source, Failure> {
        retrying(|| Source::open(url, &self.roots))
            .await
            .map_err(|e| Failure::new(e.kind(), "source", e.to_string()))
    }

    /// Ranges of a source, for a worker.
    pub(crate) fn reader(&self, source: Source) -> SourceReader {
        SourceReader::new(source, Arc::clone(&self.cache))
    }

    /// SHA-256 of the source of a job, read anew.
    pub(crate) async fn hash(&self, job: &JobId, source: &Source) -> Result<String, Failure> {
        let sha256 = hash(source).await?;
        self.hashes.keep(source, &sha256);
        self.note_at_hand(job);
        Ok(sha256)
    }

    /// The source of a planned job, for a worker; its content must be what the probe saw.
    pub(crate) async fn planned_source(&self, plan: &Plan) -> Result<SourceReader, Failure> {
        let source = self.source(&plan.source_url).await?;
        let changed = |what: String| {
            let message = format!(
                "{} was changed since it was probed: {what}",
                plan.source_url
            );
            Failure::new(FailureKind::BadInput, "source", message)
        };
        let (size, probed) = (source.size_bytes(), plan.source_size_bytes);
        if size != probed {
            return Err(changed(format!("it has {size} bytes and had {probed}")));
        }
        let sha256 = self.hashes.get_or_make(&source, hash(&source)).await?;
        if sha256 != plan.source_sha256 {
            let probed = &plan.source_sha256;
            return Err(changed(format!("its hash is {sha256} and was {probed}")));
        }
        self.note_at_hand(&plan.job);
        Ok(self.reader(source))
    }

    fn note_at_hand(&self, job: &JobId) {
        let mut at_hand = self.at_hand.lock();
        at_hand.retain(|kept| kept != job);
        at_hand.push_front(job.clone());
        at_hand.truncate(AT_HAND_MAX);
    }

    /// Jobs whose source was read and checked here, the last one first: what costs most of starting on
    /// them is done.
    pub(crate) fn at_hand(&self) -> Vec<String> {
        self.at_hand.lock().iter().map(JobId::to_string).collect()
    }
}

async fn hash(source: &Source) -> Result<String, Failure> {
    retrying(|| source.sha256())
        .await
        .map_err(|e| Failure::new(e.kind(), "source", e.to_string()))
}
