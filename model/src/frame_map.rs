//! The frame map: which source frame each output frame shows. Made once by the planner, so that
//! every chunk agrees on every frame whoever runs it.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// For each output frame the index, in presentation order, of the source frame that it shows.
/// Indices never go back. Kept as runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FrameMap {
    runs: Vec<MapRun>,
}

/// `count` output frames that show `source, source + step, source + 2 step, ...`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct MapRun {
    source: u32,
    step: u32,
    count: u32,
}

impl FrameMap {
    /// Builds a map from the source frame of each output frame.
    ///
    /// # Panics
    /// When an index goes back: the planner's contract, asserted here because every chunk relies on
    /// decoding forwards.
    pub fn new(sources: impl IntoIterator<Item = u32>) -> Self {
        let mut runs: Vec<MapRun> = Vec::new();
        let mut previous = None;
        for source in sources {
            assert!(
                previous.is_none_or(|p| p <= source),
                "the frame map goes back at {source}"
            );
            previous = Some(source);
            match runs.last_mut() {
                Some(run) if run.count == 1 => {
                    run.step = source - run.source;
                    run.count = 2;
                }
                Some(run) if run.source + run.step * run.count == source => run.count += 1,
                _ => runs.push(MapRun {
                    source,
                    step: 1,
                    count: 1,
                }),
            }
        }
        Self { runs }
    }

    /// Number of output frames.
    pub fn len(&self) -> u32 {
        self.runs.iter().map(|run| run.count).sum()
    }

    /// Whether there is no output frame.
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The source frames of a range of output frames.
    pub fn sources(&self, outputs: Range<u32>) -> Vec<u32> {
        let mut found = Vec::with_capacity(outputs.len());
        let mut first = 0;
        for run in &self.runs {
            let end = first + run.count;
            let from = outputs.start.max(first);
            for output in from..outputs.end.min(end).max(from) {
                found.push(run.source + run.step * (output - first));
            }
            first = end;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_gives_back_what_it_was_built_from() {
        let sources = [0, 1, 2, 2, 2, 3, 5, 7, 9, 10, 20];
        let map = FrameMap::new(sources);
        assert_eq!(map.len(), 11);
        assert_eq!(map.sources(0..11), sources);
        for start in 0..11_u32 {
            for end in start..11 {
                assert_eq!(
                    map.sources(start..end),
                    sources[start as usize..end as usize]
                );
            }
        }
    }

    #[test]
    #[should_panic(expected = "goes back")]
    fn a_map_that_goes_back_is_refused() {
        FrameMap::new([3, 2]);
    }
}
