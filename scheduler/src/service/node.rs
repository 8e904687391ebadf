//! NodeService: what node agents say. A node's word about a unit is taken only together with its token.

use crate::farm::Farm;
use crate::policy::retry::{self, Tried};
use crate::{Error, Handle};
use model::node::NodeInfo;
use model::task::{Claim, Committed, Token, UnitRecord};
use model::{ChunkId, Failure, JobId, NodeId};
use proto::v1;
use proto::v1::node_service_server::NodeService;
use std::sync::Arc;
use std::time::Duration;
use store::{AT_HAND_MAX, Renewed, Steal, Want};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::{error, info, warn};

/// Longest pause between two looks for work that appeared without a word in this process, for a
/// request that has just come.
const LOOK_PAUSE: Duration = Duration::from_millis(500);

/// The same for a request that has found nothing for `PATIENT_AFTER`. A node waits in one request at a
/// time; in one of 20 s it looks 17 times, so 10,000 idle nodes cost the store 8,500 looks a second.
/// A Redis answers twice as many and more while there is little to steal; one with 32 chunks that nobody
/// may steal from answers about 3,000.
const PATIENT_LOOK_PAUSE: Duration = Duration::from_secs(2);

/// How long a request looks often: four looks or more.
const PATIENT_AFTER: Duration = Duration::from_secs(2);

/// Slots of one node: more than the cores of any host.
const SLOTS_MAX: u32 = 1_024;

/// Entries of a list that a node sends.
const ENTRIES_MAX: usize = 4_096;

/// Longest text that a node says of itself or of a unit.
const TEXT_BYTES_MAX: usize = 1 << 10;

/// Longest message of a failure; its evidence has a bound of its own.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

type Answer<T> = Result<Response<T>, Status>;

/// The service.
#[derive(Clone)]
pub(crate) struct NodeApi {
    farm: Arc<Farm>,
}

impl NodeApi {
    pub(crate) fn new(handle: &Handle) -> Self {
        Self {
            farm: handle.farm.clone(),
        }
    }

    async fn draining(&self, node: &NodeId) -> Result<bool, Error> {
        let nodes = self.farm.nodes().await?;
        Ok(nodes
            .iter()
            .any(|record| record.info.id == *node && record.draining))
    }

    /// Renews leases; answers of each whether it is still held.
    async fn renewed(
        &self,
        node: &NodeId,
        leases: &[(ChunkId, Token)],
    ) -> Result<Vec<bool>, Error> {
        let ttl = self.farm.config.lease_ttl();
        let renewed = self.farm.store().renew(node, ttl, leases).await?;
        let held = renewed.into_iter().map(|now| now == Renewed::Held);
        Ok(held.collect())
    }

    /// What a chunk has met before this attempt. Read from the store, because a node's own count would let
    /// a broken node decide how often it may try.
    async fn tried(&self, chunk: &ChunkId) -> Result<Tried, Error> {
        let tasks = self.farm.store().tasks(&chunk.task.job).await?;
        let mut chunks = tasks.iter().flat_map(|task| &task.chunks);
        let known = chunks.find(|known| known.id == *chunk);
        Ok(known.map_or_else(Tried::default, |known| Tried {
            attempts: known.attempts,
            room: known.room_attempts,
            silent: known.silent_attempts,
        }))
    }
}

/// Time until the next look of a request that has waited so long. A random part of it, up to a quarter,
/// is left out, so that requests that came together do not look together.
fn pause(waited: Duration, random: f64) -> Duration {
    let longest = if waited < PATIENT_AFTER {
        LOOK_PAUSE
    } else {
        PATIENT_LOOK_PAUSE
    };
    longest.mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0)
}

/// Jobs that a node has at hand; those past the bound are left out.
fn at_hand(jobs: Vec<String>) -> Result<Vec<JobId>, Error> {
    let jobs = jobs.into_iter().take(AT_HAND_MAX);
    jobs.map(|job| JobId::new(job).map_err(|e| rejected("at_hand", e)))
        .collect()
}

fn rejected(field: &'static str, reason: impl ToString) -> Error {
    Error::Rejected {
        field,
        reason: reason.to_string(),
    }
}

/// Chunk and token of a request.
fn lease(chunk: String, token: Option<v1::Token>) -> Result<(ChunkId, Token), Error> {
    Ok(v1::HeldLease { chunk, token }.read()?)
}

fn check_node(info: &NodeInfo) -> Result<(), Error> {
    if info.slots == 0 || info.slots > SLOTS_MAX {
        return Err(rejected(
            "node.slots",
            format!("{} is not 1 to {SLOTS_MAX}", info.slots),
        ));
    }
    let texts = [&info.host, &info.version, &info.cpu]
        .into_iter()
        .chain(&info.gpus);
    let builds = info.builds.iter().flat_map(|(name, build)| [name, build]);
    if info.gpus.len().max(info.builds.len()) > ENTRIES_MAX
        || texts.chain(builds).any(|text| text.len() > TEXT_BYTES_MAX)
    {
        return Err(rejected(
            "node",
            format!("holds a text above {TEXT_BYTES_MAX} bytes"),
        ));
    }
    Ok(())
}

#[tonic::async_trait]
impl NodeService for NodeApi {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Answer<v1::RegisterResponse> {
        let request = request.into_inner();
        if request.protocol_version != proto::PROTOCOL_VERSION {
            let (theirs, ours) = (request.protocol_version, proto::PROTOCOL_VERSION);
            let message = format!("node speaks protocol {theirs}, this scheduler {ours}");
            return Err(Status::failed_precondition(message));
        }
        let node = request.node.ok_or_else(|| rejected("node", "is missing"))?;
        let info = NodeInfo::try_from(node).map_err(Error::from)?;
        check_node(&info)?;
        self.farm
            .store()
            .register(&info)
            .await
            .map_err(Error::from)?;
        self.farm.forget_nodes();
        info!(node_id = %info.id, host = info.host, slots = info.slots, "node registered");
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Ok(Response::new(v1::RegisterResponse {
            lease_ttl_ms: millis(self.farm.config.lease_ttl()),
            heartbeat_ms: millis(self.farm.config.heartbeat),
            storage_url: self.farm.config.storage_url.clone(),
        }))
    }

    async fn take(&self, request: Request<v1::TakeRequest>) -> Answer<v1::TakeResponse> {
        let request = request.into_inner();
        let want = Want {
            node: NodeId::new(request.node).map_err(|e| rejected("node", e))?,
            builds: request.builds_digest,
            ttl: self.farm.config.lease_ttl(),
            room_bytes: request.room_bytes.unwrap_or(u64::MAX),
            at_hand: at_hand(request.at_hand)?,
            steal: if request.steal {
                Steal::WhenIdle
            } else {
                Steal::Never
            },
        };
        let wait = Duration::from_millis(u64::from(request.wait_ms));
        let asked = Instant::now();
        let deadline = asked + wait.min(self.farm.config.limits.take_wait_max);
        loop {
            let woken = self.farm.work.notified();
            tokio::pin!(woken);
            // Enabled before the look, so that work which appears in between is not slept through.
            woken.as_mut().enable();
            if let Some(grant) = self.farm.store().take(&want).await.map_err(Error::from)? {
                // There may be more where this came from.
                self.farm.work.notify_one();
                return Ok(Response::new(v1::TakeResponse {
                    grant: Some((&grant).into()),
                    draining: false,
                }));
            }
            let draining = self.draining(&want.node).await?;
            let left = deadline.saturating_duration_since(Instant::now());
            if draining || left.is_zero() || self.farm.stopping.is_cancelled() {
                return Ok(Response::new(v1::TakeResponse {
                    grant: None,
                    draining,
                }));
            }
            tokio::select! {
                () = woken => {}
                () = self.farm.stopping.cancelled() => {}
                () = tokio::time::sleep(left.min(pause(asked.elapsed(), rand::random()))) => {}
            }
        }
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer<v1::ClaimResponse> {
        let request = request.into_inner();
        let (chunk, token) = lease(request.chunk, request.token)?;
        let claim = self
            .farm
            .store()
            .claim(&chunk, token)
            .await
            .map_err(Error::from)?;
        if matches!(claim, Claim::Unit(_) | Claim::Later) {
            // A holder that has begun may be stolen from, and one that waits has left something.
            self.farm.work.notify_one();
        }
        Ok(Response::new(claim.into()))
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::CommitResponse> {
        let request = request.into_inner();
        let (chunk, token) = lease(request.chunk, request.token)?;
        let record = request
            .record
            .ok_or_else(|| rejected("record", "is missing"))?;
        let record = UnitRecord::try_from(record).map_err(Error::from)?;
        if record.digest.len().max(record.config_digest.len()) > TEXT_BYTES_MAX {
            return Err(rejected("record", "holds a digest that is too long").into());
        }
        let unit = request.unit;
        let store = self.farm.store();
        let committed = store
            .commit(&chunk, token, unit, &record)
            .await
            .map_err(Error::from)?;
        self.farm.metrics.committed(committed);
        match committed {
            Committed::Accepted | Committed::Adopted => {
                // A commit may end a task and so queue what waited for it, and need a decision.
                self.farm.work.notify_one();
                self.farm.attention.notify_one();
            }
            Committed::Conflict => {
                let node_id = &record.node;
                error!(%chunk, unit, %node_id, digest = record.digest, "commit contradicts another");
            }
            Committed::Already | Committed::Gone => {}
        }
        Ok(Response::new(committed.into()))
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Answer<v1::RenewResponse> {
        let request = request.into_inner();
        let node = NodeId::new(request.node).map_err(|e| rejected("node", e))?;
        if request.leases.len() > ENTRIES_MAX {
            return Err(rejected("leases", format!("more than {ENTRIES_MAX}")).into());
        }
        let leases: Result<Vec<_>, _> =
            request.leases.into_iter().map(|held| held.read()).collect();
        let leases = leases.map_err(Error::from)?;
        let wait = Duration::from_millis(u64::from(request.wait_ms));
        let deadline = Instant::now() + wait.min(self.farm.config.heartbeat);
        // Before the renewal, so that no loss falls between the two.
        let waiting = self.farm.losses.wait(&node);
        let told = waiting.told();
        let mut held = self.renewed(&node, &leases).await?;
        let mut again = held.contains(&false);
        if !again {
            again = tokio::select! {
                () = told => true,
                () = self.farm.stopping.cancelled() => false,
                () = tokio::time::sleep_until(deadline) => false,
            };
            if again {
                held = self.renewed(&node, &leases).await?;
            }
        }
        Ok(Response::new(v1::RenewResponse {
            held,
            draining: self.draining(&node).await?,
            again,
        }))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        let request = request.into_inner();
        let (chunk, token) = lease(request.chunk, request.token)?;
        self.farm
            .store()
            .release(&chunk, token)
            .await
            .map_err(Error::from)?;
        self.farm.work.notify_waiters();
        Ok(Response::new(v1::ReleaseResponse {}))
    }

    async fn fail(&self, request: Request<v1::FailRequest>) -> Answer<v1::FailResponse> {
        let request = request.into_inner();
        let (chunk, token) = lease(request.chunk, request.token)?;
        let failure = request
            .failure
            .ok_or_else(|| rejected("failure", "is missing"))?;
        let failure = Failure::try_from(failure).map_err(Error::from)?;
        if failure.message.len().max(failure.place.len()) > MESSAGE_BYTES_MAX {
            return Err(rejected("failure.message", "is too long").into());
        }
        let tried = self.tried(&chunk).await?;
        let disposition = retry::decide(failure.kind, tried, rand::random());
        let store = self.farm.store();
        let failed = store.fail(&chunk, token, &failure, disposition).await;
        let accepted = failed.map_err(Error::from)?;
        if accepted {
            let metrics = &self.farm.metrics;
            metrics.attempt_failed(failure.kind, &disposition);
            warn!(%chunk, ?tried, kind = %failure.kind, %failure, ?disposition, "attempt failed");
            self.farm.work.notify_waiters();
            self.farm.attention.notify_one();
        }
        Ok(Response::new(v1::FailResponse { accepted }))
    }
}

#[cfg(test)]
mod tests {
    use super::pause;
    use std::time::Duration;

    #[test]
    fn a_request_looks_every_half_second_then_every_two_seconds() {
        let ms = Duration::from_millis;
        assert_eq!(pause(ms(0), 0.0), ms(500));
        assert_eq!(pause(ms(1_999), 1.0), ms(375));
        assert_eq!(pause(ms(2_000), 0.0), ms(2_000));
        assert_eq!(pause(ms(19_000), 1.0), ms(1_500));
    }
}
