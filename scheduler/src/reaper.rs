//! The reaper: leases that ended without a word become failures of their attempts, so that somebody
//! else takes the work. Not those that ended because the farm was away, so that nobody could renew them:
//! their holders have the time of a lease to come back. It is no special process: every replica runs one,
//! and the token decides which of them is heard.

use crate::Result;
use crate::farm::Farm;
use crate::policy::retry::{self, Tried};
use model::{Failure, FailureKind};
use std::sync::Arc;
use std::time::Duration;
use store::Expired;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Leases ended in one round; the rest follows in the next.
const BATCH: u32 = 256;

/// Shortest pause between two rounds.
const PAUSE_MIN: Duration = Duration::from_millis(50);

/// Longest pause: a lost node should not cost more than its lease and a little.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Ends expired leases until told to stop.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) {
    let pause = (farm.config.heartbeat / 2).clamp(PAUSE_MIN, PAUSE_MAX);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        if let Err(error) = reap(&farm).await {
            warn!(%error, "expired leases could not be ended");
        }
    }
}

/// Ends the leases that have expired; answers how many.
async fn reap(farm: &Farm) -> Result<usize> {
    let expired = farm.store().expired(BATCH, farm.config.lease_ttl()).await?;
    for lease in &expired {
        end(farm, lease).await?;
    }
    if !expired.is_empty() {
        farm.work.notify_waiters();
        farm.attention.notify_one();
    }
    Ok(expired.len())
}

async fn end(farm: &Farm, lease: &Expired) -> Result<()> {
    let message = format!("lease ended without a word from {}", lease.node);
    let failure = Failure::new(
        FailureKind::NodeFault,
        lease.chunk.task.name.as_str(),
        message,
    );
    let tried = Tried {
        silent: lease.silent_attempts,
        ..Tried::default()
    };
    let disposition = retry::decide_silent(tried, rand::random());
    let ended = farm.store().expire(lease, &failure, disposition).await?;
    if ended {
        farm.metrics.attempt_failed(failure.kind, &disposition);
        let (chunk, node_id) = (&lease.chunk, &lease.node);
        warn!(%chunk, %node_id, attempts = lease.silent_attempts, ?disposition, "lease expired");
    }
    Ok(())
}
