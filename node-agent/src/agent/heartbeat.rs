//! Keeps all leases with one call for each heartbeat, and hears which are lost and whether to drain.

use super::lease::Leases;
use super::link::Link;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Renews until `stop`. A scheduler that does not answer loses nobody a lease here: who holds what is
/// for the store to say.
pub(super) async fn run(
    link: Link,
    leases: Leases,
    interval: Duration,
    drain: CancellationToken,
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let held = leases.all();
        let renewed = tokio::select! {
            () = stop.cancelled() => return,
            renewed = link.renew(&held) => renewed,
        };
        match renewed {
            Ok(response) => {
                for ((chunk, token), still) in held.iter().zip(&response.held) {
                    if !still {
                        tracing::warn!(%chunk, "lease lost");
                        leases.lose(chunk, *token);
                    }
                }
                if response.draining {
                    drain.cancel();
                }
            }
            Err(status) => tracing::debug!(code = ?status.code(), "heartbeat was not answered"),
        }
    }
}
