//! What systemd hears: ready, alive, stopping. Nothing happens where there is no systemd.

use sd_notify::NotifyState;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}

/// The agent has registered and takes work.
pub(crate) fn ready() {
    tell(NotifyState::Ready);
}

/// The agent takes nothing new.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Tells systemd that the runtime still turns, twice in each watchdog interval.
pub(crate) async fn watchdog(stop: CancellationToken) {
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let mut ticks = tokio::time::interval((interval / 2).max(Duration::from_millis(100)));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => tell(NotifyState::Watchdog),
        }
    }
}
