//! What a picture's luma says about it: level, darkness, and how much it differs from the picture
//! before. Quality control and shot detection decide on these numbers, never on pixels.
//!
//! All integers, so that a device's reduction in any order gives the same numbers.

use crate::{Error, Picture, Result};
use fearless_simd::{Level, dispatch};

/// Samples that a loop takes at once.
const LANES: usize = 64;
/// Loops after which the narrow counters (8 bits for darkness, 16 for sums) are emptied.
const LOOPS: usize = 255;

/// The default of [`luma_stats`]'s `black_max`: 16 + 10 % of 219, as in ffmpeg's `blackdetect`.
pub const BLACK_MAX: u8 = 37;

/// The numbers of one picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LumaStats {
    /// Mean code in 1/256, rounded down.
    pub mean_256: u32,
    /// Smallest code.
    pub min: u8,
    /// Largest code.
    pub max: u8,
    /// Fraction of samples at or below the black limit in 1/65536, rounded down.
    pub black_65536: u32,
    /// Mean absolute difference to the previous picture in 1/256, rounded down; `None` without a
    /// previous picture of the same size.
    pub mean_abs_diff_256: Option<u32>,
}

/// Sums over a plane or a part of it.
#[derive(Debug, Clone, Copy)]
struct Sums {
    luma: u64,
    dark: u64,
    difference: u64,
    min: u8,
    max: u8,
}

/// The numbers of an 8-bit picture's luma; codes up to `black_max` count as black. Deeper pictures
/// are refused: convert first.
pub fn luma_stats(
    picture: &Picture,
    previous: Option<&Picture>,
    black_max: u8,
) -> Result<LumaStats> {
    let luma = luma(picture)?;
    let previous = previous.filter(|previous| previous.size() == picture.size());
    let before = previous.map(self::luma).transpose()?;
    // Without a previous picture the difference to itself is summed, which is cheap and not told.
    let sums = dispatch!(Level::new(), _ => Sums::of(luma, before.unwrap_or(luma), black_max));
    let count = luma.len() as u64;
    let scaled = |sum: u64, bits: u32| u32::try_from((sum << bits) / count).unwrap_or(u32::MAX);
    Ok(LumaStats {
        mean_256: scaled(sums.luma, 8),
        min: sums.min,
        max: sums.max,
        black_65536: scaled(sums.dark, 16),
        mean_abs_diff_256: before.map(|_| scaled(sums.difference, 8)),
    })
}

/// How many samples of an 8-bit picture's luma fall into each of 64 ranges of four codes.
pub fn luma_histogram(picture: &Picture) -> Result<[u32; 64]> {
    // Four tables, so that runs of one code do not wait for their own last addition.
    let mut tables = [[0u32; 64]; 4];
    let (quads, rest) = luma(picture)?.as_chunks::<4>();
    for quad in quads {
        for (table, &code) in tables.iter_mut().zip(quad) {
            table[usize::from(code / 4)] += 1;
        }
    }
    for &code in rest {
        tables[0][usize::from(code / 4)] += 1;
    }
    Ok(std::array::from_fn(|bin| {
        tables.iter().map(|table| table[bin]).sum()
    }))
}

fn luma(picture: &Picture) -> Result<&[u8]> {
    let refused = Error::Format {
        operation: "luma_stats",
        format: picture.format(),
    };
    picture.planes()[0].as_u8().ok_or(refused)
}

impl Sums {
    const NOTHING: Self = Self {
        luma: 0,
        dark: 0,
        difference: 0,
        min: u8::MAX,
        max: 0,
    };

    #[inline(always)]
    fn of(luma: &[u8], before: &[u8], black_max: u8) -> Self {
        let mut sums = Self::NOTHING;
        let (chunks, rest) = luma.as_chunks::<LANES>();
        let (chunks_before, rest_before) = before.as_chunks::<LANES>();
        for (now, before) in chunks.chunks(LOOPS).zip(chunks_before.chunks(LOOPS)) {
            sums.add(Self::of_chunks(now, before, black_max));
        }
        for (&now, &before) in rest.iter().zip(rest_before) {
            sums.add(Self {
                luma: u64::from(now),
                dark: u64::from(now <= black_max),
                difference: u64::from(now.abs_diff(before)),
                min: now,
                max: now,
            });
        }
        sums
    }

    /// At most [`LOOPS`] chunks: 255 * 255 still fits 16 bits.
    #[inline(always)]
    fn of_chunks(now: &[[u8; LANES]], before: &[[u8; LANES]], black_max: u8) -> Self {
        let (mut luma, mut difference) = ([0u16; LANES], [0u16; LANES]);
        let (mut dark, mut min, mut max) = ([0u8; LANES], [u8::MAX; LANES], [0u8; LANES]);
        for (now, before) in now.iter().zip(before) {
            for lane in 0..LANES {
                let (now, before) = (now[lane], before[lane]);
                luma[lane] = luma[lane].wrapping_add(u16::from(now));
                difference[lane] = difference[lane].wrapping_add(u16::from(now.abs_diff(before)));
                dark[lane] = dark[lane].wrapping_add(u8::from(now <= black_max));
                min[lane] = min[lane].min(now);
                max[lane] = max[lane].max(now);
            }
        }
        Self {
            luma: luma.iter().map(|&sum| u64::from(sum)).sum(),
            dark: dark.iter().map(|&sum| u64::from(sum)).sum(),
            difference: difference.iter().map(|&sum| u64::from(sum)).sum(),
            min: min.into_iter().fold(u8::MAX, u8::min),
            max: max.into_iter().fold(0, u8::max),
        }
    }

    #[inline(always)]
    fn add(&mut self, other: Self) {
        self.luma += other.luma;
        self.dark += other.dark;
        self.difference += other.difference;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelFormat;

    fn picture(width: u32, height: u32, code: impl Fn(usize) -> u8) -> Picture {
        let mut picture = Picture::new(PixelFormat::Yuv420p8, width, height).unwrap();
        let luma = picture.planes_mut()[0].as_u8_mut().unwrap();
        luma.iter_mut()
            .enumerate()
            .for_each(|(index, sample)| *sample = code(index));
        picture
    }

    #[test]
    fn the_numbers_are_those_of_a_plain_count() {
        for (width, height) in [(1, 1), (7, 9), (64, 3), (130, 131), (641, 359)] {
            let now = picture(width, height, |i| (i * i / 3 % 251) as u8);
            let before = picture(width, height, |i| (i * 11 % 256) as u8);
            let codes = luma(&now).unwrap();
            let pairs = codes.iter().zip(luma(&before).unwrap());
            let count = codes.len() as u64;
            let sum: u64 = codes.iter().map(|&v| u64::from(v)).sum();
            let difference: u64 = pairs.map(|(&a, &b)| u64::from(a.abs_diff(b))).sum();
            let black = codes.iter().filter(|&&v| v <= BLACK_MAX).count() as u64;
            let expected = LumaStats {
                mean_256: (sum * 256 / count) as u32,
                min: *codes.iter().min().unwrap(),
                max: *codes.iter().max().unwrap(),
                black_65536: (black * 65536 / count) as u32,
                mean_abs_diff_256: Some((difference * 256 / count) as u32),
            };
            assert_eq!(luma_stats(&now, Some(&before), BLACK_MAX), Ok(expected));
        }
    }

    #[test]
    fn extremes_do_not_overflow_the_narrow_counters() {
        let white = picture(1920, 1080, |_| 255);
        let black = picture(1920, 1080, |_| 0);
        let stats = luma_stats(&white, Some(&black), 255).unwrap();
        assert_eq!((stats.mean_256, stats.black_65536), (255 * 256, 65536));
        assert_eq!(stats.mean_abs_diff_256, Some(255 * 256));
        assert_eq!((stats.min, stats.max), (255, 255));
    }

    #[test]
    fn a_first_picture_has_no_difference() {
        let now = picture(64, 64, |_| 20);
        let other = picture(64, 32, |_| 20);
        for previous in [None, Some(&other)] {
            let stats = luma_stats(&now, previous, BLACK_MAX).unwrap();
            assert_eq!(stats.mean_abs_diff_256, None);
        }
    }

    #[test]
    fn the_histogram_counts_every_sample_once() {
        let histogram = luma_histogram(&picture(17, 31, |i| (i % 256) as u8)).unwrap();
        assert_eq!(histogram.iter().sum::<u32>(), 17 * 31);
        assert_eq!((histogram[0], histogram[63]), (12, 8));
    }

    #[test]
    fn deep_pictures_are_refused() {
        let deep = Picture::new(PixelFormat::Yuv420p10, 2, 2).unwrap();
        assert!(matches!(
            luma_stats(&deep, None, 0),
            Err(Error::Format { .. })
        ));
        assert!(luma_histogram(&deep).is_err());
    }
}
