//! The output grid: which output frames form which segment. One grid serves every rendition of a
//! title, which is what makes renditions switchable and segments independent.

use crate::Rational;
use crate::time::video_timescale;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Frames per segment over a whole title.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputGrid {
    /// Output frames per second.
    pub frame_rate: Rational,
    /// Output frames in the title.
    pub frames: u32,
    /// Frames in every segment but the last.
    pub segment_frames: u32,
}

impl OutputGrid {
    /// Lays the grid: the segment length is the whole number of frames nearest to the target.
    pub fn new(frame_rate: Rational, frames: u32, segment_target: Rational) -> Self {
        let exact = segment_target
            .checked_mul(frame_rate)
            .unwrap_or(Rational::ONE);
        let segment_frames = u32::try_from(exact.round()).unwrap_or(1).max(1);
        Self {
            frame_rate,
            frames,
            segment_frames,
        }
    }

    /// Number of segments; 0 for a title without frames.
    pub fn segments(&self) -> u32 {
        self.frames.div_ceil(self.segment_frames)
    }

    /// The output frames of a segment.
    pub fn segment(&self, index: u32) -> Range<u32> {
        let start = index.saturating_mul(self.segment_frames).min(self.frames);
        start..start.saturating_add(self.segment_frames).min(self.frames)
    }

    /// The first `frames` output frames of the segment that follows, or as many as it has.
    pub fn after(&self, index: u32, frames: u32) -> Range<u32> {
        let next = self.segment(index.saturating_add(1));
        next.start..next.start.saturating_add(frames).min(next.end)
    }

    /// Ticks per second and ticks per frame of the video tracks.
    pub fn timescale(&self) -> (u32, u32) {
        video_timescale(self.frame_rate)
    }

    /// Start of an output frame in seconds.
    pub fn time_of(&self, frame: u32) -> Rational {
        Rational::whole(i64::from(frame))
            .checked_div(self.frame_rate)
            .expect("a frame rate is positive and its fraction bounded by the planner")
    }

    /// Length of the title in seconds.
    pub fn duration(&self) -> Rational {
        self.time_of(self.frames)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_segment_is_what_remains() {
        let grid = OutputGrid::new(
            Rational::new(30_000, 1_001).unwrap(),
            400,
            Rational::whole(6),
        );
        assert_eq!(grid.segment_frames, 180);
        assert_eq!(grid.segments(), 3);
        assert_eq!(grid.segment(2), 360..400);
        assert_eq!((0..3).map(|i| grid.segment(i).len()).sum::<usize>(), 400);
        assert_eq!(grid.after(0, 25), 180..205);
        assert_eq!(grid.after(1, 50), 360..400, "not more than the next has");
        assert!(grid.after(2, 25).is_empty(), "nothing follows the last");
    }

    #[test]
    fn a_title_of_one_frame_is_one_segment() {
        let grid = OutputGrid::new(Rational::whole(25), 1, Rational::whole(6));
        assert_eq!((grid.segments(), grid.segment(0)), (1, 0..1));
    }
}
