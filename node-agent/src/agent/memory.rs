//! Memory of this host, shared out to the encoders in its slots. How many slots a host has is decided
//! before anybody knows what will be encoded, and a ladder of 2160 lines takes four times the memory of
//! one of 1080: without this the kernel would end workers of a host that is too small, and their chunks
//! would be tried and lost again.
//!
//! What is shared out is an estimate, and the rest of the host is not asked.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// Part of the host that several slots leave to the agent, to small tasks and to everything else.
const KEPT_PART: u64 = 8;

/// What several slots may fill of so many bytes.
pub(crate) const fn shared(bytes: u64) -> u64 {
    bytes - bytes / KEPT_PART
}

/// Shared by all slots of an agent.
pub(crate) struct Memory {
    bytes: u64,
    taken: Mutex<u64>,
    changed: watch::Sender<()>,
}

/// Memory that an encoder may fill; given back when dropped.
pub(crate) struct Share {
    memory: Arc<Memory>,
    bytes: u64,
}

/// Why there is no share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoShare {
    /// This host has less, and will have less.
    Never {
        /// All that it has.
        bytes: u64,
    },
    /// Other slots have it.
    Now,
}

impl Memory {
    /// Of a host with so many bytes.
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            bytes,
            taken: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Takes a share. One that has the host to itself may take all of it.
    pub(crate) fn share(self: &Arc<Self>, bytes: u64) -> Result<Share, NoShare> {
        let mut taken = self.taken.lock();
        *taken = self.with(*taken, bytes)?;
        let memory = Arc::clone(self);
        Ok(Share { memory, bytes })
    }

    /// What is taken after a share of so many bytes.
    fn with(&self, taken: u64, bytes: u64) -> Result<u64, NoShare> {
        if bytes > self.bytes {
            return Err(NoShare::Never { bytes: self.bytes });
        }
        let sum = taken.saturating_add(bytes);
        if taken > 0 && sum > shared(self.bytes) {
            return Err(NoShare::Now);
        }
        Ok(sum)
    }

    /// Waits until there is a share of so many bytes, without taking it.
    pub(super) async fn wait_for(&self, bytes: u64) {
        let mut changes = self.changed.subscribe();
        let is_crowded = || self.with(*self.taken.lock(), bytes) == Err(NoShare::Now);
        while is_crowded() {
            // The sender is in `self`, so it is there.
            let _ = changes.changed().await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.memory.taken.lock() -= self.bytes;
        self.memory.changed.send_replace(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn slots_share_seven_eighths_and_one_alone_may_have_all() {
        let memory = Arc::new(Memory::new(800));
        let all = memory.share(800).unwrap();
        assert_eq!(memory.share(1).err(), Some(NoShare::Now));
        drop(all);
        let first = memory.share(400).unwrap();
        assert_eq!(memory.share(301).err(), Some(NoShare::Now));
        let second = memory.share(300).unwrap();
        let waiting = memory.wait_for(400);
        tokio::pin!(waiting);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        drop(second);
        assert_eq!(waiting.as_mut().now_or_never(), None, "too little yet");
        drop(first);
        waiting.await;
        memory.share(800).unwrap();
    }

    #[tokio::test]
    async fn what_a_host_does_not_have_is_refused_and_not_waited_for() {
        let memory = Arc::new(Memory::new(800));
        let never = NoShare::Never { bytes: 800 };
        assert_eq!(memory.share(801).err(), Some(never));
        memory.wait_for(801).await;
    }
}
