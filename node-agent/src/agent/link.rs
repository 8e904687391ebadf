//! What an agent says to its scheduler. The one fact to know: a call that may be repeated is repeated
//! until it is answered, for as long as the agent lives, because work goes on while no scheduler is
//! there. This is the only place that does so.

use super::memory::Memory;
use crate::agent::{Event, Observer};
use crate::error::{Error, Result};
use crate::tasks::Context;
use crate::transfer::delay;
use model::node::NodeInfo;
use model::task::{Claim, Committed, Grant, Token, UnitRecord};
use model::{ChunkId, Failure};
use proto::v1;
use proto::v1::node_service_client::NodeServiceClient;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

/// A call that was not answered after so long is repeated.
const CALL_MAX: Duration = Duration::from_secs(15);

/// Shortest time between two requests for work of which the first found none: a scheduler that stops
/// answers at once although it was asked to wait.
const TAKE_PAUSE: Duration = Duration::from_millis(500);

/// Times that a scheduler may not know what a call is about, although the node has just registered.
const UNKNOWN_MAX: u32 = 2;

/// An answer or a status.
type Answered<T> = std::result::Result<T, Status>;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);

/// The token that the scheduler asks for, on every call.
#[derive(Clone, Default)]
pub(crate) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    /// Refuses a token that a header cannot hold.
    pub(crate) fn new(token: &str) -> Result<Self> {
        let value = format!("Bearer {token}").parse();
        let mut value: MetadataValue<Ascii> = value.map_err(|_| Error::Refused {
            reason: "the token has characters that no header can hold".to_owned(),
        })?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: Request<()>) -> Answered<Request<()>> {
        if let Some(token) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", token.clone());
        }
        Ok(request)
    }
}

type Client = NodeServiceClient<InterceptedService<Channel, Bearer>>;

/// The connection; cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    client: Client,
    info: Arc<NodeInfo>,
    builds_digest: Arc<str>,
    /// Whether a call failed since the last registration.
    away: Arc<AtomicBool>,
    observer: Arc<dyn Observer>,
    /// Held by the slot that asks for work.
    asking: Arc<Mutex<()>>,
    /// Why the node takes no work; empty while it does.
    unfit: Arc<parking_lot::Mutex<String>>,
    /// The node was told to end.
    leaving: Arc<AtomicBool>,
}

/// Answer to a request for work.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The work, if there was some.
    pub(crate) grant: Option<Grant>,
    /// The node was told to drain.
    pub(crate) draining: bool,
}

/// What to do with a status.
enum Outlook {
    /// Ask again.
    Retry,
    /// The scheduler does not know this node: register, then ask again.
    Register,
    /// It will not change.
    Refused,
}

fn outlook(status: &Status) -> Outlook {
    match status.code() {
        Code::NotFound => Outlook::Register,
        Code::InvalidArgument
        | Code::FailedPrecondition
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::Unimplemented
        | Code::AlreadyExists
        | Code::OutOfRange
        | Code::DataLoss => Outlook::Refused,
        _ => Outlook::Retry,
    }
}

fn refused(status: Status) -> Error {
    Error::Refused {
        reason: format!("{:?}: {}", status.code(), status.message()),
    }
}

fn unreadable(error: proto::Error) -> Error {
    Error::Refused {
        reason: format!("answer of the scheduler: {error}"),
    }
}

fn millis(wait: Duration) -> u32 {
    u32::try_from(wait.as_millis()).unwrap_or(u32::MAX)
}

impl Link {
    /// A connection of a node.
    pub(crate) fn new(
        channel: Channel,
        bearer: Bearer,
        info: NodeInfo,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let builds_digest = model::node::builds_digest(&info.builds).into();
        let away = Arc::new(AtomicBool::new(false));
        let client = NodeServiceClient::with_interceptor(channel, bearer);
        Self {
            client,
            info: Arc::new(info),
            builds_digest,
            away,
            observer,
            asking: Arc::default(),
            unfit: Arc::default(),
            leaving: Arc::default(),
        }
    }

    /// What this node said of itself.
    pub(crate) fn info(&self) -> &NodeInfo {
        &self.info
    }

    /// What the next registration says of why the node takes no work. True where that is new.
    pub(crate) fn set_unfit(&self, reason: String) -> bool {
        let mut unfit = self.unfit.lock();
        let is_new = *unfit != reason;
        *unfit = reason;
        is_new
    }

    /// What the next registration says of whether the node ends. True where that is new.
    pub(crate) fn set_leaving(&self) -> bool {
        !self.leaving.swap(true, Ordering::AcqRel)
    }

    /// Says what the node is, until a scheduler takes note of it.
    pub(crate) async fn register(&self) -> Result<v1::RegisterResponse> {
        let mut failures = 0;
        loop {
            let tried = tokio::time::timeout(CALL_MAX, self.register_once()).await;
            match tried.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))) {
                Ok(response) => {
                    if self.away.swap(false, Ordering::AcqRel) {
                        self.observer.observe(Event::Back);
                    }
                    return Ok(response);
                }
                Err(status) if matches!(outlook(&status), Outlook::Refused) => {
                    return Err(refused(status));
                }
                Err(status) => self.wait(&status, &mut failures).await,
            }
        }
    }

    async fn register_once(&self) -> Answered<v1::RegisterResponse> {
        let node = Some(v1::Node::from(&NodeInfo {
            unfit: self.unfit.lock().clone(),
            leaving: self.leaving.load(Ordering::Acquire),
            ..(*self.info).clone()
        }));
        let request = v1::RegisterRequest {
            node,
            protocol_version: proto::PROTOCOL_VERSION,
        };
        Ok(self.client.clone().register(request).await?.into_inner())
    }

    async fn wait(&self, status: &Status, failures: &mut u32) {
        if !self.away.swap(true, Ordering::AcqRel) {
            tracing::warn!(code = ?status.code(), reason = status.message(), "scheduler is away");
            self.observer.observe(Event::Away);
        }
        tokio::time::sleep(delay(*failures, FIRST_DELAY, DELAY_MAX)).await;
        *failures += 1;
    }

    /// Repeats a call until it is answered or refused. Says whether a try was left without an answer.
    async fn call<T, F, Fut>(&self, longest: Duration, call: F) -> Answered<(T, bool)>
    where
        F: Fn(Client) -> Fut,
        Fut: Future<Output = Answered<tonic::Response<T>>>,
    {
        let (mut failures, mut unknown) = (0, 0);
        loop {
            if self.away.load(Ordering::Acquire) {
                self.register()
                    .await
                    .map_err(|e| Status::aborted(e.to_string()))?;
            }
            let tried = tokio::time::timeout(longest, call(self.client.clone())).await;
            match tried.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer"))) {
                Ok(response) => return Ok((response.into_inner(), failures > 0)),
                Err(status) => match outlook(&status) {
                    Outlook::Refused => return Err(status),
                    // The node is unknown, or what the call is about: registering tells which.
                    Outlook::Register if unknown == UNKNOWN_MAX => return Err(status),
                    Outlook::Register => {
                        unknown += 1;
                        self.wait(&status, &mut failures).await;
                    }
                    Outlook::Retry => self.wait(&status, &mut failures).await,
                },
            }
        }
    }

    /// Asks for queued work, or for a part of what another slot holds, and waits up to `wait` for some.
    /// Of the idle slots of a node one asks at a time, so that the scheduler answers as many requests
    /// as there are nodes; the next asks once this one has its answer.
    pub(crate) async fn take(
        &self,
        wait: Duration,
        memory: &Memory,
        context: &Context,
    ) -> Result<Taken> {
        let _turn = self.asking.lock().await;
        let request = v1::TakeRequest {
            room_bytes: Some(memory.room()),
            at_hand: context.at_hand(),
            node: self.info.id.to_string(),
            builds_digest: self.builds_digest.to_string(),
            steal: true,
            wait_ms: millis(wait),
        };
        let call = |mut client: Client| {
            let request = request.clone();
            async move { client.take(request).await }
        };
        let soonest = Instant::now() + wait.min(TAKE_PAUSE);
        let (response, _) = self.call(wait + CALL_MAX, call).await.map_err(refused)?;
        let grant = response.grant.map(Grant::try_from).transpose();
        let taken = Taken {
            grant: grant.map_err(unreadable)?,
            draining: response.draining,
        };
        if taken.grant.is_none() && !taken.draining {
            tokio::time::sleep_until(soonest).await;
        }
        Ok(taken)
    }

    /// Claims the next unit. The second value is true when a unit may be claimed that nobody heard of,
    /// because a try was left without an answer.
    pub(crate) async fn claim(&self, chunk: &ChunkId, token: Token) -> Result<(Claim, bool)> {
        let call = |mut client: Client| {
            let request = v1::ClaimRequest {
                chunk: chunk.to_string(),
                token: Some(token.into()),
            };
            async move { client.claim(request).await }
        };
        match self.call(CALL_MAX, call).await {
            Ok((response, unsure)) => Ok((Claim::try_from(response).map_err(unreadable)?, unsure)),
            Err(status) => match status.code() {
                Code::NotFound => Ok((Claim::Lost, false)),
                // Too many are claimed, and this node holds fewer: answers were lost. What it has is
                // finished, and then the chunk is handed back, which frees the others.
                Code::FailedPrecondition => Ok((Claim::Drained, true)),
                _ => Err(refused(status)),
            },
        }
    }

    /// Says that a unit is done. Safe to repeat: the second time it was done before.
    pub(crate) async fn commit(
        &self,
        chunk: &ChunkId,
        token: Token,
        unit: u32,
        record: &UnitRecord,
    ) -> Result<Committed> {
        let call = |mut client: Client| {
            let request = v1::CommitRequest {
                chunk: chunk.to_string(),
                token: Some(token.into()),
                unit,
                record: Some(record.into()),
            };
            async move { client.commit(request).await }
        };
        match self.call(CALL_MAX, call).await {
            Ok((response, _)) => Committed::try_from(response).map_err(unreadable),
            Err(status) if status.code() == Code::NotFound => Ok(Committed::Gone),
            Err(status) => Err(refused(status)),
        }
    }

    /// Keeps leases, and waits up to `wait` to hear that one is lost; one try, because the next heartbeat
    /// is the next try.
    pub(crate) async fn renew(
        &self,
        leases: &[(ChunkId, Token)],
        wait: Duration,
    ) -> Answered<v1::RenewResponse> {
        let leases = leases
            .iter()
            .map(|(chunk, token)| (chunk, *token).into())
            .collect();
        let request = v1::RenewRequest {
            node: self.info.id.to_string(),
            leases,
            wait_ms: millis(wait),
        };
        let mut client = self.client.clone();
        let tried = tokio::time::timeout(wait + CALL_MAX, client.renew(request)).await;
        let tried = tried.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")));
        match tried {
            Ok(response) => Ok(response.into_inner()),
            Err(status) => {
                if !self.away.swap(true, Ordering::AcqRel) {
                    self.observer.observe(Event::Away);
                }
                Err(status)
            }
        }
    }

    /// Hands a chunk back.
    pub(crate) async fn release(&self, chunk: &ChunkId, token: Token) -> Result<()> {
        let call = |mut client: Client| {
            let request = v1::ReleaseRequest {
                chunk: chunk.to_string(),
                token: Some(token.into()),
            };
            async move { client.release(request).await }
        };
        self.call(CALL_MAX, call).await.map(|_| ()).map_err(refused)
    }

    /// Ends an attempt with a failure.
    pub(crate) async fn fail(
        &self,
        chunk: &ChunkId,
        token: Token,
        failure: &Failure,
    ) -> Result<()> {
        let call = |mut client: Client| {
            let request = v1::FailRequest {
                chunk: chunk.to_string(),
                token: Some(token.into()),
                failure: Some(failure.into()),
            };
            async move { client.fail(request).await }
        };
        self.call(CALL_MAX, call).await.map(|_| ()).map_err(refused)
    }
}
