//! What a mix sounds like: loudness and true peak by ITU-R BS.1770, range by EBU Tech 3342, silences.
//! The LFE counts for nothing, as BS.1770 has it.

use super::STAGE;
use super::mix::Layout;
use crate::error::{InStage, Result};
use ebur128::{Channel, EbuR128, Mode};
use model::facts::LoudnessFacts;

/// -60 dBFS.
const SILENT: f32 = 0.001;

/// What a meter found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) samples: u64,
    pub(super) loudness: LoudnessFacts,
    pub(super) silences: Vec<(u64, u64)>,
}

/// Measures one mix.
pub(super) struct Meter {
    meter: EbuR128,
    channels: u32,
    samples: u64,
    silence: Silence,
}

struct Silence {
    least: u64,
    start: Option<u64>,
    found: Vec<(u64, u64)>,
}

impl Meter {
    pub(super) fn new(layout: Layout) -> Result<Self> {
        let Layout {
            channels,
            sample_rate,
        } = layout;
        let mode = Mode::I | Mode::LRA | Mode::TRUE_PEAK;
        let mut meter = EbuR128::new(channels, sample_rate, mode).in_stage(STAGE)?;
        if channels == 6 {
            let map = [
                Channel::Left,
                Channel::Right,
                Channel::Center,
                Channel::Unused,
                Channel::LeftSurround,
                Channel::RightSurround,
            ];
            meter.set_channel_map(&map).in_stage(STAGE)?;
        }
        Ok(Self {
            meter,
            channels,
            samples: 0,
            silence: Silence {
                least: u64::from(sample_rate) / 2,
                start: None,
                found: Vec::new(),
            },
        })
    }

    /// Hears more.
    pub(super) fn push(&mut self, samples: &[Vec<f32>]) -> Result<()> {
        let count = samples.first().map_or(0, Vec::len);
        if count == 0 {
            return Ok(());
        }
        let planes: Vec<&[f32]> = samples.iter().map(Vec::as_slice).collect();
        self.meter.add_frames_planar_f32(&planes).in_stage(STAGE)?;
        for index in 0..count {
            let is_silent = planes.iter().all(|plane| plane[index].abs() < SILENT);
            self.silence.push(self.samples + index as u64, is_silent);
        }
        self.samples += count as u64;
        Ok(())
    }

    /// What was heard.
    pub(super) fn finish(mut self) -> Result<Measured> {
        self.silence.push(self.samples, false);
        let integrated = self.meter.loudness_global().in_stage(STAGE)?;
        let range = self.meter.loudness_range().in_stage(STAGE)?;
        let mut peak = 0_f64;
        for channel in 0..self.channels {
            peak = peak.max(self.meter.true_peak(channel).in_stage(STAGE)?);
        }
        let is_audible = integrated.is_finite();
        let hundredths = |value: f64| (value * 100.0).round() as i32;
        Ok(Measured {
            samples: self.samples,
            loudness: LoudnessFacts {
                integrated_centi_lufs: is_audible.then(|| hundredths(integrated)),
                // Rounded up, because it is held to a limit.
                true_peak_centi_dbtp: (peak > 0.0).then(|| (peak.log10() * 2000.0).ceil() as i32),
                range_centi_lu: is_audible.then(|| hundredths(range)),
            },
            silences: self.silence.found,
        })
    }
}

impl Silence {
    fn push(&mut self, at: u64, is_silent: bool) {
        match (self.start, is_silent) {
            (None, true) => self.start = Some(at),
            (Some(start), false) => {
                self.start = None;
                if at - start >= self.least {
                    self.found.push((start, at));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(seconds: usize, amplitude: f32) -> Vec<f32> {
        (0..seconds * 48_000)
            .map(|n| amplitude * (n as f32 * 997.0 * std::f32::consts::TAU / 48_000.0).sin())
            .collect()
    }

    const STEREO: Layout = Layout {
        channels: 2,
        sample_rate: 48_000,
    };

    #[test]
    fn a_tone_has_the_loudness_that_the_recommendation_gives_it() {
        let mut meter = Meter::new(STEREO).unwrap();
        // EBU Tech 3341 case 1: 1 kHz at -23 dBFS on both sides is -23 LUFS.
        let plane = tone(20, 10_f32.powf(-23.0 / 20.0));
        meter.push(&[plane.clone(), plane]).unwrap();
        let measured = meter.finish().unwrap();
        let integrated = measured.loudness.integrated_centi_lufs.unwrap();
        assert!((integrated + 2300).abs() <= 10, "{integrated}");
        let peak = measured.loudness.true_peak_centi_dbtp.unwrap();
        assert!((peak + 2300).abs() <= 20, "{peak}");
        assert!(measured.silences.is_empty());
    }

    #[test]
    fn silence_is_found_with_its_borders_and_has_no_loudness() {
        let mut meter = Meter::new(STEREO).unwrap();
        let quiet = vec![0.0005; 24_000];
        let loud = tone(1, 0.5);
        for plane in [quiet.clone(), loud, quiet] {
            meter.push(&[plane.clone(), plane]).unwrap();
        }
        let measured = meter.finish().unwrap();
        assert_eq!(measured.silences.first().map(|s| s.0), Some(0));
        assert_eq!(measured.silences.last().map(|s| s.1), Some(96_000));
        assert_eq!(measured.silences.len(), 2);
        let silent = Meter::new(STEREO).unwrap().finish().unwrap();
        assert_eq!(silent.loudness, LoudnessFacts::default());
    }
}
