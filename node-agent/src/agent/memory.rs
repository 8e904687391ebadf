//! Memory of this host, shared out to the encoders in its slots. How many slots a host has is decided
//! before anybody knows what will be encoded, and a ladder of 2160 lines takes four times the memory of
//! one of 1080: without this the kernel would end workers of a host that is too small, and their chunks
//! would be tried and lost again.
//!
//! What is shared out is an estimate, and the rest of the host is not asked.

use parking_lot::Mutex;
use std::sync::Arc;

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

    /// The largest share that there is now.
    pub(super) fn room(&self) -> u64 {
        match *self.taken.lock() {
            0 => self.bytes,
            taken => shared(self.bytes).saturating_sub(taken),
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        *self.memory.taken.lock() -= self.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_share_seven_eighths_and_one_alone_may_have_all() {
        let memory = Arc::new(Memory::new(800));
        assert_eq!(memory.room(), 800);
        let all = memory.share(800).unwrap();
        assert_eq!(memory.share(1).err(), Some(NoShare::Now));
        assert_eq!(memory.room(), 0);
        drop(all);
        let first = memory.share(400).unwrap();
        assert_eq!(memory.room(), 300);
        assert_eq!(memory.share(301).err(), Some(NoShare::Now));
        let second = memory.share(300).unwrap();
        assert_eq!(memory.room(), 0);
        drop(first);
        assert_eq!(memory.room(), 400);
        drop(second);
        memory.share(800).unwrap();
    }

    #[test]
    fn what_a_host_does_not_have_is_refused_for_good() {
        let memory = Arc::new(Memory::new(800));
        let never = NoShare::Never { bytes: 800 };
        assert_eq!(memory.share(801).err(), Some(never));
    }
}
