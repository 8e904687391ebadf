//! The scaling arithmetic as plainly as it can be said. The vectorised path, the kernels and the
//! shaders are held to this.

use super::Weights;

/// Scales a plane of 8-bit samples, `width` per row, by the vertical and then the horizontal
/// weights; writes `vertical.len()` rows of `horizontal.len()` samples.
pub fn scale_plane(
    source: &[u8],
    width: usize,
    (horizontal, vertical): (&Weights, &Weights),
    target: &mut [u8],
) {
    let mut row = vec![0; width];
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

/// The weighted sum, rounded half up and clamped to 8 bits.
fn weigh<'a>(samples: impl Iterator<Item = &'a u8>, taps: &[i16], precision: u32) -> u8 {
    let sum: i32 = taps
        .iter()
        .zip(samples)
        .map(|(&tap, &sample)| i32::from(tap) * i32::from(sample))
        .sum();
    ((sum + (1 << (precision - 1))) >> precision).clamp(0, 255) as u8
}
