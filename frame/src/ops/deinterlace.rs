//! One progressive picture for each interlaced one, from it and its two neighbours in time.
//!
//! The field that was shown first is kept; each line of the other is made anew for that moment by
//! the three-field filter of Weston (BBC, US 4740842), bounded by what moved around it, as ffmpeg's
//! `bwdif` does. Any planar format is taken as it is: 4:2:0 and 4:2:2 chroma alternate between the
//! fields just as luma does, which is why deinterlacing comes before converting.
//!
//! Lines beyond the picture are those nearest inside it of the same field.

pub mod plain;
#[cfg(test)]
mod tests;
mod vector;

use crate::{Error, Picture, Result, Samples};
use fearless_simd::{Level, Simd, SimdBase, dispatch, i32x16};
use vector::{Around, Sample, make_samples};

/// Which field was shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldOrder {
    /// The even lines, counted from 0.
    TopFirst,
    /// The odd lines.
    BottomFirst,
}

/// Weston's filter in 1/8192: low frequencies from the kept field, high ones from the other.
const LOW: (i32, i32) = (4309, 213);
const HIGH: (i32, i32, i32) = (5570, 3801, 1016);
/// The filter within the kept field alone, for where the other does not help.
const SPATIAL: (i32, i32) = (5077, 981);
const PRECISION: u32 = 13;

/// Samples that a loop takes at once.
const LANES: usize = 16;

/// What is the same for all planes: the lines that are kept (even or odd), the largest code.
#[derive(Debug, Clone, Copy)]
struct Rules {
    kept: usize,
    limit: i32,
}

/// The three pictures' samples of one plane.
#[derive(Clone, Copy)]
struct Window<'a, T> {
    previous: &'a [T],
    current: &'a [T],
    next: &'a [T],
    width: usize,
    height: usize,
}

/// Writes the deinterlaced `current` into `target`, which is reshaped. A missing neighbour is
/// replaced by `current`; one of another format or size is refused.
pub fn deinterlace(
    previous: Option<&Picture>,
    current: &Picture,
    next: Option<&Picture>,
    order: FieldOrder,
    target: &mut Picture,
) -> Result<()> {
    let (previous, next) = (previous.unwrap_or(current), next.unwrap_or(current));
    let shape = |picture: &Picture| format!("{} {}", picture.format(), picture.size());
    for neighbour in [previous, next] {
        if (neighbour.format(), neighbour.size()) != (current.format(), current.size()) {
            let (expected, got) = (shape(current), shape(neighbour));
            return Err(Error::Shape {
                operation: "deinterlace",
                expected,
                got,
            });
        }
    }
    target.reshape(current.format(), current.size())?;
    target.set_range(current.range());
    let kept = usize::from(order == FieldOrder::BottomFirst);
    let rules = Rules {
        kept,
        limit: (1 << current.format().bit_depth()) - 1,
    };
    for (index, target) in target.planes_mut().iter_mut().enumerate() {
        let planes = [previous, current, next].map(|picture| &picture.planes()[index]);
        let (width, height) = (target.width(), target.height());
        if let Some(target) = target.as_u8_mut() {
            let [previous, current, next] = planes.map(|plane| plane.as_u8().unwrap_or(&[]));
            let window = Window {
                previous,
                current,
                next,
                width,
                height,
            };
            dispatch!(Level::new(), simd => window.deinterlace(simd, rules, target));
        } else if let Some(target) = target.as_u16_mut() {
            let [previous, current, next] = planes.map(|plane| match plane.samples() {
                Samples::U16(data) => data.as_slice(),
                Samples::U8(_) => &[],
            });
            let window = Window {
                previous,
                current,
                next,
                width,
                height,
            };
            dispatch!(Level::new(), simd => window.deinterlace(simd, rules, target));
        }
    }
    Ok(())
}

impl<'a, T: Sample> Window<'a, T> {
    #[inline(always)]
    fn deinterlace<S: Simd>(self, simd: S, rules: Rules, target: &mut [T]) {
        for (y, row) in target.chunks_exact_mut(self.width).enumerate() {
            // A single line has no other field to be made from.
            if y % 2 == rules.kept || self.height == 1 {
                row.copy_from_slice(self.line(self.current, y, 0));
                continue;
            }
            let lines = self.around(y);
            for (block, samples) in row.chunks_mut(LANES).enumerate() {
                let around = lines.load(simd, block * LANES);
                let zero = i32x16::splat(simd, 0);
                let made = make_samples(simd, &around).min(rules.limit).max(zero);
                if let Some(full) = samples.first_chunk_mut::<LANES>() {
                    T::store(simd, made, full);
                } else {
                    let mut padded = [T::default(); LANES];
                    T::store(simd, made, &mut padded);
                    samples.copy_from_slice(&padded[..samples.len()]);
                }
            }
        }
    }

    /// The line `offset` lines from `y`, or the nearest inside of the same field.
    #[inline(always)]
    fn line(&self, samples: &'a [T], y: usize, offset: isize) -> &'a [T] {
        let mut line = y as isize + offset;
        while line < 0 {
            line += 2;
        }
        while line >= self.height as isize {
            line -= 2;
        }
        // A picture of two lines or more has a line of each field.
        &samples[line.max(0).cast_unsigned() * self.width..][..self.width]
    }

    /// The lines around line `y` of the field that was shown second.
    #[inline(always)]
    fn around(&self, y: usize) -> Around<&'a [T]> {
        // The missing field before and after the moment of the kept one, then the kept one.
        Around {
            before: [-4, -2, 0, 2, 4].map(|offset| self.line(self.previous, y, offset)),
            after: [-4, -2, 0, 2, 4].map(|offset| self.line(self.current, y, offset)),
            kept: [-3, -1, 1, 3].map(|offset| self.line(self.current, y, offset)),
            past: [-1, 1].map(|offset| self.line(self.previous, y, offset)),
            future: [-1, 1].map(|offset| self.line(self.next, y, offset)),
        }
    }
}
