//! Fixed-point tables of the tone map, made once from the reference.

use super::{HdrTransfer, reference};

/// White in fixed-point light.
pub(super) const WHITE: u32 = 1 << WHITE_BITS;
pub(super) const WHITE_BITS: u32 = 20;

/// Bits of a signal that is looked up as light.
pub(super) const SIGNAL_BITS: u32 = 12;

/// One in gains and weights.
pub(super) const ONE_BITS: u32 = 16;

/// One in the signals of the result.
pub(super) const OUT_BITS: u32 = 14;

/// Steps of light for which there is a gain: 4,096 to white, which are 1/10 of a code at most.
const GAIN_SHIFT: u32 = 8;

/// Light is looked up one by one below, and in steps of this many above it: fine where the curve is steep.
const FINE: u32 = 1 << 12;
const COARSE_SHIFT: u32 = 6;

#[derive(Debug)]
pub(super) struct Tables {
    /// Light of a signal: of the display for PQ, of the scene for HLG, which reaches [`WHITE`] then.
    light: Vec<u32>,
    /// For HLG, what scene light of a luminance is multiplied with.
    ootf: Vec<u32>,
    /// What light is multiplied with, by the brightest component.
    gain: Vec<u32>,
    /// Highest light of the source.
    pub(super) peak: u32,
    /// The signal of light up to white.
    signal: Vec<u16>,
}

/// Rounds a number that is not negative.
fn fixed(value: f64, bits: u32) -> u32 {
    (value * f64::from(1u32 << bits) + 0.5) as u32
}

/// Where light up to white is found in a table that is fine in the dark, and the light of a place.
fn place(light: u32) -> usize {
    match light < FINE {
        true => light as usize,
        false => (FINE + ((light - FINE) >> COARSE_SHIFT)) as usize,
    }
}

fn light_at(place: u32) -> f64 {
    let light = match place < FINE {
        true => f64::from(place),
        // The middle of the step.
        false => {
            f64::from(FINE + ((place - FINE) << COARSE_SHIFT)) + f64::from(1 << COARSE_SHIFT) / 2.0
        }
    };
    light / f64::from(WHITE)
}

impl Tables {
    /// For a source whose brightest pixels have `peak` times the light of white.
    pub(super) fn new(transfer: HdrTransfer, peak: f64) -> Self {
        let top = f64::from((1u32 << SIGNAL_BITS) - 1);
        let to_light = match transfer {
            HdrTransfer::Pq => reference::pq_to_light,
            HdrTransfer::Hlg => reference::hlg_to_scene,
        };
        let light = (0..1u32 << SIGNAL_BITS)
            .map(|code| fixed(to_light(f64::from(code) / top), WHITE_BITS))
            .collect();
        let places = 0..=place(WHITE) as u32;
        let ootf = match transfer {
            HdrTransfer::Pq => Vec::new(),
            HdrTransfer::Hlg => places
                .clone()
                .map(|at| fixed(reference::hlg_ootf(light_at(at)), ONE_BITS))
                .collect(),
        };
        let highest = fixed(peak, WHITE_BITS);
        let gain_at = |step: u32| {
            let middle = f64::from(step) + 0.5;
            let light = middle * f64::from(1 << GAIN_SHIFT) / f64::from(WHITE);
            fixed(reference::compressed(light, peak) / light, ONE_BITS)
        };
        Self {
            light,
            ootf,
            gain: (0..=highest >> GAIN_SHIFT).map(gain_at).collect(),
            peak: highest,
            signal: places
                .map(|at| fixed(reference::sdr_signal(light_at(at)), OUT_BITS) as u16)
                .collect(),
        }
    }

    /// Light of a signal of [`SIGNAL_BITS`].
    #[inline(always)]
    pub(super) fn light(&self, signal: i32) -> u32 {
        let top = (1 << SIGNAL_BITS) - 1;
        self.light[signal.clamp(0, top) as usize]
    }

    /// The OOTF's gain for scene light of a luminance; `None` where there is none.
    #[inline(always)]
    pub(super) fn ootf(&self, luminance: u32) -> Option<u32> {
        let last = self.ootf.len().checked_sub(1)?;
        Some(self.ootf[place(luminance).min(last)])
    }

    /// The gain for a colour by its brightest component.
    #[inline(always)]
    pub(super) fn gain(&self, brightest: u32) -> u32 {
        let last = self.gain.len() - 1;
        self.gain[((brightest >> GAIN_SHIFT) as usize).min(last)]
    }

    /// The signal of light, in [`OUT_BITS`].
    #[inline(always)]
    pub(super) fn signal(&self, light: i64) -> i32 {
        let light = light.clamp(0, i64::from(WHITE)) as u32;
        i32::from(self.signal[place(light)])
    }
}
