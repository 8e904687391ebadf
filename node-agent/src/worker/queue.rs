//! Events between a session and its task, bounded in number and in bytes: a worker that sends faster
//! than storage takes must wait, and not fill the memory of the agent.

use super::session::Made;
use super::wire::PAYLOAD_BYTES_MAX;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Events that wait to be looked at.
const EVENTS_MAX: usize = 16;

/// Room is counted in these.
const BLOCK_BYTES: usize = 1 << 10;

/// What waits together is at most as large as the largest that may be sent at once.
const BLOCKS_MAX: u32 = PAYLOAD_BYTES_MAX / BLOCK_BYTES as u32;

/// An event and its room, which is given back when the event is taken out.
type Waiting = (Made, Option<OwnedSemaphorePermit>);

/// The session's end.
pub(crate) struct Sender {
    events: mpsc::Sender<Waiting>,
    room: Arc<Semaphore>,
}

/// The task's end; ends when the session has ended.
pub(crate) struct Events {
    waiting: mpsc::Receiver<Waiting>,
}

/// A new queue.
pub(crate) fn queue() -> (Sender, Events) {
    let (events, waiting) = mpsc::channel(EVENTS_MAX);
    let room = Arc::new(Semaphore::new(BLOCKS_MAX as usize));
    (Sender { events, room }, Events { waiting })
}

impl Sender {
    /// Puts an event in when there is room for it. False when nobody takes events any more.
    pub(super) async fn send(&self, made: Made) -> bool {
        let blocks = made.payload_bytes().div_ceil(BLOCK_BYTES);
        let blocks = u32::try_from(blocks).unwrap_or(BLOCKS_MAX).min(BLOCKS_MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(blocks);
        tokio::select! {
            () = self.events.closed() => false,
            room = room => self.events.send((made, room.ok())).await.is_ok(),
        }
    }
}

impl Events {
    /// The next event.
    pub(crate) async fn recv(&mut self) -> Option<Made> {
        self.waiting.recv().await.map(|(made, _)| made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn piece(bytes: usize) -> Made {
        Made::Piece {
            output: String::new(),
            bytes: vec![0; bytes],
        }
    }

    #[tokio::test]
    async fn more_bytes_than_one_payload_may_have_do_not_wait_together() {
        let (sender, mut events) = queue();
        let half = PAYLOAD_BYTES_MAX as usize / 2;
        assert!(sender.send(piece(half)).await);
        assert!(sender.send(piece(half)).await);
        assert_eq!(sender.send(piece(1)).now_or_never(), None);
        assert!(events.recv().await.is_some());
        assert_eq!(sender.send(piece(1)).now_or_never(), Some(true));
    }

    #[tokio::test]
    async fn many_small_events_do_not_wait_together_either() {
        let (sender, _events) = queue();
        for _ in 0..EVENTS_MAX {
            assert!(sender.send(piece(0)).await);
        }
        assert_eq!(sender.send(piece(0)).now_or_never(), None);
    }

    #[tokio::test]
    async fn a_sender_that_waits_for_room_hears_that_nobody_takes_it() {
        let (sender, events) = queue();
        assert!(sender.send(piece(PAYLOAD_BYTES_MAX as usize)).await);
        let waiting = sender.send(piece(1));
        drop(events);
        assert!(!waiting.await);
    }
}
