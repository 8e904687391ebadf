//! The tone map in floating point, as the recommendations say it: what the tables are made of, and what
//! tests hold the integer arithmetic to. No pixel of a title goes through it.
//!
//! Powers and logarithms are those of the `libm` crate and never the system's, so that the tables are the
//! same on every machine.

use super::HdrTransfer;
use libm::{exp, pow};

/// Luminance of SDR's white, and of diffuse white in HDR, in cd/m² (ITU-R BT.2408-7, 3.2).
pub const WHITE_NITS: f64 = 203.0;

/// Luminance of a PQ signal of 1 (SMPTE ST 2084).
const PQ_NITS: f64 = 10_000.0;

/// Peak of the display that HLG's OOTF is for, and its system gamma there (ITU-R BT.2100-2, table 5).
pub const HLG_PEAK_NITS: f64 = 1_000.0;
const HLG_GAMMA: f64 = 1.2;

/// Exponent of an SDR display (ITU-R BT.1886).
const SDR_GAMMA: f64 = 2.4;

/// Luminance of linear BT.2020 (ITU-R BT.2020-2, table 4).
pub const LUMINANCE_2020: [f64; 3] = [0.2627, 0.6780, 0.0593];

/// Luma of BT.709.
pub const LUMA_709: [f64; 3] = [0.2126, 0.7152, 0.0722];

/// Linear BT.2020 to linear BT.709 (ITU-R BT.2407-0, 2.2).
pub const TO_709: [[f64; 3]; 3] = [
    [1.660_491, -0.587_641, -0.072_850],
    [-0.124_550, 1.132_900, -0.008_349],
    [-0.018_151, -0.100_579, 1.118_730],
];

/// Light of a PQ signal between 0 and 1, in multiples of [`WHITE_NITS`] (SMPTE ST 2084, 5.1).
pub fn pq_to_light(signal: f64) -> f64 {
    let power = pow(signal.max(0.0), 1.0 / 78.843_75);
    let light = (power - 0.835_937_5).max(0.0) / (18.851_562_5 - 18.6875 * power);
    pow(light, 1.0 / 0.159_301_757_812_5) * PQ_NITS / WHITE_NITS
}

/// The inverse of [`pq_to_light`] (SMPTE ST 2084, 5.2).
pub fn light_to_pq(light: f64) -> f64 {
    let power = pow((light * WHITE_NITS / PQ_NITS).max(0.0), 0.159_301_757_812_5);
    pow(
        (0.835_937_5 + 18.851_562_5 * power) / (1.0 + 18.6875 * power),
        78.843_75,
    )
}

/// Scene light between 0 and 1 of an HLG signal (ITU-R BT.2100-2, table 5).
pub fn hlg_to_scene(signal: f64) -> f64 {
    let (a, b, c) = (0.178_832_77, 0.284_668_92, 0.559_910_73);
    match signal.max(0.0) {
        low if low <= 0.5 => low * low / 3.0,
        high => (exp((high - c) / a) + b) / 12.0,
    }
}

/// What scene light of this luminance is multiplied with for display light in multiples of
/// [`WHITE_NITS`]: HLG's OOTF on a display of [`HLG_PEAK_NITS`].
pub fn hlg_ootf(luminance: f64) -> f64 {
    match luminance {
        dark if dark <= 0.0 => 0.0,
        luminance => pow(luminance, HLG_GAMMA - 1.0) * HLG_PEAK_NITS / WHITE_NITS,
    }
}

/// What the brightest component maps to when the source's reaches `peak`: the EETF of ITU-R BT.2390-10,
/// 5.4.1, with a black of zero on both sides. Both in multiples of white.
pub fn compressed(light: f64, peak: f64) -> f64 {
    if peak <= 1.0 {
        return light.min(1.0);
    }
    let (top, white) = (light_to_pq(peak), light_to_pq(1.0));
    let highest = white / top;
    let knee = 1.5 * highest - 0.5;
    let signal = (light_to_pq(light) / top).min(1.0);
    if signal < knee {
        return light;
    }
    let t = (signal - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let spline = (2.0 * t3 - 3.0 * t2 + 1.0) * knee
        + (t3 - 2.0 * t2 + t) * (1.0 - knee)
        + (3.0 * t2 - 2.0 * t3) * highest;
    pq_to_light(spline * top).min(1.0)
}

/// The signal of an SDR display for light between 0 and 1 (ITU-R BT.1886 with a black of zero).
pub fn sdr_signal(light: f64) -> f64 {
    pow(light.clamp(0.0, 1.0), 1.0 / SDR_GAMMA)
}

/// The light of an SDR signal.
pub fn sdr_light(signal: f64) -> f64 {
    pow(signal.clamp(0.0, 1.0), SDR_GAMMA)
}

/// One colour: red, green and blue signals of BT.2020 between 0 and 1 to those of BT.709. `peak` is the
/// source's highest light in multiples of white.
pub fn map(transfer: HdrTransfer, signals: [f64; 3], peak: f64) -> [f64; 3] {
    let dot = |weights: [f64; 3], color: [f64; 3]| -> f64 {
        weights
            .iter()
            .zip(color)
            .map(|(weight, c)| weight * c)
            .sum()
    };
    let light = match transfer {
        HdrTransfer::Pq => signals.map(pq_to_light),
        HdrTransfer::Hlg => {
            let scene = signals.map(hlg_to_scene);
            let gain = hlg_ootf(dot(LUMINANCE_2020, scene));
            scene.map(|c| c * gain)
        }
    };
    let brightest = light.iter().copied().fold(0.0, f64::max).min(peak);
    let gain = match brightest {
        dark if dark <= 0.0 => 1.0,
        brightest => compressed(brightest, peak) / brightest,
    };
    let light = light.map(|c| c.min(peak) * gain);
    let luminance = dot(LUMINANCE_2020, light);
    let wide = TO_709.map(|row| dot(row, light));
    fitted(wide, luminance).map(sdr_signal)
}

/// A colour outside of 0 to 1 moved towards the grey of its luminance until it is inside: hue and luminance
/// stay, colourfulness gives way (the aim of ITU-R BT.2407-0, 4).
fn fitted(color: [f64; 3], luminance: f64) -> [f64; 3] {
    let lowest = color.iter().copied().fold(f64::MAX, f64::min);
    let highest = color.iter().copied().fold(f64::MIN, f64::max);
    let mut keep: f64 = 1.0;
    if lowest < 0.0 {
        keep = keep.min(luminance / (luminance - lowest));
    }
    if highest > 1.0 {
        keep = keep.min((1.0 - luminance) / (highest - luminance));
    }
    color.map(|c| luminance + (c - luminance) * keep.max(0.0))
}
