//! How long a worker is waited for. Two clocks run: one until the next sign of life, and one until the
//! next end, of a segment or of the work. Signs can be made up, ends cannot: a worker in an endless loop
//! that reports progress, or reads the source again and again, only has the second one.
//!
//! Time that the agent takes is not the worker's: it is added to both clocks.

use super::message::READ_BYTES_MAX;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Stall times that any work may take beside what its size allows: opening a long source, decoding
/// from its last access point, a poster.
const STALLS: u32 = 10;

/// A frame of a segment, in all renditions of its group, may take this part of the stall time.
const FRAMES_IN_A_STALL: u32 = 20;

/// Bytes of the source that may take a second.
const BYTES_IN_A_SECOND: u64 = 1 << 20;

/// Segments that a worker is given and that are not committed, at most.
pub(crate) const HELD_MAX: usize = 2;

/// Reads beside every byte thrice, which is what an honest demuxer with an index may need.
const READ_BYTES_MORE: u64 = 64 << 20;

/// Why a worker is not waited for any longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// No sign of life for so long.
    Silent(Duration),
    /// No end for so long.
    Endless(Duration),
}

/// A segment that the worker has.
struct Open {
    frames: u32,
    done: u32,
}

/// The clocks of one worker.
pub(super) struct Patience {
    stall: Duration,
    source_bytes: u64,
    read_bytes: u64,
    open: BTreeMap<u32, Open>,
    next_sign: Instant,
    next_end: Instant,
    /// How far away the next end was when its clock was set.
    allowed: Duration,
    /// Since when the worker waits for a segment that the agent owes it.
    waiting: Option<Instant>,
}

impl Patience {
    /// For work on a source of so many bytes.
    pub(super) fn new(stall: Duration, source_bytes: u64, now: Instant) -> Self {
        let mut patience = Self {
            stall,
            source_bytes,
            read_bytes: 0,
            open: BTreeMap::new(),
            next_sign: now + stall,
            next_end: now,
            allowed: Duration::ZERO,
            waiting: None,
        };
        patience.await_end(now);
        patience
    }

    /// Whether the worker waits for the agent, given whether it asks for a segment; time in which it
    /// does is excused. One that has all it may hold is answered only once it ends one, so it is not.
    pub(super) fn waits_for_agent(&mut self, asks: bool, now: Instant) -> bool {
        let waits = asks && self.open.len() < HELD_MAX;
        if waits {
            self.waiting.get_or_insert(now);
        } else if let Some(since) = self.waiting.take() {
            self.excuse(now.saturating_duration_since(since));
        }
        waits
    }

    fn await_end(&mut self, now: Instant) {
        let frames = self.open.values().map(|open| open.frames).sum::<u32>();
        let of_source = Duration::from_secs(self.source_bytes / BYTES_IN_A_SECOND);
        let of_frames = self.stall.saturating_mul(frames) / FRAMES_IN_A_STALL;
        let whole = self.stall.saturating_mul(STALLS);
        self.allowed = whole.saturating_add(of_source).saturating_add(of_frames);
        self.next_end = now + self.allowed;
    }

    /// The worker did something that it can do only so often.
    pub(super) fn sign(&mut self, now: Instant) {
        self.next_sign = now + self.stall;
    }

    /// The worker was given a segment of so many frames.
    pub(super) fn handed(&mut self, segment: u32, frames: u32, now: Instant) {
        self.open.insert(segment, Open { frames, done: 0 });
        self.sign(now);
        self.await_end(now);
    }

    /// The worker says that frames of a segment are done. Counts, and is true, where it has the segment
    /// and the number has grown.
    pub(super) fn progressed(&mut self, segment: u32, done: u32, now: Instant) -> bool {
        let Some(open) = self.open.get_mut(&segment) else {
            return false;
        };
        if done <= open.done || done > open.frames {
            return false;
        }
        open.done = done;
        self.sign(now);
        true
    }

    /// The worker says that a segment is done.
    pub(super) fn finished(&mut self, segment: u32, now: Instant) {
        if self.open.remove(&segment).is_some() {
            self.sign(now);
            self.await_end(now);
        }
    }

    /// The worker reads; every read counts as one of the longest.
    pub(super) fn read(&mut self, now: Instant) {
        self.read_bytes = self.read_bytes.saturating_add(u64::from(READ_BYTES_MAX));
        if self.read_bytes <= self.source_bytes.saturating_mul(3) + READ_BYTES_MORE {
            self.sign(now);
        }
    }

    /// The worker waited for the agent. Counts once, where it waits for a segment as well.
    pub(super) fn excuse(&mut self, waited: Duration) {
        if self.waiting.is_some() {
            return;
        }
        self.next_sign += waited;
        self.next_end += waited;
    }

    /// When it is over unless something happens, and why it would be.
    pub(super) fn deadline(&self) -> (Instant, Over) {
        if self.next_end < self.next_sign {
            (self.next_end, Over::Endless(self.allowed))
        } else {
            (self.next_sign, Over::Silent(self.stall))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STALL: Duration = Duration::from_secs(100);
    const SECOND: Duration = Duration::from_secs(1);

    /// Lets a worker do something every second; gives how long it was waited for.
    fn waited_for(
        patience: &mut Patience,
        start: Instant,
        mut act: impl FnMut(&mut Patience, u32, Instant),
    ) -> (u64, Over) {
        for second in 0..1_000_000 {
            let now = start + SECOND * second;
            let (until, over) = patience.deadline();
            if now >= until {
                return (u64::from(second), over);
            }
            act(patience, second, now);
        }
        panic!("it would be waited for without end");
    }

    #[test]
    fn a_silent_worker_has_the_stall_time() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 0, start);
        let found = waited_for(&mut patience, start, |_, _, _| {});
        assert_eq!(found, (100, Over::Silent(STALL)));
    }

    #[test]
    fn progress_that_does_not_grow_or_is_of_no_segment_is_no_sign_of_life() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 0, start);
        patience.handed(7, 50, start);
        let same = |patience: &mut Patience, second, now| {
            patience.progressed(7, 3, now);
            patience.progressed(8, second, now);
            patience.progressed(7, 51 + second, now);
        };
        let found = waited_for(&mut patience, start, same);
        assert_eq!(found, (100, Over::Silent(STALL)));
    }

    #[test]
    fn progress_that_grows_lasts_as_long_as_the_size_of_the_segment_allows() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 30 << 20, start);
        patience.handed(0, 200, start);
        let slow = |patience: &mut Patience, second: u32, now| {
            patience.progressed(0, second / 90, now);
        };
        // Ten stall times, a second for each MiB and a twentieth of the stall time for each frame.
        let allowed = Duration::from_secs(1000 + 30 + 1000);
        let found = waited_for(&mut patience, start, slow);
        assert_eq!(found, (allowed.as_secs(), Over::Endless(allowed)));
    }

    #[test]
    fn segments_that_end_set_the_clock_anew() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 0, start);
        let ends = |patience: &mut Patience, second: u32, now| {
            if second.is_multiple_of(50) && second < 5000 {
                patience.finished(second / 50, now);
                patience.handed(second / 50 + 1, 20, now);
            }
        };
        let found = waited_for(&mut patience, start, ends);
        assert_eq!(found, (4950 + 100, Over::Silent(STALL)));
    }

    #[test]
    fn reading_lasts_as_long_as_the_size_of_the_source_allows() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 10 << 20, start);
        let read = |patience: &mut Patience, _, now| patience.read(now);
        // Thrice ten reads of a MiB and 64 more, then silence.
        let found = waited_for(&mut patience, start, read);
        assert_eq!(found, (93 + 100, Over::Silent(STALL)));
        let mut slowly = Patience::new(STALL, 10 << 20, start);
        let read = |patience: &mut Patience, second: u32, now| {
            if second.is_multiple_of(99) {
                patience.read(now);
            }
        };
        let (seconds, over) = waited_for(&mut slowly, start, read);
        assert_eq!((seconds, over), (1010, Over::Endless(SECOND * 1010)));
    }

    #[test]
    fn the_time_of_the_agent_is_not_the_workers() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 0, start);
        patience.excuse(SECOND * 5000);
        let found = waited_for(&mut patience, start, |_, _, _| {});
        assert_eq!(found, (5100, Over::Silent(STALL)));
    }

    #[test]
    fn a_worker_that_looks_ahead_is_not_stalled_while_the_agent_searches() {
        let start = Instant::now();
        let mut patience = Patience::new(STALL, 0, start);
        patience.handed(0, 20, start);
        let answered = start + SECOND * 5000;
        assert!(patience.waits_for_agent(true, start));
        patience.excuse(SECOND * 50);
        assert!(!patience.waits_for_agent(false, answered));
        let (until, over) = patience.deadline();
        assert_eq!((until, over), (answered + STALL, Over::Silent(STALL)));
        patience.sign(answered + SECOND * 1099);
        let (until, _) = patience.deadline();
        assert_eq!(until, answered + SECOND * 1100, "both clocks");
        patience.handed(1, 20, answered);
        let full = patience.waits_for_agent(true, answered);
        assert!(!full, "the agent waits for the worker");
    }
}
