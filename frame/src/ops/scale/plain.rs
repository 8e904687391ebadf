//! The scaling arithmetic as plainly as it can be said. The vectorised path, the kernels and the
//! shaders are held to this.

use super::Weights;

/// Samples that are scaled: 8 bits in `u8`, ten in `u16`.
pub trait Sample: Copy + Default + Into<i32> {
    /// The largest code.
    const LARGEST: i32;

    /// From a code between 0 and the largest.
    fn of(code: i32) -> Self;
}

impl Sample for u8 {
    const LARGEST: i32 = 255;

    fn of(code: i32) -> Self {
        code as Self
    }
}

impl Sample for u16 {
    const LARGEST: i32 = 1023;

    fn of(code: i32) -> Self {
        code as Self
    }
}

/// Scales a plane, `width` samples per row, by the vertical and then the horizontal weights; writes
/// `vertical.len()` rows of `horizontal.len()` samples.
pub fn scale_plane<T: Sample>(
    source: &[T],
    width: usize,
    (horizontal, vertical): (&Weights, &Weights),
    target: &mut [T],
) {
    let mut row = vec![T::default(); width];
    for (y, target) in target.chunks_exact_mut(horizontal.len()).enumerate() {
        let (start, taps) = vertical.taps(y);
        for (x, sample) in row.iter_mut().enumerate() {
            let column = source[start * width + x..].iter().step_by(width);
            *sample = weigh(column, taps, vertical.precision());
        }
        for (x, sample) in target.iter_mut().enumerate() {
            let (start, taps) = horizontal.taps(x);
            *sample = weigh(row[start..].iter(), taps, horizontal.precision());
        }
    }
}

/// The weighted sum, rounded half up and clamped. A sample beyond the largest counts as the largest.
fn weigh<'a, T: Sample + 'a>(
    samples: impl Iterator<Item = &'a T>,
    taps: &[i16],
    precision: u32,
) -> T {
    let sum: i32 = taps
        .iter()
        .zip(samples)
        .map(|(&tap, &sample)| i32::from(tap) * sample.into().min(T::LARGEST))
        .sum();
    T::of(((sum + (1 << (precision - 1))) >> precision).clamp(0, T::LARGEST))
}
