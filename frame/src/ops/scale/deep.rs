//! The scaling arithmetic on vectors for samples of ten bits: as [`super::vector`], with lanes of 16 bits from
//! the first load to the last store, and so nothing to widen.

use super::vector::{LANES, Pairs, Plan, Scratch, weigh_to_16};
use fearless_simd::{Bytes, Level, Simd, SimdBase, dispatch, u16x16, u32x8};

/// Scales a plane as [`super::plain::scale_plane`] does.
pub(super) fn scale_plane(
    level: Level,
    source: &[u16],
    plan: &Plan,
    scratch: &mut Scratch,
    target: &mut [u16],
) {
    let width = plan.target_width();
    scratch.fit(plan);
    for (band, target) in target.chunks_mut(LANES * width).enumerate() {
        let first = band * LANES;
        let rows = first..first + target.len() / width;
        dispatch!(level, simd => {
            weigh_rows(simd, source, plan, rows, scratch);
            weigh_columns(simd, plan, &scratch.columns, target);
        });
    }
}

/// The vertical pass of one band: from `source` into `scratch.columns`.
#[inline(always)]
fn weigh_rows<S: Simd>(
    simd: S,
    source: &[u16],
    plan: &Plan,
    rows: std::ops::Range<usize>,
    scratch: &mut Scratch,
) {
    let weights = &plan.paired_vertical;
    let span = weights.span(rows.clone());
    scratch.rows.resize(span.len(), [0; 2 * LANES]);
    for (block, columns) in scratch.columns.chunks_exact_mut(LANES / 2).enumerate() {
        for (pairs, pair) in scratch.rows.iter_mut().zip(span.clone()) {
            // The row beyond an odd last one has a weight of zero.
            let lower = (2 * pair + 1).min(plan.height - 1);
            let upper = load(simd, &source[2 * pair * plan.width..][..plan.width], block);
            let lower = load(simd, &source[lower * plan.width..][..plan.width], block);
            store_pairs(
                simd.zip_low_u16x16(upper, lower),
                simd.zip_high_u16x16(upper, lower),
                pairs,
            );
        }
        let mut tile = [simd.splat_u32x8(0); LANES];
        for (lane, row) in tile.iter_mut().zip(rows.clone()) {
            let (start, taps) = weights.taps(row);
            let pairs = &scratch.rows[start - span.start..][..taps.len()];
            *lane = weigh(simd, pairs, taps, weights.precision).bitcast();
        }
        transpose_pairs(simd, tile, columns);
    }
}

/// The horizontal pass of one band: from the columns into the rows of `target`.
#[inline(always)]
fn weigh_columns<S: Simd>(simd: S, plan: &Plan, columns: &[Pairs], target: &mut [u16]) {
    let weights = &plan.paired_horizontal;
    let width = plan.target_width();
    let mut x = 0;
    while x < width {
        let count = LANES.min(width - x);
        let mut tile = [simd.splat_u16x16(0); LANES];
        for (lane, column) in tile.iter_mut().zip(x..x + count) {
            let (start, taps) = weights.taps(column);
            let pairs = &columns[start..][..taps.len()];
            *lane = weigh(simd, pairs, taps, weights.precision);
        }
        let tile = transpose(simd, tile);
        for (row, lane) in target.chunks_exact_mut(width).zip(&tile) {
            match row[x..].first_chunk_mut::<LANES>() {
                Some(row) => lane.store_slice(row),
                None => row[x..].copy_from_slice(&lane.as_slice()[..count]),
            }
        }
        x += LANES;
    }
}

/// The weighted sums of sixteen lanes, rounded half up and clamped to ten bits.
#[inline(always)]
fn weigh<S: Simd>(simd: S, pairs: &[Pairs], taps: &[i32], precision: u32) -> u16x16<S> {
    weigh_to_16(simd, pairs, taps, precision, 1023).bitcast()
}

/// Block `block` of a row; what lies beyond the row is zero. A sample beyond ten bits is a lie of the
/// decoder's and becomes the largest.
#[inline(always)]
fn load<S: Simd>(simd: S, row: &[u16], block: usize) -> u16x16<S> {
    let rest = &row[block * LANES..];
    let samples = match rest.first_chunk::<LANES>() {
        Some(full) => u16x16::from_slice(simd, full),
        None => {
            let mut padded = [0; LANES];
            padded[..rest.len()].copy_from_slice(rest);
            u16x16::from_slice(simd, &padded)
        }
    };
    simd.min_u16x16(samples, simd.splat_u16x16(1023))
}

#[inline(always)]
fn store_pairs<S: Simd>(low: u16x16<S>, high: u16x16<S>, pairs: &mut Pairs) {
    let signed = |half: u16x16<S>, to: &mut [i16]| {
        for (to, &sample) in to.iter_mut().zip(half.as_slice()) {
            *to = sample.cast_signed();
        }
    };
    let (first, second) = pairs.split_at_mut(LANES);
    signed(low, first);
    signed(high, second);
}

/// Sixteen rows of sixteen columns to sixteen columns of sixteen rows.
#[inline(always)]
fn transpose<S: Simd>(simd: S, mut tile: [u16x16<S>; LANES]) -> [u16x16<S>; LANES] {
    // Each round moves one bit of the row's number below those of the column's.
    for _ in 0..LANES.ilog2() {
        let mut next = tile;
        for index in 0..LANES / 2 {
            let (first, second) = (tile[index], tile[index + LANES / 2]);
            next[2 * index] = simd.zip_low_u16x16(first, second);
            next[2 * index + 1] = simd.zip_high_u16x16(first, second);
        }
        tile = next;
    }
    tile
}

/// Sixteen rows of eight pairs of columns to eight pairs of columns of sixteen rows.
#[inline(always)]
fn transpose_pairs<S: Simd>(simd: S, mut pairs: [u32x8<S>; LANES], columns: &mut [Pairs]) {
    for _ in 0..LANES.ilog2() {
        let mut next = pairs;
        for index in 0..LANES / 2 {
            let (first, second) = (pairs[index], pairs[index + LANES / 2]);
            next[2 * index] = simd.zip_low_u32x8(first, second);
            next[2 * index + 1] = simd.zip_high_u32x8(first, second);
        }
        pairs = next;
    }
    for (column, rows) in columns.iter_mut().zip(pairs.as_chunks::<2>().0) {
        store_pairs(rows[0].bitcast(), rows[1].bitcast(), column);
    }
}
