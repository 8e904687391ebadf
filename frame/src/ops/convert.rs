//! Any planar format to 4:2:0 in video range, 8 or 10 bits: what encoders take.
//!
//! Not a colour conversion: the matrix, primaries and transfer stay. Chroma is brought to the
//! left siting of MPEG-2 and H.264's default. Halving its height takes the mean of two rows,
//! which is where 4:2:0 has its samples; halving its width takes 1-2-1 around the luma column it
//! stays on. Depth is reduced with a 4x4 ordered dither that depends on the position alone, so
//! that flat gradients do not band and equal input gives equal output; filtering without loss of
//! depth rounds half up. Each sample is rounded once, except that full range is first brought to
//! video range by a table at the source's depth.

use crate::{Error, Picture, PixelFormat, Plane, Range, Result, Samples};
use fearless_simd::{Level, dispatch};

#[cfg(test)]
mod tests;

/// Samples that a loop takes at once; a multiple of the dither's width.
const CHUNK: usize = 16;

/// The 4x4 Bayer matrix.
pub(super) const BAYER: [[u16; 4]; 4] =
    [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// Converts pictures of one format and range.
#[derive(Debug)]
pub struct Converter {
    from: PixelFormat,
    range: Range,
    to: PixelFormat,
    /// Video-range codes of full-range luma and chroma codes; empty for video range.
    tables: [Vec<u16>; 2],
    rows: [Vec<u16>; 4],
}

/// How two rows make one: `first * weights.0 + second * weights.1`, `1 << bits` in sum.
#[derive(Debug, Clone, Copy)]
struct RowMix {
    first: usize,
    second: usize,
    weights: (u16, u16),
    bits: u32,
}

/// The last step: what is added before the shift, by column, and the shift.
#[derive(Debug, Clone, Copy)]
struct Finish {
    offsets: [u16; CHUNK],
    down: u32,
    up: u32,
    largest: u16,
}

impl Converter {
    /// A converter to `to`, which is 4:2:0 in 8 or 10 bits; other targets are refused.
    pub fn new(from: PixelFormat, range: Range, to: PixelFormat) -> Result<Self> {
        if !matches!(to, PixelFormat::Yuv420p8 | PixelFormat::Yuv420p10) {
            return Err(Error::Format {
                operation: "convert",
                format: to,
            });
        }
        let tables = match range {
            Range::Video => [vec![], vec![]],
            Range::Full => [luma_table(from.bit_depth()), chroma_table(from.bit_depth())],
        };
        Ok(Self {
            from,
            range,
            to,
            tables,
            rows: Default::default(),
        })
    }

    /// Whether converting would change nothing, so that the caller may leave it out.
    pub fn is_identity(&self) -> bool {
        self.from == self.to && self.range == Range::Video
    }

    /// Converts a picture; `target` is reshaped. Fails when format or range is not as agreed.
    pub fn convert(&mut self, source: &Picture, target: &mut Picture) -> Result<()> {
        if (source.format(), source.range()) != (self.from, self.range) {
            return Err(Error::Shape {
                operation: "convert",
                expected: format!("{} in {:?} range", self.from, self.range),
                got: format!("{} in {:?} range", source.format(), source.range()),
            });
        }
        target.reshape(self.to, source.size())?;
        if self.from == PixelFormat::Gray8 {
            target.fill_black();
        }
        for (index, plane) in source.planes().iter().enumerate() {
            let target = &mut target.planes_mut()[index];
            dispatch!(Level::new(), _ => self.convert_plane(index, plane, target));
        }
        Ok(())
    }

    #[inline(always)]
    fn convert_plane(&mut self, index: usize, source: &Plane, target: &mut Plane) {
        let (wide, high) = if index == 0 {
            (1, 1)
        } else {
            self.from.chroma_shifts()
        };
        let chroma = index > 0;
        let table = &self.tables[usize::from(chroma)];
        let [first, second, mixed, sums] = &mut self.rows;
        for row in [&mut *first, &mut *second, &mut *mixed] {
            row.resize(source.width(), 0);
        }
        sums.resize(target.width(), 0);
        for y in 0..target.height() {
            let mix = RowMix::new(y, high, source.height());
            let upper = fetch(source, mix.first, table, first);
            let row = if mix.bits == 0 {
                upper
            } else {
                mix.apply(upper, fetch(source, mix.second, table, second), mixed);
                &*mixed
            };
            let (row, bits) = match wide {
                1 => (row, 0),
                0 => (halve_width(row, sums), 2),
                _ => (double_width(row, sums), 1),
            };
            Finish::new(self.from, self.to, mix.bits + bits, y).apply(row, target, y);
        }
    }
}

impl RowMix {
    /// The mix for target row `y` of a plane that is `1 << shift` lower than the luma plane (a
    /// shift of 1 also stands for the luma plane itself, which keeps its rows).
    fn new(y: usize, shift: u8, height: usize) -> Self {
        let last = height - 1;
        let (first, second, weights, bits) = match shift {
            0 => (2 * y, 2 * y + 1, (1, 1), 1),
            1 => (y, y, (1, 0), 0),
            _ if y.is_multiple_of(2) => (y / 2, (y / 2).saturating_sub(1), (3, 1), 2),
            _ => (y / 2, y / 2 + 1, (3, 1), 2),
        };
        Self {
            first: first.min(last),
            second: second.min(last),
            weights,
            bits,
        }
    }

    #[inline(always)]
    fn apply(self, first: &[u16], second: &[u16], mixed: &mut [u16]) {
        let (upper, lower) = self.weights;
        for ((mixed, &first), &second) in mixed.iter_mut().zip(first).zip(second) {
            *mixed = first
                .wrapping_mul(upper)
                .wrapping_add(second.wrapping_mul(lower));
        }
    }
}

impl Finish {
    /// The step for row `y`, from samples of `from`'s depth with `bits` more below them.
    fn new(from: PixelFormat, to: PixelFormat, bits: u32, y: usize) -> Self {
        let (from, to) = (u32::from(from.bit_depth()), u32::from(to.bit_depth()));
        let down = (from + bits).saturating_sub(to);
        let half = (1 << down) >> 1;
        let offset = |x: usize| {
            if from > to {
                ((2 * BAYER[y % 4][x % 4] + 1) << down) >> 5
            } else {
                half
            }
        };
        let offsets = std::array::from_fn(offset);
        Self {
            offsets,
            down,
            up: to.saturating_sub(from + bits),
            largest: (1 << to) - 1,
        }
    }

    #[inline(always)]
    fn apply(&self, row: &[u16], target: &mut Plane, y: usize) {
        let span = y * target.width()..(y + 1) * target.width();
        if let Some(data) = target.as_u8_mut() {
            self.run(row, &mut data[span], |value| value as u8);
        } else if let Some(data) = target.as_u16_mut() {
            self.run(row, &mut data[span], |value| value);
        }
    }

    #[inline(always)]
    fn run<T>(&self, row: &[u16], target: &mut [T], narrow: impl Fn(u16) -> T) {
        for (target, row) in target.chunks_mut(CHUNK).zip(row.chunks(CHUNK)) {
            for ((target, &value), &offset) in target.iter_mut().zip(row).zip(&self.offsets) {
                let value = (value.saturating_add(offset) >> self.down) << self.up;
                *target = narrow(value.min(self.largest));
            }
        }
    }
}

/// Row `y` in 16 bits, in video range; borrowed where it already is.
#[inline(always)]
fn fetch<'a>(plane: &'a Plane, y: usize, table: &[u16], row: &'a mut [u16]) -> &'a [u16] {
    let span = y * plane.width()..(y + 1) * plane.width();
    match plane.samples() {
        Samples::U16(data) if table.is_empty() => return &data[span],
        Samples::U16(data) => {
            for (row, &code) in row.iter_mut().zip(&data[span]) {
                // A code beyond the depth is a lie of the decoder's; it becomes the largest.
                *row = table[usize::from(code).min(table.len() - 1)];
            }
        }
        Samples::U8(data) if table.is_empty() => {
            for (row, &code) in row.iter_mut().zip(&data[span]) {
                *row = u16::from(code);
            }
        }
        Samples::U8(data) => {
            for (row, &code) in row.iter_mut().zip(&data[span]) {
                *row = table[usize::from(code)];
            }
        }
    }
    row
}

/// 1-2-1 around every second sample; two more bits.
#[inline(always)]
fn halve_width<'a>(row: &[u16], sums: &'a mut [u16]) -> &'a [u16] {
    let weigh = |left: u16, middle: u16, right: u16| {
        left.wrapping_add(middle.wrapping_mul(2))
            .wrapping_add(right)
    };
    let (pairs, last) = row[1..].as_chunks::<2>();
    let after_last = last.first().copied();
    let right = pairs.first().map(|pair| pair[0]).or(after_last);
    sums[0] = weigh(row[0], row[0], right.unwrap_or(row[0]));
    for ((sum, pair), next) in sums[1..].iter_mut().zip(pairs).zip(pairs.iter().skip(1)) {
        *sum = weigh(pair[0], pair[1], next[0]);
    }
    if let (Some(sum), Some(&[left, middle])) = (sums[1..].last_mut(), pairs.last()) {
        *sum = weigh(left, middle, after_last.unwrap_or(middle));
    }
    sums
}

/// Every sample and the mean of it and the next; one more bit.
#[inline(always)]
fn double_width<'a>(row: &[u16], sums: &'a mut [u16]) -> &'a [u16] {
    for (x, sum) in sums.iter_mut().enumerate() {
        let last = row.len() - 1;
        *sum = row[(x / 2).min(last)].wrapping_add(row[x.div_ceil(2).min(last)]);
    }
    sums
}

/// Full-range luma codes to video range, rounded half up.
fn luma_table(depth: u8) -> Vec<u16> {
    let (largest, scale) = ((1u32 << depth) - 1, 1 << (depth - 8));
    let code = |full: u32| 16 * scale + (2 * full * 219 * scale + largest) / (2 * largest);
    (0..=largest).map(|full| code(full) as u16).collect()
}

/// Full-range chroma codes to video range, rounded half away from zero around the middle.
fn chroma_table(depth: u8) -> Vec<u16> {
    let (largest, middle, scale) = ((1i32 << depth) - 1, 1 << (depth - 1), 1 << (depth - 8));
    let code = |full: i32| {
        let distance = 2 * (full - middle) * 224 * scale;
        middle + (distance + largest * distance.signum()) / (2 * largest)
    };
    (0..=largest).map(|full| code(full) as u16).collect()
}
