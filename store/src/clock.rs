//! Where the memory store has its time from. The Redis store asks Redis instead: no clock of a
//! replica decides about a lease.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A source of wall-clock time.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
}

/// The clock of the host.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, milliseconds)
    }
}

/// A clock that moves only when it is told to, for tests and the simulation.
#[derive(Debug)]
pub struct ManualClock {
    now_ms: AtomicU64,
}

impl ManualClock {
    /// Starts at `now_ms` milliseconds since 1970.
    pub fn new(now_ms: u64) -> Self {
        Self {
            now_ms: AtomicU64::new(now_ms),
        }
    }

    /// Sets the time back, as whoever corrects a clock that was ahead.
    pub fn set_back(&self, by: Duration) {
        self.now_ms.fetch_sub(milliseconds(by), Ordering::SeqCst);
    }

    /// Moves the time forward; less than a millisecond is lost.
    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(milliseconds(by), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> u64 {
        self.now_ms.load(Ordering::SeqCst)
    }
}

/// The whole milliseconds of a duration, saturated.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
