//! The scaling arithmetic on vectors: the same sums as [`super::plain`], sixteen rows at a time.
//!
//! Both passes multiply and add *pairs* of 16-bit samples (one instruction on every processor), so
//! weights are laid out in pairs that begin on even samples. A band of sixteen output rows is
//! weighed vertically, transposed, weighed horizontally as if it were rows, and transposed back:
//! no horizontal sum is ever needed, and the band stays in the cache.

use super::Weights;
use fearless_simd::{Bytes, Level, Simd, SimdBase, dispatch, i16x16, i16x32, i32x16, u8x16, u16x8};

/// Output rows of a band, and columns of a block: the lanes of a vector of bytes.
pub(super) const LANES: usize = 16;

/// Sixteen pairs of samples, ready to be multiplied.
pub(super) type Pairs = [i16; 2 * LANES];

/// What one plane needs to be scaled.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) width: usize,
    pub(super) height: usize,
    horizontal: Weights,
    vertical: Weights,
    pub(super) paired_horizontal: PairedWeights,
    pub(super) paired_vertical: PairedWeights,
}

/// Weights two by two, both in one word, beginning at an even sample.
#[derive(Debug)]
pub(super) struct PairedWeights {
    pub(super) precision: u32,
    starts: Vec<usize>,
    offsets: Vec<usize>,
    values: Vec<i32>,
}

/// Memory that a pass needs and the next one may use again.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The source rows of a band in one block of columns, pair by pair.
    pub(super) rows: Vec<Pairs>,
    /// The band between the passes: for each pair of columns, its sixteen rows.
    pub(super) columns: Vec<Pairs>,
}

impl Plan {
    pub(super) fn new(
        (width, height): (usize, usize),
        horizontal: Weights,
        vertical: Weights,
    ) -> Self {
        let paired_horizontal = PairedWeights::new(&horizontal);
        let paired_vertical = PairedWeights::new(&vertical);
        Self {
            width,
            height,
            horizontal,
            vertical,
            paired_horizontal,
            paired_vertical,
        }
    }

    /// The weights as the plain twin takes them: horizontal, vertical.
    pub(super) fn weights(&self) -> (&Weights, &Weights) {
        (&self.horizontal, &self.vertical)
    }

    /// Samples per row of the target.
    pub(super) fn target_width(&self) -> usize {
        self.horizontal.len()
    }

    /// Whether target and source are the same samples.
    pub(super) fn is_copy(&self) -> bool {
        (self.horizontal.len(), self.vertical.len()) == (self.width, self.height)
            && self.horizontal.is_identity()
            && self.vertical.is_identity()
    }
}

impl Scratch {
    /// Makes room for the columns of a band.
    pub(super) fn fit(&mut self, plan: &Plan) {
        let columns = plan.width.div_ceil(LANES) * LANES / 2;
        self.columns.resize(columns, [0; 2 * LANES]);
    }
}

impl PairedWeights {
    fn new(weights: &Weights) -> Self {
        let precision = weights.precision();
        let mut paired = Self {
            precision,
            starts: vec![],
            offsets: vec![0],
            values: vec![],
        };
        for index in 0..weights.len() {
            let (start, taps) = weights.taps(index);
            let tap = |sample: usize| {
                let tap = sample.checked_sub(start).and_then(|at| taps.get(at));
                u32::from(tap.copied().unwrap_or(0).cast_unsigned())
            };
            let pairs = start / 2..(start + taps.len()).div_ceil(2);
            paired.starts.push(pairs.start);
            let words = pairs.map(|pair| tap(2 * pair) | tap(2 * pair + 1) << 16);
            paired.values.extend(words.map(u32::cast_signed));
            paired.offsets.push(paired.values.len());
        }
        paired
    }

    /// The first pair of samples of output sample `index`, and the weights from there on.
    #[inline(always)]
    pub(super) fn taps(&self, index: usize) -> (usize, &[i32]) {
        (
            self.starts[index],
            &self.values[self.offsets[index]..self.offsets[index + 1]],
        )
    }

    /// The pairs of samples that the outputs `range` need.
    pub(super) fn span(&self, range: std::ops::Range<usize>) -> std::ops::Range<usize> {
        let start = range
            .clone()
            .map(|index| self.starts[index])
            .min()
            .unwrap_or(0);
        let end = range
            .map(|index| self.starts[index] + self.taps(index).1.len())
            .max();
        start..end.unwrap_or(start)
    }
}

/// Scales a plane as [`super::plain::scale_plane`] does.
pub(super) fn scale_plane(
    level: Level,
    source: &[u8],
    plan: &Plan,
    scratch: &mut Scratch,
    target: &mut [u8],
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
    source: &[u8],
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
            let low = simd.zip_low_u8x16(upper, lower);
            let high = simd.zip_high_u8x16(upper, lower);
            widen(simd, low, high).store_slice(pairs);
        }
        let mut tile = [simd.splat_u8x16(0); LANES];
        for (lane, row) in tile.iter_mut().zip(rows.clone()) {
            let (start, taps) = weights.taps(row);
            let pairs = &scratch.rows[start - span.start..][..taps.len()];
            *lane = weigh(simd, pairs, taps, weights.precision);
        }
        transpose_pairs(simd, tile, columns);
    }
}

/// The horizontal pass of one band: from the columns into the rows of `target`.
#[inline(always)]
fn weigh_columns<S: Simd>(simd: S, plan: &Plan, columns: &[Pairs], target: &mut [u8]) {
    let weights = &plan.paired_horizontal;
    let width = plan.target_width();
    let mut x = 0;
    while x < width {
        let count = LANES.min(width - x);
        let mut tile = [simd.splat_u8x16(0); LANES];
        for (lane, column) in tile.iter_mut().zip(x..x + count) {
            let (start, taps) = weights.taps(column);
            *lane = weigh(
                simd,
                &columns[start..][..taps.len()],
                taps,
                weights.precision,
            );
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

/// The weighted sums of sixteen lanes, rounded half up and clamped to 8 bits.
#[inline(always)]
fn weigh<S: Simd>(simd: S, pairs: &[Pairs], taps: &[i32], precision: u32) -> u8x16<S> {
    let clamped = weigh_to_16(simd, pairs, taps, precision, 255);
    let (low, high) = simd.split_i16x16(clamped);
    simd.relaxed_narrow_u16x8(low.bitcast(), high.bitcast())
}

/// The weighted sums of sixteen lanes, rounded half up and clamped to 0 and the largest sample.
#[inline(always)]
pub(super) fn weigh_to_16<S: Simd>(
    simd: S,
    pairs: &[Pairs],
    taps: &[i32],
    precision: u32,
    largest: i16,
) -> i16x16<S> {
    let mut sum = simd.splat_i32x16(1 << (precision - 1));
    for (pairs, &tap) in pairs.iter().zip(taps) {
        let samples = i16x32::from_slice(simd, pairs);
        let tap: i16x32<S> = simd.splat_i32x16(tap).bitcast();
        let products: i32x16<S> = simd.pairwise_dot_product_i16x32(samples, tap);
        sum = simd.add_i32x16(sum, products);
    }
    let (low, high) = simd.split_i32x16(simd.shr_i32x16(sum, precision));
    let narrow = simd.saturating_narrow_i32x8(low, high);
    let (zero, largest) = (simd.splat_i16x16(0), simd.splat_i16x16(largest));
    simd.min_i16x16(simd.max_i16x16(narrow, zero), largest)
}

/// Block `block` of a row; what lies beyond the row is zero.
#[inline(always)]
fn load<S: Simd>(simd: S, row: &[u8], block: usize) -> u8x16<S> {
    let rest = &row[block * LANES..];
    if let Some(full) = rest.first_chunk::<LANES>() {
        return u8x16::from_slice(simd, full);
    }
    let mut padded = [0; LANES];
    padded[..rest.len()].copy_from_slice(rest);
    u8x16::from_slice(simd, &padded)
}

/// Bytes to 16 bits.
#[inline(always)]
fn widen<S: Simd>(simd: S, low: u8x16<S>, high: u8x16<S>) -> i16x32<S> {
    let (low, high) = simd.widen_u8x32(simd.combine_u8x16(low, high));
    simd.combine_u16x16(low, high).bitcast()
}

/// Sixteen rows of sixteen columns to sixteen columns of sixteen rows.
#[inline(always)]
fn transpose<S: Simd>(simd: S, mut tile: [u8x16<S>; LANES]) -> [u8x16<S>; LANES] {
    // Each round moves one bit of the row's number below those of the column's.
    for _ in 0..LANES.ilog2() {
        let mut next = tile;
        for index in 0..LANES / 2 {
            let (first, second) = (tile[index], tile[index + LANES / 2]);
            next[2 * index] = simd.zip_low_u8x16(first, second);
            next[2 * index + 1] = simd.zip_high_u8x16(first, second);
        }
        tile = next;
    }
    tile
}

/// Sixteen rows of eight pairs of columns to eight pairs of columns of sixteen rows, in 16 bits.
#[inline(always)]
fn transpose_pairs<S: Simd>(simd: S, tile: [u8x16<S>; LANES], columns: &mut [Pairs]) {
    let mut pairs: [u16x8<S>; LANES] = [simd.splat_u16x8(0); LANES];
    for (pairs, lane) in pairs.iter_mut().zip(tile) {
        *pairs = lane.bitcast();
    }
    for _ in 0..LANES.ilog2() {
        let mut next = pairs;
        for index in 0..LANES / 2 {
            let (first, second) = (pairs[index], pairs[index + LANES / 2]);
            next[2 * index] = simd.zip_low_u16x8(first, second);
            next[2 * index + 1] = simd.zip_high_u16x8(first, second);
        }
        pairs = next;
    }
    for (column, rows) in columns.iter_mut().zip(pairs.as_chunks::<2>().0) {
        widen(simd, rows[0].bitcast(), rows[1].bitcast()).store_slice(column);
    }
}
