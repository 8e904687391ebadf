//! Keeps all leases with one call for each heartbeat, and hears which are lost and whether to drain.
//! A scheduler holds the call until the heartbeat is over, so that it can say at once what is lost.

use super::lease::Leases;
use super::link::Link;
use proto::v1;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Shortest time between two calls where a scheduler says that more is lost.
const AGAIN_PAUSE: Duration = Duration::from_millis(250);

/// Renews until `stop`. A scheduler that does not answer loses nobody a lease here: who holds what is
/// for the store to say.
pub(super) async fn run(
    link: Link,
    leases: Leases,
    interval: Duration,
    drain: CancellationToken,
    stop: CancellationToken,
) {
    let beat = async {
        loop {
            let asked = Instant::now();
            let answer = renew(&link, &leases, interval).await;
            if answer.as_ref().is_some_and(|answer| answer.draining) {
                drain.cancel();
            }
            let pause = match answer {
                Some(answer) if answer.again => interval.min(AGAIN_PAUSE),
                _ => interval,
            };
            tokio::time::sleep_until(asked + pause).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = beat => {}
    }
}

/// Renews all leases and notes which are lost; `None` where no scheduler answers.
async fn renew(link: &Link, leases: &Leases, wait: Duration) -> Option<v1::RenewResponse> {
    let held = leases.all();
    match link.renew(&held, wait).await {
        Ok(response) => {
            for ((chunk, token), still) in held.iter().zip(&response.held) {
                if !still {
                    tracing::warn!(%chunk, "lease lost");
                    leases.lose(chunk, *token);
                }
            }
            Some(response)
        }
        Err(status) => {
            tracing::debug!(code = ?status.code(), "heartbeat was not answered");
            None
        }
    }
}
