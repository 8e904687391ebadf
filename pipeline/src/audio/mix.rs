//! From the source's channels and rate to those of the outputs. Outputs of equal shape share one mix.

use super::STAGE;
use super::layout::Matrix;
use super::timeline::{Block, samples_at};
use crate::error::{InStage, Result};
use libav::Resampler;
use model::Rational;
use model::plan::AudioOutput;

/// The shape of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) channels: u32,
    pub(super) sample_rate: u32,
}

impl Layout {
    /// The different shapes of all outputs.
    pub(super) fn all(outputs: &[AudioOutput]) -> Vec<Self> {
        let mut layouts: Vec<Self> = Vec::new();
        for output in outputs {
            if !layouts.iter().any(|layout| layout.is_of(output)) {
                layouts.push(Self {
                    channels: output.channels,
                    sample_rate: output.sample_rate,
                });
            }
        }
        layouts
    }

    /// Whether an output has this shape.
    pub(super) fn is_of(&self, output: &AudioOutput) -> bool {
        (self.channels, self.sample_rate) == (output.channels, output.sample_rate)
    }
}

struct Voice {
    layout: Layout,
    matrix: Option<Matrix>,
    resampler: Option<Resampler>,
    gain: f32,
    /// Samples that may still come.
    room: u64,
}

/// All mixes of a track.
pub(super) struct Mixed {
    voices: Vec<Voice>,
    samples: Vec<Vec<Vec<f32>>>,
}

impl Mixed {
    /// Mixes of a title of some length, without gain.
    pub(super) fn new(layouts: &[Layout], length: Rational) -> Self {
        let voice = |layout: &Layout| Voice {
            layout: *layout,
            matrix: None,
            resampler: None,
            gain: 1.0,
            room: samples_at(length, layout.sample_rate),
        };
        Self {
            voices: layouts.iter().map(voice).collect(),
            samples: Vec::new(),
        }
    }

    /// Sets the gains in hundredths of a decibel.
    pub(super) fn set_gains(&mut self, gains: &[(i32, bool)]) {
        for (voice, (centi_db, _)) in self.voices.iter_mut().zip(gains) {
            voice.gain = 10_f64.powf(f64::from(*centi_db) / 2000.0) as f32;
        }
    }

    /// The samples of each layout that are ready.
    pub(super) fn push(&mut self, block: &Block) -> Result<&[Vec<Vec<f32>>]> {
        self.samples.clear();
        for voice in &mut self.voices {
            let samples = voice.push(block)?;
            self.samples.push(voice.finished(samples));
        }
        Ok(&self.samples)
    }

    /// The rest.
    pub(super) fn finish(&mut self) -> Result<&[Vec<Vec<f32>>]> {
        self.samples.clear();
        for voice in &mut self.voices {
            let channels = voice.layout.channels as usize;
            let samples = match &mut voice.resampler {
                Some(resampler) => resampler.finish().in_stage(STAGE)?,
                None => vec![Vec::new(); channels],
            };
            self.samples.push(voice.finished(samples));
        }
        Ok(&self.samples)
    }
}

impl Voice {
    fn push(&mut self, block: &Block) -> Result<Vec<Vec<f32>>> {
        let matrix = match &mut self.matrix {
            Some(matrix) if matrix.takes(&block.channels) => matrix,
            place => place.insert(Matrix::new(&block.channels, self.layout.channels)),
        };
        let mixed = matrix.mix(&block.samples);
        let resampler = match &mut self.resampler {
            Some(resampler) => resampler,
            place => {
                let Layout {
                    channels,
                    sample_rate,
                } = self.layout;
                let resampler = Resampler::new(block.rate, sample_rate, channels as usize);
                place.insert(resampler.in_stage(STAGE)?)
            }
        };
        resampler.push(&mixed).in_stage(STAGE)
    }

    /// Cuts at the end of the title and applies the gain.
    fn finished(&mut self, mut samples: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let room = usize::try_from(self.room).unwrap_or(usize::MAX);
        for plane in &mut samples {
            plane.truncate(room);
            plane.iter_mut().for_each(|sample| *sample *= self.gain);
        }
        self.room -= samples.first().map_or(0, Vec::len) as u64;
        samples
    }
}
