//! One progressive picture for each interlaced one, from it and its two neighbours in time.
//!
//! The field that was shown first is kept; each line of the other is made anew for that moment by
//! the three-field filter of Weston (BBC, US 4740842), bounded by what moved around it, as ffmpeg's
//! `bwdif` does. Any planar format is taken as it is: 4:2:0 and 4:2:2 chroma alternate between the
//! fields just as luma does, which is why deinterlacing comes before converting.
//!
//! Lines beyond the picture are those nearest inside it of the same field.

use crate::{Error, Picture, Result, Samples};
use fearless_simd::{Bytes, Level, Simd, SimdBase, dispatch, i32x16, u8x16, u16x16};

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

/// What lies around a missing line, from top to bottom.
struct Around<T> {
    before: [T; 5],
    after: [T; 5],
    kept: [T; 4],
    past: [T; 2],
    future: [T; 2],
}

impl<T: Sample> Around<&[T]> {
    /// The samples from column `first` on.
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, first: usize) -> Around<i32x16<S>> {
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
trait Sample: Copy + Default {
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
fn make_samples<S: Simd>(simd: S, around: &Around<i32x16<S>>) -> i32x16<S> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelFormat;

    fn picture(format: PixelFormat, code: impl Fn(usize, usize) -> u16) -> Picture {
        let mut picture = Picture::new(format, 24, 16).unwrap();
        for plane in picture.planes_mut() {
            let width = plane.width();
            let at = |index: usize| code(index % width, index / width);
            if let Some(data) = plane.as_u8_mut() {
                data.iter_mut()
                    .enumerate()
                    .for_each(|(i, v)| *v = at(i) as u8);
            } else if let Some(data) = plane.as_u16_mut() {
                data.iter_mut().enumerate().for_each(|(i, v)| *v = at(i));
            }
        }
        picture
    }

    fn run(previous: &Picture, current: &Picture, next: &Picture, order: FieldOrder) -> Picture {
        let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        deinterlace(Some(previous), current, Some(next), order, &mut target).unwrap();
        target
    }

    #[test]
    fn a_still_picture_is_kept() {
        for format in [
            PixelFormat::Yuv420p8,
            PixelFormat::Yuv422p10,
            PixelFormat::Gray8,
        ] {
            let still = picture(format, |x, y| ((x * 37 + y * y * 11) % 220) as u16);
            for order in [FieldOrder::TopFirst, FieldOrder::BottomFirst] {
                assert_eq!(run(&still, &still, &still, order), still);
                let mut alone = Picture::new(format, 1, 1).unwrap();
                deinterlace(None, &still, None, order, &mut alone).unwrap();
                assert_eq!(alone, still);
            }
        }
    }

    #[test]
    fn a_moving_edge_is_combed_before_and_not_after() {
        // An edge that moves 8 columns per field: even lines show it at 4 + 16t, odd lines later.
        let at = |time: usize| {
            picture(PixelFormat::Yuv420p8, move |x, y| {
                if x < 16 * time + 8 * (y % 2) { 200 } else { 20 }
            })
        };
        let (previous, current, next) = (at(0), at(1), at(2));
        let comb = |picture: &Picture| {
            let luma = picture.planes()[0].as_u8().unwrap();
            let column = |y: usize| i32::from(luma[y * 24 + 20]);
            (4..12)
                .map(|y| (column(y) - column(y + 1)).abs())
                .max()
                .unwrap()
        };
        assert_eq!(comb(&current), 180);
        assert!(comb(&run(&previous, &current, &next, FieldOrder::TopFirst)) <= 1);
    }

    #[test]
    fn the_first_field_is_never_changed() {
        let noise = |seed: usize| {
            picture(PixelFormat::Yuv420p8, move |x, y| {
                (x * x * 31 + y * 17 * seed) as u16 % 256
            })
        };
        let current = noise(5);
        for (order, kept) in [(FieldOrder::TopFirst, 0), (FieldOrder::BottomFirst, 1)] {
            let target = run(&noise(3), &current, &noise(9), order);
            for (to, from) in target.planes().iter().zip(current.planes()) {
                let width = to.width();
                let rows = to
                    .as_u8()
                    .unwrap()
                    .chunks(width)
                    .zip(from.as_u8().unwrap().chunks(width));
                assert!(rows.skip(kept).step_by(2).all(|(to, from)| to == from));
            }
        }
    }

    #[test]
    fn codes_beyond_their_depth_do_no_harm() {
        let wild = |seed: usize| {
            picture(PixelFormat::Yuv420p10, move |x, y| {
                ((x + y * seed) % 2) as u16 * u16::MAX
            })
        };
        let target = run(&wild(1), &wild(0), &wild(3), FieldOrder::TopFirst);
        assert_eq!(target.format(), PixelFormat::Yuv420p10);
    }

    #[test]
    fn tiny_pictures_and_strangers_are_handled() {
        for (width, height) in [(1, 1), (2, 2), (5, 3)] {
            let small = Picture::black(PixelFormat::Yuv420p8, width, height).unwrap();
            assert_eq!(run(&small, &small, &small, FieldOrder::BottomFirst), small);
        }
        let current = Picture::black(PixelFormat::Yuv420p8, 8, 8).unwrap();
        let other = Picture::black(PixelFormat::Yuv420p8, 8, 10).unwrap();
        let mut target = current.clone();
        let order = FieldOrder::TopFirst;
        let refused = deinterlace(Some(&other), &current, None, order, &mut target);
        assert!(matches!(refused, Err(Error::Shape { .. })));
    }
}
