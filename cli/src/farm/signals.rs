//! Signals: the first SIGINT or SIGTERM asks, the second one insists.

use node_agent::Shutdown;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A shutdown whose first signal drains and whose second kills.
pub fn drain_then_kill() -> anyhow::Result<Shutdown> {
    let shutdown = Shutdown::default();
    let (drain, kill) = (shutdown.drain.clone(), shutdown.kill.clone());
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        drain.cancel();
        signals.next().await;
        kill.cancel();
    });
    Ok(shutdown)
}

/// A token that the first signal cancels.
pub fn stop() -> anyhow::Result<CancellationToken> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut signals = Signals::listen()?;
    tokio::spawn(async move {
        signals.next().await;
        cancelled.cancel();
    });
    Ok(token)
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
