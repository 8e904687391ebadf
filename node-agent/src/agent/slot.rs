//! Room for one chunk: take, run, take again.

use super::attempt::{self, Attempt};
use super::health::{Health, Permit};
use super::lease::Leases;
use super::link::Link;
use super::memory::Memory;
use super::{Event, Observer};
use crate::error::Result;
use crate::tasks::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// What a slot works with.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) number: u32,
    pub(super) link: Link,
    pub(super) leases: Leases,
    pub(super) context: Context,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) health: Arc<Health>,
    pub(super) memory: Arc<Memory>,
    pub(super) take_wait: Duration,
    pub(super) drain: CancellationToken,
    pub(super) kill: CancellationToken,
}

impl Slot {
    /// Works until the agent drains. Fails only when the scheduler refuses the node.
    pub(super) async fn run(self) -> Result<()> {
        loop {
            let permit = tokio::select! {
                biased;
                () = self.drain.cancelled() => return Ok(()),
                permit = self.health.permit() => permit,
            };
            let taken = tokio::select! {
                biased;
                () = self.drain.cancelled() => return Ok(()),
                taken = self.link.take(self.take_wait, &self.memory, &self.context) => taken?,
            };
            match taken.grant {
                Some(grant) => self.work(grant, permit).await,
                None => drop(permit),
            }
            if taken.draining {
                self.drain.cancel();
            }
        }
    }

    async fn work(&self, grant: model::task::Grant, permit: Permit) {
        let span = tracing::info_span!(
            "attempt",
            job_id = %grant.chunk.task.job,
            task_id = %grant.chunk.task,
            attempt = grant.attempts,
            node_id = %self.link.info().id,
            slot = self.number,
            traceparent = %grant.traceparent,
        );
        span.in_scope(|| tracing::info!(chunk = %grant.chunk, units = ?grant.units, "chunk taken"));
        let (slot, chunk, kind) = (self.number, grant.chunk.clone(), grant.kind.clone());
        self.observer.observe(Event::Took { slot, chunk, kind });
        let attempt = Attempt {
            lease: self.leases.hold(&grant, &self.link),
            grant,
            slot: self.number,
            drain: self.drain.clone(),
            kill: self.kill.clone(),
            observer: Arc::clone(&self.observer),
            memory: Arc::clone(&self.memory),
            permit,
        };
        let running = attempt::run(self.context.clone(), attempt);
        running.instrument(span).await;
    }
}
