//! HDR to SDR: PQ and HLG pictures of BT.2020 in 10 bits become BT.709 in 8 bits.
//!
//! Light is compressed by the EETF of ITU-R BT.2390 from the source's peak to SDR's white, by the brightest
//! of the three components, so that hue stays. Diffuse white of 203 cd/m² (ITU-R BT.2408) becomes SDR's
//! white, as players do it. Colours that BT.709 does not have move towards the grey of their luminance. The
//! result is for a display with BT.1886's gamma, and is dithered like all that loses depth here.
//!
//! Integers throughout, with tables that are made from [`mod@reference`]: one defined result. Each luma sample
//! is mapped with the chroma between its neighbours', each chroma sample with the luma around it; both at
//! the left siting that `convert` leaves.

pub mod reference;
mod tables;
#[cfg(test)]
mod tests;

use super::convert::BAYER;
use crate::{Error, Picture, PixelFormat, Range, Result};
use tables::{ONE_BITS, OUT_BITS, SIGNAL_BITS, Tables, WHITE};

/// How light is coded (ITU-R BT.2100).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HdrTransfer {
    /// Perceptual quantizer, SMPTE ST 2084.
    Pq,
    /// Hybrid log-gamma, ARIB STD-B67.
    Hlg,
}

/// Peaks of sources that are believed, in cd/m²: from SDR's white to what PQ can say.
pub const PEAKS_NITS: std::ops::RangeInclusive<u32> = 203..=10_000;

/// Samples come in eighths: what two-by-four weighted neighbours sum up to.
const EIGHTHS: i32 = 8;

/// Fraction of the matrix from Y'CbCr to signals.
const MATRIX_BITS: u32 = 16;

/// Fractions of the sums that luma and chroma are rounded from.
const LUMA_BITS: u32 = 20;
const CHROMA_BITS: u32 = 22;

/// One in how much of a colour is kept: a dark component's signal is steep, so a little light shows.
const KEEP_BITS: u32 = 30;

/// Weights in integers.
#[derive(Debug)]
struct Weights {
    /// Y'CbCr of BT.2020 in 10 bits to signals: luma, Cr to red, Cb and Cr to green, Cb to blue.
    luma: i32,
    red: i32,
    green: [i32; 2],
    blue: i32,
    luminance: [i64; 3],
    to_709: [[i64; 3]; 3],
    luma_709: [i32; 3],
    /// Differences of BT.709 signals and luma to Cb and Cr.
    chroma_709: [i32; 2],
}

/// Maps pictures of one transfer and peak.
#[derive(Debug)]
pub struct ToneMapper {
    tables: Tables,
    weights: Weights,
    /// Chroma of a luma row, or luma of a chroma row, in eighths.
    rows: [Vec<i32>; 2],
}

impl ToneMapper {
    /// A mapper for sources whose brightest pixels reach so many cd/m²; what lies outside of
    /// [`PEAKS_NITS`] is taken for its nearest end. HLG is display-referred at 1,000 cd/m² whatever the peak.
    pub fn new(transfer: HdrTransfer, peak_nits: u32) -> Self {
        let peak = match transfer {
            HdrTransfer::Pq => f64::from(peak_nits.clamp(*PEAKS_NITS.start(), *PEAKS_NITS.end())),
            HdrTransfer::Hlg => reference::HLG_PEAK_NITS,
        };
        Self {
            tables: Tables::new(transfer, peak / reference::WHITE_NITS),
            weights: Weights::new(),
            rows: Default::default(),
        }
    }

    /// Maps a 4:2:0 picture in 10 bits and video range; `target` is reshaped to 8 bits. Other formats are
    /// refused: convert first.
    pub fn map(&mut self, source: &Picture, target: &mut Picture) -> Result<()> {
        let planes: Vec<&[u16]> = source.planes().iter().filter_map(|p| p.as_u16()).collect();
        let (PixelFormat::Yuv420p10, Range::Video, [luma, cb, cr]) =
            (source.format(), source.range(), &planes[..])
        else {
            return Err(Error::Format {
                operation: "tonemap",
                format: source.format(),
            });
        };
        target.reshape(PixelFormat::Yuv420p8, source.size())?;
        let (width, height) = (source.width() as usize, source.height() as usize);
        let narrow = source.planes()[1].width();
        let [to_luma, to_cb, to_cr] = target.planes_mut() else {
            return Ok(());
        };
        let (Some(to_luma), Some(to_cb), Some(to_cr)) =
            (to_luma.as_u8_mut(), to_cb.as_u8_mut(), to_cr.as_u8_mut())
        else {
            return Ok(());
        };
        for (y, to) in to_luma.chunks_exact_mut(width).enumerate() {
            let [cb_row, cr_row] = &mut self.rows;
            for (plane, row) in [(cb, cb_row), (cr, cr_row)] {
                chroma_of_row(plane, narrow, y, width, row);
            }
            let from = &luma[y * width..][..width];
            self.map_luma(from, y, to);
        }
        let rows = to_cb
            .chunks_exact_mut(narrow)
            .zip(to_cr.chunks_exact_mut(narrow));
        for (y, to) in rows.enumerate() {
            luma_of_row(luma, width, height, y, narrow, &mut self.rows[0]);
            let span = y * narrow..(y + 1) * narrow;
            self.map_chroma((&cb[span.clone()], &cr[span]), y, to);
        }
        Ok(())
    }

    fn map_luma(&self, from: &[u16], y: usize, to: &mut [u8]) {
        let [cb, cr] = &self.rows;
        let dither = &BAYER[y % 4];
        for (x, (to, &luma)) in to.iter_mut().zip(from).enumerate() {
            let signals = self.signals(code(luma) * EIGHTHS, cb[x], cr[x]);
            let luma = self.weights.luma(signals) >> (ONE_BITS + OUT_BITS - LUMA_BITS);
            let offset = i32::from(2 * dither[x % 4] + 1) << (LUMA_BITS - 5);
            *to = (16 + ((luma * 219 + offset) >> LUMA_BITS)).clamp(0, 255) as u8;
        }
    }

    fn map_chroma(&self, (cb, cr): (&[u16], &[u16]), y: usize, to: (&mut [u8], &mut [u8])) {
        let dither = &BAYER[y % 4];
        let centred = |chroma: u16| (code(chroma) - 512) * EIGHTHS;
        let to = to.0.iter_mut().zip(to.1);
        for (x, ((to_cb, to_cr), &luma)) in to.zip(&self.rows[0]).enumerate() {
            let signals = self.signals(luma, centred(cb[x]), centred(cr[x]));
            let luma = self.weights.luma(signals) >> ONE_BITS;
            let offset = i32::from(2 * dither[x % 4] + 1) << (CHROMA_BITS - 5);
            let rounded = |difference: i32, weight: i32| {
                let sum = difference * weight + (128 << CHROMA_BITS) + offset;
                (sum >> CHROMA_BITS).clamp(0, 255) as u8
            };
            let [to_blue, to_red] = self.weights.chroma_709;
            *to_cb = rounded(signals[2] - luma, to_blue);
            *to_cr = rounded(signals[0] - luma, to_red);
        }
    }

    /// Signals of BT.709 for luma in eighths and centred chroma in eighths.
    #[inline(always)]
    fn signals(&self, luma: i32, cb: i32, cr: i32) -> [i32; 3] {
        let (tables, weights) = (&self.tables, &self.weights);
        let light = weights
            .signals_2020(luma, cb, cr)
            .map(|signal| tables.light(signal));
        let scaled = |light: [u32; 3], gain: u32| {
            light.map(|c| ((u64::from(c) * u64::from(gain)) >> ONE_BITS) as u32)
        };
        let light = match tables.ootf(weights.luminance(light) as u32) {
            Some(gain) => scaled(light, gain),
            None => light,
        };
        let light = light.map(|c| c.min(tables.peak));
        let gain = tables.gain(light[0].max(light[1]).max(light[2]));
        let light = scaled(light, gain);
        let wide = weights.to_709.map(|row| dot(row, light));
        fitted(wide, weights.luminance(light)).map(|c| tables.signal(c))
    }
}

/// A sample; what lies beyond ten bits is a lie of the decoder's and becomes the largest.
#[inline(always)]
fn code(sample: u16) -> i32 {
    i32::from(sample.min(1023))
}

/// A weighted sum, rounded down.
#[inline(always)]
fn dot(weights: [i64; 3], light: [u32; 3]) -> i64 {
    let [red, green, blue] = light.map(i64::from);
    (weights[0] * red + weights[1] * green + weights[2] * blue) >> ONE_BITS
}

/// A colour outside of black to white moved towards grey until it is inside.
#[inline(always)]
fn fitted(color: [i64; 3], luminance: i64) -> [i64; 3] {
    let white = i64::from(WHITE);
    let lowest = color[0].min(color[1]).min(color[2]);
    let highest = color[0].max(color[1]).max(color[2]);
    if lowest >= 0 && highest <= white {
        return color;
    }
    let luminance = luminance.clamp(0, white);
    let mut keep = 1 << KEEP_BITS;
    if lowest < 0 {
        keep = keep.min((luminance << KEEP_BITS) / (luminance - lowest));
    }
    if highest > white {
        keep = keep.min(((white - luminance) << KEEP_BITS) / (highest - luminance));
    }
    color.map(|c| luminance + (((c - luminance) * keep) >> KEEP_BITS))
}

impl Weights {
    fn new() -> Self {
        let fixed = |value: f64, bits: u32| (value * f64::from(1u32 << bits)).round();
        // Signals are codes of SIGNAL_BITS; luma has 876 codes and chroma 896.
        let top = f64::from((1u32 << SIGNAL_BITS) - 1) / f64::from(EIGHTHS);
        let [red, green, blue] = reference::LUMINANCE_2020;
        let of_luma = |value: f64| fixed(value * top / 876.0, MATRIX_BITS) as i32;
        let of_chroma = |value: f64| fixed(value * top / 896.0, MATRIX_BITS) as i32;
        let (to_red, to_blue) = (2.0 * (1.0 - red), 2.0 * (1.0 - blue));
        let [red_709, _, blue_709] = reference::LUMA_709;
        let to_chroma =
            |weight: f64| fixed(224.0 / (2.0 * (1.0 - weight)), CHROMA_BITS - OUT_BITS) as i32;
        Self {
            luma: of_luma(1.0),
            red: of_chroma(to_red),
            green: [
                of_chroma(-blue * to_blue / green),
                of_chroma(-red * to_red / green),
            ],
            blue: of_chroma(to_blue),
            luminance: reference::LUMINANCE_2020.map(|weight| fixed(weight, ONE_BITS) as i64),
            to_709: reference::TO_709.map(|row| row.map(|weight| fixed(weight, ONE_BITS) as i64)),
            luma_709: reference::LUMA_709.map(|weight| fixed(weight, ONE_BITS) as i32),
            chroma_709: [to_chroma(blue_709), to_chroma(red_709)],
        }
    }

    #[inline(always)]
    fn signals_2020(&self, luma: i32, cb: i32, cr: i32) -> [i32; 3] {
        let half = 1 << (MATRIX_BITS - 1);
        let luma = (luma - 64 * EIGHTHS) * self.luma + half;
        [
            luma + cr * self.red,
            luma + cb * self.green[0] + cr * self.green[1],
            luma + cb * self.blue,
        ]
        .map(|sum| sum >> MATRIX_BITS)
    }

    #[inline(always)]
    fn luminance(&self, light: [u32; 3]) -> i64 {
        dot(self.luminance, light)
    }

    /// BT.709 luma of signals, with ONE_BITS more.
    #[inline(always)]
    fn luma(&self, signals: [i32; 3]) -> i32 {
        let [red, green, blue] = self.luma_709;
        signals[0] * red + signals[1] * green + signals[2] * blue
    }
}

/// Centred chroma at the luma samples of row `y`, in eighths: three quarters of the nearer row and one of
/// the other; on the chroma column, or between two.
fn chroma_of_row(plane: &[u16], narrow: usize, y: usize, width: usize, row: &mut Vec<i32>) {
    let last = plane.len() / narrow - 1;
    let other = match y.is_multiple_of(2) {
        true => (y / 2).saturating_sub(1),
        false => (y / 2 + 1).min(last),
    };
    let (near, other) = (
        &plane[y / 2 * narrow..][..narrow],
        &plane[other * narrow..][..narrow],
    );
    let at = |x: usize| 3 * code(near[x]) + code(other[x]) - 4 * 512;
    row.clear();
    row.extend((0..width).map(|x| at(x / 2) + at(x.div_ceil(2).min(narrow - 1))));
}

/// Luma at the chroma samples of row `y`, in eighths: both rows, 1-2-1 around the column.
fn luma_of_row(
    plane: &[u16],
    width: usize,
    height: usize,
    y: usize,
    narrow: usize,
    row: &mut Vec<i32>,
) {
    let upper = &plane[2 * y * width..][..width];
    let lower = &plane[(2 * y + 1).min(height - 1) * width..][..width];
    let at = |x: usize| code(upper[x]) + code(lower[x]);
    let last = width - 1;
    row.clear();
    row.extend((0..narrow).map(|x| {
        let middle = 2 * x;
        at(middle.saturating_sub(1)) + 2 * at(middle) + at((middle + 1).min(last))
    }));
}
