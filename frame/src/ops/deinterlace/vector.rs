//! The deinterlacer's arithmetic on vectors: the sums of [`super::plain`], sixteen columns at once.

use super::{HIGH, LANES, LOW, PRECISION, SPATIAL};
use fearless_simd::{Bytes, Simd, SimdBase, i32x16, u8x16, u16x16};

/// What lies around a missing line, from top to bottom.
pub(super) struct Around<T> {
    pub(super) before: [T; 5],
    pub(super) after: [T; 5],
    pub(super) kept: [T; 4],
    pub(super) past: [T; 2],
    pub(super) future: [T; 2],
}

impl<T: Sample> Around<&[T]> {
    /// The samples from column `first` on.
    #[inline(always)]
    pub(super) fn load<S: Simd>(&self, simd: S, first: usize) -> Around<i32x16<S>> {
        let zero = i32x16::splat(simd, 0);
        let mut around = Around {
            before: [zero; 5],
            after: [zero; 5],
            kept: [zero; 4],
            past: [zero; 2],
            future: [zero; 2],
        };
        load(simd, &self.before, first, &mut around.before);
        load(simd, &self.after, first, &mut around.after);
        load(simd, &self.kept, first, &mut around.kept);
        load(simd, &self.past, first, &mut around.past);
        load(simd, &self.future, first, &mut around.future);
        around
    }
}

/// The samples of some lines from column `first` on; what lies beyond their end is zero.
#[inline(always)]
fn load<S: Simd, T: Sample>(simd: S, lines: &[&[T]], first: usize, vectors: &mut [i32x16<S>]) {
    for (line, vector) in lines.iter().zip(vectors) {
        let rest = &line[first..];
        *vector = if let Some(full) = rest.first_chunk::<LANES>() {
            T::load(simd, full)
        } else {
            let mut padded = [T::default(); LANES];
            padded[..rest.len()].copy_from_slice(rest);
            T::load(simd, &padded)
        };
    }
}

/// A sample type that vectors of 32 bits are made of and back.
pub(super) trait Sample: Copy + Default {
    fn load<S: Simd>(simd: S, samples: &[Self; LANES]) -> i32x16<S>;
    /// Stores values between 0 and the largest code, which is below 1 << 15.
    fn store<S: Simd>(simd: S, values: i32x16<S>, samples: &mut [Self; LANES]);
}

impl Sample for u8 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, samples: &[Self; LANES]) -> i32x16<S> {
        let (low, high) = simd.widen_u8x16(u8x16::from_slice(simd, samples));
        let (low, high) = simd.widen_u16x16(simd.combine_u16x8(low, high));
        simd.combine_u32x8(low, high).bitcast()
    }

    #[inline(always)]
    fn store<S: Simd>(simd: S, values: i32x16<S>, samples: &mut [Self; LANES]) {
        let (low, high) = simd.split_i32x16(values);
        let (low, high) = simd.split_i16x16(simd.saturating_narrow_i32x8(low, high));
        simd.relaxed_narrow_u16x8(low.bitcast(), high.bitcast())
            .store_slice(samples);
    }
}

impl Sample for u16 {
    #[inline(always)]
    fn load<S: Simd>(simd: S, samples: &[Self; LANES]) -> i32x16<S> {
        let (low, high) = simd.widen_u16x16(u16x16::from_slice(simd, samples));
        simd.combine_u32x8(low, high).bitcast()
    }

    #[inline(always)]
    fn store<S: Simd>(simd: S, values: i32x16<S>, samples: &mut [Self; LANES]) {
        let (low, high) = simd.split_i32x16(values);
        let narrow: u16x16<S> = simd.saturating_narrow_i32x8(low, high).bitcast();
        narrow.store_slice(samples);
    }
}

/// The missing samples as they would have been when the kept field was shown.
#[inline(always)]
pub(super) fn make_samples<S: Simd>(simd: S, around: &Around<i32x16<S>>) -> i32x16<S> {
    let Around {
        before,
        after,
        kept: [far_above, above, below, far_below],
        past,
        future,
    } = *around;
    let distance = |a: i32x16<S>, b: i32x16<S>| simd.abs_i32x16(a - b);
    let still = (before[2] + after[2]) >> 1;
    let change = distance(before[2], after[2]);
    let moved_since = (distance(past[0], above) + distance(past[1], below)) >> 1;
    let moves_on = (distance(future[0], above) + distance(future[1], below)) >> 1;
    let motion = (change >> 1).max(moved_since).max(moves_on);

    // How far the still sample may be wrong: more where the lines around it do not fit it.
    let up = ((before[1] + after[1]) >> 1) - above;
    let down = ((before[3] + after[3]) >> 1) - below;
    let (to_above, to_below) = (still - above, still - below);
    let highest = to_below.max(to_above).max(up.min(down));
    let lowest = to_below.min(to_above).min(up.max(down));
    let bound = motion.max(lowest).max(-highest);

    let (near, far) = (above + below, far_above + far_below);
    let next = before[1] + after[1] + before[3] + after[3];
    let outer = before[0] + after[0] + before[4] + after[4];
    let high = ((before[2] + after[2]) * HIGH.0 - next * HIGH.1 + outer * HIGH.2) >> 2;
    let temporal = (high + near * LOW.0 - far * LOW.1) >> PRECISION;
    let spatial = (near * SPATIAL.0 - far * SPATIAL.1) >> PRECISION;
    let uneven = simd.simd_gt_i32x16(distance(above, below), change);
    let made = simd.select_i32x16(uneven, temporal, spatial);
    let bounded = made.min(still + bound).max(still - bound);
    simd.select_i32x16(
        simd.simd_eq_i32x16(motion, i32x16::splat(simd, 0)),
        still,
        bounded,
    )
}
