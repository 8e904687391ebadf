//! Room for one chunk: take, run, take again.

use super::attempt::{self, Attempt};
use super::lease::Leases;
use super::link::{Link, Taken};
use super::{Event, Observer};
use crate::error::Result;
use crate::tasks::Context;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// How long a slot that has just become idle waits for queued work before it steals. Longer than the
/// time between another slot's grant and its first claim, in which there is a whole chunk to steal
/// and nothing to gain.
const FIRST_PATIENCE: Duration = Duration::from_millis(100);

/// What a slot works with.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) number: u32,
    pub(super) link: Link,
    pub(super) leases: Leases,
    pub(super) context: Context,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) take_wait: Duration,
    pub(super) drain: CancellationToken,
    pub(super) kill: CancellationToken,
}

impl Slot {
    /// Works until the agent drains. Fails only when the scheduler refuses the node.
    pub(super) async fn run(self) -> Result<()> {
        let mut patience = FIRST_PATIENCE;
        loop {
            let taken = tokio::select! {
                biased;
                () = self.drain.cancelled() => return Ok(()),
                taken = self.look(patience) => taken?,
            };
            patience = match taken.grant {
                Some(grant) => {
                    self.work(grant).await;
                    FIRST_PATIENCE
                }
                None => (patience * 2).min(self.take_wait),
            };
            if taken.draining {
                self.drain.cancel();
            }
        }
    }

    /// Waits for queued work; when none comes, looks once for some to steal.
    async fn look(&self, patience: Duration) -> Result<Taken> {
        let asked = tokio::time::Instant::now();
        let queued = self.link.take(patience).await?;
        if queued.grant.is_some() || queued.draining {
            return Ok(queued);
        }
        // For a scheduler that answers at once although it was asked to wait.
        tokio::time::sleep_until(asked + patience).await;
        self.link.steal().await
    }

    async fn work(&self, grant: model::task::Grant) {
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
        };
        let running = attempt::run(self.context.clone(), attempt);
        running.instrument(span).await;
    }
}
