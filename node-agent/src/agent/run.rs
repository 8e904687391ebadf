//! Start, run and end of an agent.

use super::health::Health;
use super::heartbeat;
use super::lease::Leases;
use super::link::{Bearer, Link};
use super::memory::Memory;
use super::slot::Slot;
use super::{Event, Observer};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::sandbox::{Confinement, Spares, Spawner};
use crate::tasks::Context;
use crate::{inventory, notify};
use std::sync::Arc;
use std::time::Duration;
use storage::Storage;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// How long an agent that ends tries to say so.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// How an agent is told to end.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    /// The first signal: take nothing new, finish what is claimed, hand the rest back.
    pub drain: CancellationToken,
    /// The second signal: kill the workers and hand everything back.
    pub kill: CancellationToken,
}

/// A node.
pub struct Agent {
    config: Config,
    channel: Channel,
    token: Option<String>,
    observer: Arc<dyn Observer>,
}

impl Agent {
    /// A node that works for the scheduler at the other end of a channel.
    pub fn new(config: Config, channel: Channel) -> Self {
        Self {
            config,
            channel,
            token: None,
            observer: Arc::new(|_: Event| ()),
        }
    }

    /// Shows a token with every call, for a scheduler that asks for one.
    pub fn with_token(mut self, token: Option<String>) -> Self {
        self.token = token;
        self
    }

    /// Tells somebody what happens.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Works until it is told to end. Fails when workers cannot be confined, when storage cannot be
    /// opened, or when the scheduler refuses the node; a scheduler that is away is waited for.
    pub async fn run(self, shutdown: Shutdown) -> Result<()> {
        let Self {
            config,
            channel,
            token,
            observer,
        } = self;
        let info = inventory::node_info(&config)?;
        let spares = confined(&config).await?;
        let bearer = token
            .as_deref()
            .map(Bearer::new)
            .transpose()?
            .unwrap_or_default();
        let link = Link::new(channel, bearer, info, Arc::clone(&observer));
        let registered = tokio::select! {
            () = shutdown.drain.cancelled() => return Ok(()),
            () = shutdown.kill.cancelled() => return Ok(()),
            registered = link.register() => registered?,
        };
        let storage = match &config.storage {
            Some(storage) => storage.clone(),
            None => Storage::join(&registered.storage_url)?,
        };
        let slots = link.info().slots;
        let memory = Arc::new(Memory::new(link.info().memory_bytes));
        let context = Context::new(&config, storage, spares, &link.info().builds);
        let leases = Leases::default();
        let stop = CancellationToken::new();
        let interval = Duration::from_millis(registered.heartbeat_ms.max(10));
        let drain = shutdown.drain.clone();
        let (kept, end) = (leases.clone(), stop.clone());
        let heartbeat = tokio::spawn(heartbeat::run(
            link.clone(),
            kept,
            interval,
            drain.clone(),
            end,
        ));
        let health = Arc::new(Health::default());
        let telling = Telling {
            link: link.clone(),
            health: Arc::clone(&health),
            drain: drain.clone(),
            stop: stop.clone(),
        };
        let telling = tokio::spawn(telling.run());
        let watchdog = tokio::spawn(notify::watchdog(stop.clone()));
        notify::ready();
        observer.observe(Event::Ready { slots });
        let take_wait = config.take_wait;
        let kill = shutdown.kill.clone();
        let slot = Slot {
            number: 0,
            link,
            leases,
            context,
            observer,
            health,
            memory,
            take_wait,
            drain,
            kill,
        };
        let ended = run_slots(&slot, slots, &shutdown).await;
        stop.cancel();
        drop((heartbeat.await, watchdog.await, telling.await));
        ended
    }
}

/// Registers the node anew whenever it becomes unfit or fit, and when it is told to end.
struct Telling {
    link: Link,
    health: Arc<Health>,
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Telling {
    async fn run(self) {
        let mut changes = self.health.changes();
        loop {
            tokio::select! {
                biased;
                () = self.drain.cancelled() => break,
                () = self.stop.cancelled() => return,
                _ = changes.changed() => {}
            }
            if !self.link.set_unfit(self.health.reason()) {
                continue;
            }
            tokio::select! {
                biased;
                () = self.drain.cancelled() => break,
                () = self.stop.cancelled() => return,
                told = self.link.register() => if let Err(error) = told {
                    tracing::warn!(%error, "the scheduler was not told whether this node is fit");
                },
            }
        }
        // The end of the agent waits for this.
        self.link.set_leaving();
        if tokio::time::timeout(FAREWELL_MAX, self.link.register())
            .await
            .is_err()
        {
            tracing::debug!("no scheduler was told that this node ends");
        }
    }
}

/// Starts one worker and ends it again: whether this host can confine workers as configured.
pub async fn prove_sandbox(config: &Config) -> Result<()> {
    confined(config).await.map(|_| ())
}

async fn confined(config: &Config) -> Result<Spares> {
    let spawner = Spawner::new(config.program.clone()).map_err(|e| Error::Worker {
        reason: e.to_string(),
    })?;
    let confinement = Confinement {
        sandbox: config.sandbox,
        limits: config.limits,
    };
    let spares = Spares::new(spawner, confinement, 1);
    spares.fill().await?;
    Ok(spares)
}

/// Runs all slots to their end; a slot that is refused drains the others.
async fn run_slots(slot: &Slot, slots: u32, shutdown: &Shutdown) -> Result<()> {
    let mut running = JoinSet::new();
    for number in 0..slots {
        running.spawn(
            Slot {
                number,
                ..slot.clone()
            }
            .run(),
        );
    }
    let stopping = tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                () = shutdown.drain.cancelled() => {}
                () = shutdown.kill.cancelled() => shutdown.drain.cancel(),
            }
            notify::stopping();
        }
    });
    let mut result = Ok(());
    while let Some(ended) = running.join_next().await {
        let ended = ended.unwrap_or_else(|panic| {
            Err(Error::Worker {
                reason: panic.to_string(),
            })
        });
        if let Err(error) = ended {
            shutdown.drain.cancel();
            result = Err(error);
        }
    }
    stopping.abort();
    result
}
