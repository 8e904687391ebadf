//! A scheduler in memory, with exactly the guarantees that the protocol states, and with the troubles
//! that a test asks for. Speaks gRPC over a pipe in memory.

use anyhow::{Context, Result};
use model::task::{Grant, TaskKind, Token, UnitRecord};
use model::{ChunkId, Failure, JobId, TaskId, TaskName};
use parking_lot::Mutex;
use proto::v1;
use proto::v1::node_service_server::{NodeService, NodeServiceServer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// One chunk.
pub(crate) struct Chunk {
    pub(crate) id: ChunkId,
    kind: TaskKind,
    next: u32,
    end: u32,
    claimed: BTreeSet<u32>,
    pub(crate) committed: BTreeMap<u32, UnitRecord>,
    token: u64,
    held: bool,
    /// How often its lease was taken away.
    losses: u32,
    pub(crate) failure: Option<Failure>,
}

impl Chunk {
    /// Whether nothing more will happen.
    pub(crate) fn is_finished(&self) -> bool {
        self.failure.is_some() || (self.next == self.end && self.claimed.is_empty())
    }

    fn holds(&self, token: Option<v1::Token>) -> bool {
        self.held && token.is_some_and(|token| token.counter == self.token)
    }

    /// Takes the lease away from its holder.
    pub(crate) fn lose(&mut self) {
        self.losses += 1;
        self.end_lease();
    }

    fn end_lease(&mut self) {
        self.held = false;
        self.token += 1;
        self.free();
    }

    fn free(&mut self) {
        if let Some(first) = self.claimed.pop_first() {
            self.next = self.next.min(first);
        }
        self.claimed.clear();
    }
}

/// What happens when a unit is claimed.
pub(crate) type OnClaim = Box<dyn FnMut(&mut State, u32) + Send>;

/// Everything it knows.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) registrations: u32,
    is_registered: bool,
    /// Why the node says that it takes no work.
    pub(crate) unfit: String,
    /// Whether it said that it ends.
    pub(crate) leaving: bool,
    /// Calls that will be answered with "unavailable".
    pub(crate) away_for: u32,
    /// Whether coming back means that nodes are forgotten.
    pub(crate) forgets: bool,
    pub(crate) refuses: bool,
    /// Storage that nodes are told to use, or none for one in memory.
    pub(crate) storage_url: Option<String>,
    pub(crate) answer_commits_with_conflict: bool,
    /// Memory without which a node is offered nothing.
    pub(crate) slot_bytes: u64,
    /// Most units of a chunk that were claimed and not committed at a time.
    pub(crate) claimed_max: usize,
    pub(crate) releases: u32,
    /// Distance of heartbeats that nodes are told, or none for a short one.
    pub(crate) heartbeat_ms: Option<u64>,
    pub(crate) renewals: u32,
    /// Whether each renewal is answered at once with the wish for another.
    pub(crate) wants_renewals: bool,
    /// Commits of a lease that was lost.
    pub(crate) adopted: u32,
    /// Whether each request for work wished to steal, in order.
    pub(crate) takes: Vec<bool>,
    /// Jobs that a request for work told of as at hand.
    pub(crate) at_hand: BTreeSet<String>,
    /// Others have nothing to do: one unit is claimed at a time.
    pub(crate) hungry: bool,
    /// Claims that were answered with `later`.
    pub(crate) later: u32,
    /// Requests for work that wait for an answer, and the most that ever did.
    takes_waiting: u32,
    pub(crate) takes_waiting_max: u32,
    pub(crate) on_claim: Option<OnClaim>,
}

impl State {
    fn check(&mut self) -> Result<(), Status> {
        if self.away_for == 0 {
            return Ok(());
        }
        self.away_for -= 1;
        if self.forgets {
            self.is_registered = false;
        }
        Err(Status::unavailable("away"))
    }

    fn known(&mut self) -> Result<(), Status> {
        self.check()?;
        if self.is_registered {
            Ok(())
        } else {
            Err(Status::not_found("unknown node"))
        }
    }

    fn losses(&self) -> u32 {
        self.chunks.iter().map(|chunk| chunk.losses).sum()
    }

    fn renew(&mut self, leases: &[v1::HeldLease], known: u32) -> Result<v1::RenewResponse, Status> {
        let mut held = Vec::new();
        for lease in leases {
            held.push(self.find(&lease.chunk)?.holds(lease.token));
        }
        Ok(v1::RenewResponse {
            again: self.wants_renewals || self.losses() > known || held.contains(&false),
            held,
            draining: false,
        })
    }

    fn find(&mut self, chunk: &str) -> Result<&mut Chunk, Status> {
        let mut chunks = self.chunks.iter_mut();
        let found = chunks.find(|known| known.id.to_string() == chunk);
        found.ok_or_else(|| Status::not_found(format!("no chunk {chunk}")))
    }
}

/// A request for work that waits for an answer.
struct Waiting(Arc<Mutex<State>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.lock().takes_waiting -= 1;
    }
}

/// The scheduler.
#[derive(Clone, Default)]
pub(crate) struct FakeScheduler {
    state: Arc<Mutex<State>>,
    changed: Arc<Notify>,
}

impl FakeScheduler {
    /// Adds a chunk.
    pub(crate) fn add(&self, job: &JobId, kind: TaskKind, units: u32) -> Result<()> {
        let task = TaskId::new(job.clone(), TaskName::new(kind.name())?);
        self.state.lock().chunks.push(Chunk {
            id: ChunkId { task, number: 0 },
            kind,
            next: 0,
            end: units,
            claimed: BTreeSet::new(),
            committed: BTreeMap::new(),
            token: 1,
            held: false,
            losses: 0,
            failure: None,
        });
        self.changed.notify_waiters();
        Ok(())
    }

    /// Looks at or changes what it knows.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock())
    }

    /// Waits until something holds, and fails after a minute.
    pub(crate) async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) -> Result<()> {
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if holds(&self.state.lock()) {
                    return;
                }
                changed.await;
            }
        });
        waited
            .await
            .with_context(|| format!("waited in vain: {what}"))
    }

    /// Waits until every chunk is finished.
    pub(crate) async fn until_finished(&self) -> Result<()> {
        self.until("all chunks finished", |state| {
            state.chunks.iter().all(Chunk::is_finished)
        })
        .await
    }

    /// A channel to it.
    pub(crate) fn channel(&self) -> Channel {
        let service = self.clone();
        let connect = tower::service_fn(move |_| {
            let service = NodeServiceServer::new(service.clone());
            async move {
                let (client, server) = tokio::io::duplex(64 << 10);
                let incoming = futures::stream::iter([Ok::<_, std::io::Error>(server)]);
                tokio::spawn(
                    Server::builder()
                        .add_service(service)
                        .serve_with_incoming(incoming),
                );
                Ok::<_, std::io::Error>(hyper_util::rt::TokioIo::new(client))
            }
        });
        Endpoint::from_static("http://scheduler.test").connect_with_connector_lazy(connect)
    }

    /// Counts a request for work as waiting until what it gives is dropped.
    fn begin_take(&self, steal: bool) -> Waiting {
        let mut state = self.state.lock();
        state.takes.push(steal);
        state.takes_waiting += 1;
        state.takes_waiting_max = state.takes_waiting_max.max(state.takes_waiting);
        drop(state);
        self.changed.notify_waiters();
        Waiting(Arc::clone(&self.state))
    }

    fn change<T>(
        &self,
        change: impl FnOnce(&mut State) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let result = change(&mut self.state.lock());
        self.changed.notify_waiters();
        result.map(Response::new)
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl NodeService for FakeScheduler {
    async fn register(
        &self,
        request: Request<v1::RegisterRequest>,
    ) -> Answer<v1::RegisterResponse> {
        let node = request.into_inner().node.unwrap_or_default();
        self.change(|state| {
            if state.refuses {
                return Err(Status::failed_precondition("another protocol"));
            }
            state.check()?;
            state.registrations += 1;
            state.is_registered = true;
            state.unfit = node.unfit;
            state.leaving = node.leaving;
            Ok(v1::RegisterResponse {
                lease_ttl_ms: 3000,
                heartbeat_ms: state.heartbeat_ms.unwrap_or(20),
                storage_url: state.storage_url.clone().unwrap_or("memory:".to_owned()),
            })
        })
    }

    async fn take(&self, request: Request<v1::TakeRequest>) -> Answer<v1::TakeResponse> {
        let request = request.into_inner();
        let _waiting = self.begin_take(request.steal);
        let wait = Duration::from_millis(u64::from(request.wait_ms));
        let deadline = tokio::time::Instant::now() + wait;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state.lock();
                state.known()?;
                state.at_hand.extend(request.at_hand.iter().cloned());
                let has_room = request.room_bytes() >= state.slot_bytes;
                let free = |chunk: &&mut Chunk| has_room && !chunk.held && !chunk.is_finished();
                if let Some(chunk) = state.chunks.iter_mut().find(free) {
                    chunk.held = true;
                    chunk.token += 1;
                    let grant = Grant {
                        chunk: chunk.id.clone(),
                        kind: chunk.kind.clone(),
                        units: chunk.next..chunk.end,
                        token: Token {
                            epoch: 1,
                            counter: chunk.token,
                        },
                        attempts: 0,
                        traceparent: String::new(),
                    };
                    let grant = Some((&grant).into());
                    return Ok(Response::new(v1::TakeResponse {
                        grant,
                        draining: false,
                    }));
                }
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Ok(Response::new(v1::TakeResponse {
                    grant: None,
                    draining: false,
                }));
            }
        }
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Answer<v1::ClaimResponse> {
        use v1::claim_response::Outcome;
        let request = request.into_inner();
        self.change(|state| {
            state.check()?;
            let answer = |outcome: Outcome, unit| v1::ClaimResponse {
                outcome: outcome.into(),
                unit,
            };
            let is_hungry = state.hungry;
            let chunk = state.find(&request.chunk)?;
            if !chunk.holds(request.token) {
                return Ok(answer(Outcome::Lost, 0));
            }
            while chunk.committed.contains_key(&chunk.next) {
                chunk.next += 1;
            }
            if chunk.next == chunk.end {
                return Ok(answer(Outcome::Drained, 0));
            }
            if chunk.claimed.len() == 2 {
                return Err(Status::failed_precondition("two units are claimed"));
            }
            if is_hungry && chunk.claimed.len() == 1 {
                state.later += 1;
                return Ok(answer(Outcome::Later, 0));
            }
            let unit = chunk.next;
            chunk.next += 1;
            chunk.claimed.insert(unit);
            let claimed = chunk.claimed.len();
            state.claimed_max = state.claimed_max.max(claimed);
            if let Some(mut hook) = state.on_claim.take() {
                hook(state, unit);
                state.on_claim = Some(hook);
            }
            // What the hook did to the scheduler decides whether the answer arrives.
            state.check()?;
            Ok(answer(Outcome::Unit, unit))
        })
    }

    async fn commit(&self, request: Request<v1::CommitRequest>) -> Answer<v1::CommitResponse> {
        use v1::commit_response::Outcome;
        let request = request.into_inner();
        self.change(|state| {
            state.check()?;
            let conflicts = state.answer_commits_with_conflict;
            let mut adopted = 0;
            let record = request
                .record
                .ok_or_else(|| Status::invalid_argument("no record"))?;
            let record = UnitRecord::try_from(record)
                .map_err(|e| Status::invalid_argument(e.to_string()))?;
            let chunk = state.find(&request.chunk)?;
            let outcome = match chunk.committed.get(&request.unit) {
                _ if conflicts => Outcome::Conflict,
                Some(known) if known.digest == record.digest => Outcome::Already,
                Some(_) => Outcome::Conflict,
                None => {
                    let held = chunk.holds(request.token);
                    chunk.committed.insert(request.unit, record);
                    if held {
                        Outcome::Accepted
                    } else {
                        adopted = 1;
                        Outcome::Adopted
                    }
                }
            };
            chunk.claimed.remove(&request.unit);
            state.adopted += adopted;
            Ok(v1::CommitResponse {
                outcome: outcome.into(),
            })
        })
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Answer<v1::RenewResponse> {
        let request = request.into_inner();
        let wait = Duration::from_millis(u64::from(request.wait_ms));
        let deadline = tokio::time::Instant::now() + wait;
        let known = self.change(|state| {
            state.renewals += 1;
            state.known()?;
            Ok(state.losses())
        });
        let known = known?.into_inner();
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let answer = self.state.lock().renew(&request.leases, known)?;
            if answer.again || tokio::time::timeout_at(deadline, changed).await.is_err() {
                return Ok(Response::new(answer));
            }
        }
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answer<v1::ReleaseResponse> {
        let request = request.into_inner();
        self.change(|state| {
            state.check()?;
            state.releases += 1;
            let chunk = state.find(&request.chunk)?;
            if chunk.holds(request.token) {
                chunk.end_lease();
            }
            Ok(v1::ReleaseResponse {})
        })
    }

    async fn fail(&self, request: Request<v1::FailRequest>) -> Answer<v1::FailResponse> {
        let request = request.into_inner();
        self.change(|state| {
            state.check()?;
            let failure = request
                .failure
                .ok_or_else(|| Status::invalid_argument("no failure"))?;
            let chunk = state.find(&request.chunk)?;
            let accepted = chunk.holds(request.token);
            if accepted {
                chunk.failure = Some(
                    failure
                        .try_into()
                        .map_err(|e: proto::Error| Status::invalid_argument(e.to_string()))?,
                );
                chunk.end_lease();
            }
            Ok(v1::FailResponse { accepted })
        })
    }
}
