//! The deinterlacer's arithmetic for one sample, as plainly as it can be said. The vectorised
//! path, the kernels and the shaders are held to this.

use super::{HIGH, LOW, PRECISION, SPATIAL};

/// The samples above and below a missing one, from top to bottom, on the lines that its name says.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The missing field as it was before: lines -4, -2, 0, 2, 4 of the previous picture.
    pub before: [i32; 5],
    /// The missing field as it came after: the same lines of the current picture.
    pub after: [i32; 5],
    /// The kept field: lines -3, -1, 1, 3 of the current picture.
    pub kept: [i32; 4],
    /// The kept field's lines -1 and 1 in the previous picture.
    pub past: [i32; 2],
    /// The kept field's lines -1 and 1 in the next picture.
    pub future: [i32; 2],
}

/// The missing sample at the moment of the kept field, not yet clamped to the codes that exist.
pub fn make_sample(column: &Column) -> i32 {
    let Column {
        before,
        after,
        kept: [far_above, above, below, far_below],
        past,
        future,
    } = *column;
    let sum = |line: usize| before[line] + after[line];
    let mean = |line: usize| sum(line) >> 1;
    let moved = |field: [i32; 2]| ((field[0] - above).abs() + (field[1] - below).abs()) >> 1;

    let still = mean(2);
    let change = (before[2] - after[2]).abs();
    let motion = (change >> 1).max(moved(past)).max(moved(future));
    if motion == 0 {
        return still;
    }
    let (up, down) = (mean(1) - above, mean(3) - below);
    let (to_above, to_below) = (still - above, still - below);
    let highest = to_below.max(to_above).max(up.min(down));
    let lowest = to_below.min(to_above).min(up.max(down));
    let bound = motion.max(lowest).max(-highest);

    let (near, far) = (above + below, far_above + far_below);
    let made = if (above - below).abs() > change {
        let sums = HIGH.0 * sum(2) - HIGH.1 * (sum(1) + sum(3)) + HIGH.2 * (sum(0) + sum(4));
        ((sums >> 2) + LOW.0 * near - LOW.1 * far) >> PRECISION
    } else {
        (SPATIAL.0 * near - SPATIAL.1 * far) >> PRECISION
    };
    made.clamp(still - bound, still + bound)
}
