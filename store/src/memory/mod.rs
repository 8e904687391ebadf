//! The store of one process: for `magpie run`, the simulation and tests. Deterministic: no
//! randomness, and no time but that of the injected clock. Nothing survives the process.

mod attention;
mod costs;
mod jobs;
mod lease;
mod nodes;
mod operations;
mod ordered;
mod outbox;
mod queue;
mod record;
mod state;
mod work;
mod work_left;

use crate::clock::Clock;
use parking_lot::Mutex;
use state::State;
use std::sync::Arc;

/// A store in memory. One lock over everything, held for one operation and never across an await.
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

impl MemoryStore {
    /// An empty store whose tokens have epoch 1.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_epoch(clock, 1)
    }

    /// An empty store, for a caller that keeps epochs over its restarts.
    pub fn with_epoch(clock: Arc<dyn Clock>, epoch: u32) -> Self {
        let state = State {
            epoch,
            ..State::default()
        };
        Self {
            clock,
            state: Mutex::new(state),
        }
    }

    /// Loses the queue of a receiver and nothing else.
    #[cfg(test)]
    pub(crate) fn lose_queue(&self, receiver: &str) {
        self.with(|state, _| state.lose_queue(receiver));
    }

    /// Runs one operation under the lock, with the time at which it happens.
    fn with<T>(&self, operation: impl FnOnce(&mut State, u64) -> T) -> T {
        let mut state = self.state.lock();
        operation(&mut state, self.clock.now_ms())
    }
}
