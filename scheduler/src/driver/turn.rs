//! The loop: which jobs are looked at, and how many at a time.

use super::attend::attend;
use crate::farm::Farm;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

/// How long a job is held. Longer than a decision takes; after it another replica may decide.
const HOLD: Duration = Duration::from_secs(15);

/// Longest pause between two looks for jobs that changed without a word in this process.
const POLL: Duration = Duration::from_millis(250);

/// Decides about jobs until told to stop, then finishes what it has begun.
pub(crate) async fn run(farm: Arc<Farm>, shutdown: CancellationToken) {
    let mut busy = JoinSet::new();
    while !shutdown.is_cancelled() {
        let woken = farm.attention.notified();
        let mut pause = POLL;
        while busy.len() < farm.config.limits.jobs_at_once {
            match farm.store().attend(HOLD).await {
                Ok(Some(attention)) => {
                    let farm = farm.clone();
                    busy.spawn(async move { attend(&farm, &attention).await });
                }
                Ok(None) => break,
                Err(error) => {
                    warn!(%error, "store does not hand out jobs");
                    pause = Duration::from_secs(1);
                    break;
                }
            }
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = woken => {}
            Some(ended) = busy.join_next() => log_panic(ended),
            () = tokio::time::sleep(pause) => {}
        }
    }
    while let Some(ended) = busy.join_next().await {
        log_panic(ended);
    }
}

fn log_panic(ended: std::result::Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a decision panicked; the job is handed out again when its hold ends");
    }
}
