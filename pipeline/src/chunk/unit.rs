//! The open segments of a chunk, and which of their renditions are finished.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What a rendition of an open segment waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Encoding,
    /// It did not fit the decoder's buffer and must be fed once more.
    AskedAgain,
    Finished,
}

struct Unit {
    segment: u32,
    parts: Vec<Part>,
    opened: Instant,
}

/// Open segments in the order of their claims.
pub(super) struct Units {
    renditions: usize,
    units: VecDeque<Unit>,
    closed: Option<Instant>,
}

impl Units {
    pub(super) fn new(renditions: usize) -> Self {
        Self {
            renditions,
            units: VecDeque::new(),
            closed: None,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.units.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    pub(super) fn open(&mut self, segment: u32) {
        self.units.push_back(Unit {
            segment,
            parts: vec![Part::Encoding; self.renditions],
            opened: Instant::now(),
        });
    }

    pub(super) fn finish(&mut self, segment: u32, rendition: usize) {
        self.set(segment, rendition, Part::Finished);
    }

    pub(super) fn retry(&mut self, segment: u32, rendition: usize) {
        self.set(segment, rendition, Part::AskedAgain);
    }

    fn set(&mut self, segment: u32, rendition: usize, to: Part) {
        let unit = self.units.iter_mut().find(|unit| unit.segment == segment);
        if let Some(part) = unit.and_then(|unit| unit.parts.get_mut(rendition)) {
            *part = to;
        }
    }

    pub(super) fn is_oldest_complete(&self) -> bool {
        let oldest = self.units.front();
        oldest.is_none_or(|unit| unit.parts.iter().all(|part| *part == Part::Finished))
    }

    /// The renditions of the oldest segment that must be fed once more, as soon as it is known of all
    /// renditions whether they must: so the segment is decoded again at most once.
    pub(super) fn take_retries(&mut self) -> Option<(u32, Vec<usize>)> {
        let unit = self.units.front_mut()?;
        if unit.parts.contains(&Part::Encoding) {
            return None;
        }
        let mut again = Vec::new();
        for (index, part) in unit.parts.iter_mut().enumerate() {
            if *part == Part::AskedAgain {
                *part = Part::Encoding;
                again.push(index);
            }
        }
        (!again.is_empty()).then_some((unit.segment, again))
    }

    /// Closes the oldest segment: its number, and how long it was the one worked on.
    pub(super) fn close(&mut self) -> Option<(u32, Duration)> {
        let unit = self.units.pop_front()?;
        let start = self
            .closed
            .map_or(unit.opened, |closed| closed.max(unit.opened));
        self.closed = Some(Instant::now());
        Some((unit.segment, start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_complete_when_the_last_retry_is() {
        let mut units = Units::new(3);
        units.open(7);
        units.finish(7, 0);
        units.retry(7, 1);
        assert_eq!(units.take_retries(), None, "rendition 2 may need one too");
        units.retry(7, 2);
        assert_eq!(units.take_retries(), Some((7, vec![1, 2])));
        assert_eq!(units.take_retries(), None);
        units.finish(7, 1);
        assert!(!units.is_oldest_complete());
        units.finish(7, 2);
        assert!(units.is_oldest_complete());
        assert_eq!(units.close().map(|(segment, _)| segment), Some(7));
        assert!(units.is_empty());
    }
}
