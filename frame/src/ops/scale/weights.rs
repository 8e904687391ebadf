//! The fixed-point weights of one scaling pass: which samples make an output sample, and how much
//! of each. Made once per source and target size; a kernel uploads them as they are.
//!
//! The sine is computed here and not by the system's mathematics library, whose last bit differs
//! between machines; so the weights, and with them every pixel, are the same everywhere.

use std::f64::consts::PI;

/// Lanczos lobes on each side.
const LOBES: f64 = 3.0;

/// Where the samples of a plane lie among those of the luma plane, along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Siting {
    /// The plane's sample grid covers the picture evenly: luma, and vertically 4:2:0 chroma.
    Centred,
    /// Each chroma sample lies on every second luma sample: horizontally left-sited 4:2:0.
    Cosited,
}

/// The weights of one pass along one axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weights {
    precision: u32,
    starts: Vec<u32>,
    /// `offsets[i]..offsets[i + 1]` are the weights of output sample `i`.
    offsets: Vec<u32>,
    values: Vec<i16>,
}

impl Weights {
    /// The weights from `source` to `target` samples, where one output step is `step` input steps
    /// (the ratio of the *luma* lengths, for chroma too), for samples of so many bits. All arguments are
    /// positive.
    pub fn new(source: u32, target: u32, step: f64, siting: Siting, depth: u8) -> Self {
        let offset = match siting {
            Siting::Centred => 0.0,
            // Output chroma j lies on luma 2j, whose centre is at 2j + 1/2; the scaled centre lies
            // (1 - step) / 4 chroma samples from where a centred grid would have it.
            Siting::Cosited => (1.0 - step) / 4.0,
        };
        let rows: Vec<(u32, Vec<f64>)> = (0..target)
            .map(|x| row(source, (f64::from(x) + 0.5) * step + offset, step.max(1.0)))
            .collect();
        let precision = precision(rows.iter().flat_map(|(_, row)| row), depth);
        let mut weights = Self {
            precision,
            starts: vec![],
            offsets: vec![0],
            values: vec![],
        };
        for (start, row) in rows {
            weights.push(start, &row);
        }
        weights
    }

    /// Bits below the point: a weight of 1 is `1 << precision`.
    pub fn precision(&self) -> u32 {
        self.precision
    }

    /// Number of output samples.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no output sample.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// The first input sample of output sample `index`, and the weights from there on.
    pub fn taps(&self, index: usize) -> (usize, &[i16]) {
        let range = self.offsets[index] as usize..self.offsets[index + 1] as usize;
        (self.starts[index] as usize, &self.values[range])
    }

    /// Whether every output sample is the input sample of the same index.
    pub fn is_identity(&self) -> bool {
        (0..self.len()).all(|index| self.taps(index) == (index, &[1 << self.precision]))
    }

    /// Rounds the weights of one output sample and drops zeros at both ends.
    fn push(&mut self, start: u32, row: &[f64]) {
        let one = f64::from(1u32 << self.precision);
        let fixed = row.iter().map(|&weight| (weight * one).round() as i16);
        let first = self.values.len();
        let skipped = fixed.clone().take_while(|&weight| weight == 0).count();
        self.values.extend(fixed.skip(skipped));
        while self.values.len() > first + 1 && self.values.last() == Some(&0) {
            self.values.pop();
        }
        self.starts.push(start + skipped as u32);
        self.offsets.push(self.values.len() as u32);
    }
}

/// The weights of the output sample whose centre is at `centre` (in input samples, whose centres
/// are at half-integers), and the first sample they belong to. They sum to 1.
fn row(source: u32, centre: f64, stretch: f64) -> (u32, Vec<f64>) {
    let radius = LOBES * stretch;
    let last = f64::from(source - 1);
    let start = (centre - radius).floor().clamp(0.0, last) as u32;
    let end = (centre + radius).ceil().clamp(1.0, f64::from(source)) as u32;
    let shrink = 1.0 / stretch;
    let middle = centre - 0.5;
    let mut row: Vec<f64> = (start..end)
        .map(|x| lanczos((f64::from(x) - middle) * shrink))
        .collect();
    let sum: f64 = row.iter().sum();
    row.iter_mut().for_each(|weight| *weight /= sum);
    (start, row)
}

/// As many bits as keep the largest weight in 16 bits and the accumulator in 32.
fn precision<'a>(weights: impl Iterator<Item = &'a f64>, depth: u8) -> u32 {
    // What an accumulator has beside the sample and two bits of overshoot.
    let most = 32 - u32::from(depth) - 2;
    let largest = weights.fold(0.0f64, |largest, &weight| largest.max(weight));
    let fits = |bits: u32| (largest * f64::from(1u32 << bits)).round() < f64::from(1 << 15);
    (0..most).find(|&bits| !fits(bits + 1)).unwrap_or(most - 1)
}

fn lanczos(x: f64) -> f64 {
    if (-LOBES..LOBES).contains(&x) {
        sinc(x) * sinc(x / LOBES)
    } else {
        0.0
    }
}

/// sin(πx) / (πx).
fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let nearest = x.round();
    let odd = nearest.rem_euclid(2.0) == 1.0;
    let sine = sine((x - nearest) * PI);
    (if odd { -sine } else { sine }) / (x * PI)
}

/// The sine of an angle within ±π/2: its Taylor series up to the 23rd power, which is below half a
/// unit in the last place there. Only additions, multiplications and divisions, which IEEE 754
/// defines to the bit.
fn sine(angle: f64) -> f64 {
    let square = angle * angle;
    let series = (1..12).rev().fold(1.0, |rest, term| {
        let term = f64::from(term);
        1.0 - square / (2.0 * term * (2.0 * term + 1.0)) * rest
    });
    angle * series
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sine_is_the_sine() {
        for step in -1000..=1000 {
            let angle = f64::from(step) / 1000.0 * PI / 2.0;
            assert!((sine(angle) - angle.sin()).abs() < 3e-16, "{angle}");
        }
    }

    #[test]
    fn equal_sizes_need_no_weights() {
        assert!(Weights::new(77, 77, 1.0, Siting::Centred, 8).is_identity());
        assert!(Weights::new(77, 77, 1.0, Siting::Cosited, 8).is_identity());
        assert!(!Weights::new(77, 76, 77.0 / 76.0, Siting::Centred, 8).is_identity());
    }

    #[test]
    fn weights_sum_to_one_and_stay_inside() {
        for (source, target) in [
            (1, 9),
            (9, 1),
            (1920, 854),
            (3, 2),
            (16384, 16),
            (16, 16384),
        ] {
            for siting in [Siting::Centred, Siting::Cosited] {
                let step = f64::from(source) / f64::from(target);
                let weights = Weights::new(source, target, step, siting, 8);
                assert_eq!(weights.len(), target as usize);
                for index in 0..weights.len() {
                    let (start, taps) = weights.taps(index);
                    assert!(!taps.is_empty() && start + taps.len() <= source as usize);
                    let sum: i32 = taps.iter().map(|&tap| i32::from(tap)).sum();
                    let error = (sum - (1 << weights.precision())).unsigned_abs();
                    assert!(
                        error * 255 * 2 < 1 << weights.precision(),
                        "{source} to {target}"
                    );
                }
            }
        }
    }

    #[test]
    fn cosited_chroma_stays_on_its_luma_column() {
        // Halving: output chroma 10 is on output luma 20, whose centre 20.5 is 41 in the source;
        // source chroma c is on luma 2c, at 2c + 0.5, so it lies at c = 20.25, index 20.25.
        let weights = Weights::new(480, 240, 2.0, Siting::Cosited, 8);
        let (start, taps) = weights.taps(10);
        let mean: f64 = (start..)
            .zip(taps)
            .map(|(x, &tap)| x as f64 * f64::from(tap))
            .sum();
        let position = mean / f64::from(1u32 << weights.precision());
        assert!((position - 20.25).abs() < 0.02, "{position}");
        let centred = Weights::new(480, 240, 2.0, Siting::Centred, 8);
        assert_eq!(centred.taps(10).0 + centred.taps(10).1.len() / 2, 21);
    }
}
