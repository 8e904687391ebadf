//! What systemd hears of a scheduler: ready, alive, stopping. Nothing happens where there is no
//! systemd.

use sd_notify::NotifyState;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Keeps systemd's watchdog content until it is dropped.
pub struct Notify(JoinHandle<()>);

impl Notify {
    /// Says that the service is ready, and from now on that it is alive.
    pub fn ready(stop: CancellationToken) -> Self {
        tell(NotifyState::Ready);
        Self(tokio::spawn(async move {
            let Some(interval) = sd_notify::watchdog_enabled() else {
                return;
            };
            let mut ticks = tokio::time::interval(interval / 2);
            loop {
                tokio::select! {
                    () = stop.cancelled() => return tell(NotifyState::Stopping),
                    _ = ticks.tick() => tell(NotifyState::Watchdog),
                }
            }
        }))
    }
}

impl Drop for Notify {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}
