//! What an agent tells whoever watches it in the same process: enough to draw a bar for each slot.

use model::ChunkId;
use model::task::TaskKind;

/// Something that happened in a slot.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The agent is registered and takes work in so many slots.
    Ready {
        /// Number of slots.
        slots: u32,
    },
    /// A slot has a chunk.
    Took {
        /// Slot, from 0.
        slot: u32,
        /// Chunk.
        chunk: ChunkId,
        /// What is to be done.
        kind: TaskKind,
    },
    /// A unit goes on.
    Progress {
        /// Slot.
        slot: u32,
        /// Chunk.
        chunk: ChunkId,
        /// Unit.
        unit: u32,
        /// Output frames done, or a percentage where there are none.
        done: u32,
        /// Output frames in the unit, or 100.
        total: u32,
        /// Output frames per second since the unit was started; 0 where there are none.
        frames_per_second: f64,
    },
    /// A unit is committed.
    Committed {
        /// Slot.
        slot: u32,
        /// Chunk.
        chunk: ChunkId,
        /// Unit.
        unit: u32,
        /// Output frames in it, 0 for tasks without.
        frames: u32,
        /// Whether it was found and not made.
        reused: bool,
    },
    /// A slot has let go of its chunk.
    Ended {
        /// Slot.
        slot: u32,
        /// Chunk.
        chunk: ChunkId,
        /// Why not all of it was done; `None` when it was.
        reason: Option<String>,
    },
    /// The scheduler does not answer; work goes on.
    Away,
    /// The scheduler answers again.
    Back,
}

/// Somebody who watches. Called on the agent's own tasks, so it must return at once.
pub trait Observer: Send + Sync {
    /// Takes note of an event.
    fn observe(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Observer for F {
    fn observe(&self, event: Event) {
        self(event);
    }
}
