//! One sound track: from source packets to CMAF segments of all its outputs, in two passes. The first
//! measures the whole track, the second applies one gain and encodes one continuous run: sound is
//! never cut where the pictures are.
//!
//! Everything here computes in floats, so libav is pinned to the farm's baseline of instructions and
//! the gain is a whole number of hundredths of a decibel.

mod encode;
mod layout;
mod loudness;
mod mix;
mod timeline;

use crate::error::{Error, InStage, Place, Result};
use crate::output::{AudioChunk, OpenSource};
use encode::Encode;
use loudness::{Measured, Meter};
use mix::{Layout, Mixed};
use model::content_key;
use model::facts::AudioFacts;
use model::plan::{AudioPlan, Plan};
use std::io;
use timeline::Timeline;

const STAGE: &str = "audio";

/// What pass one found of a track.
struct Track {
    layouts: Vec<(Layout, Measured)>,
    clipped_samples: u64,
}

/// Makes all outputs of a sound track. Opens the source twice: once to measure, once to encode.
/// Gives the facts in the order of the plan's outputs.
pub fn run_audio(
    plan: &Plan,
    index: u32,
    open: &mut OpenSource<'_>,
    emit: &mut dyn FnMut(AudioChunk) -> io::Result<()>,
) -> Result<Vec<AudioFacts>> {
    let found = plan.audio.iter().find(|audio| audio.index == index);
    let audio = found.ok_or_else(|| Error::bug(STAGE, format!("the plan has no track {index}")))?;
    crate::cpu::pin()?;
    let place = Place::Stream(audio.track.stream);
    let track = measure(plan, audio, open).map_err(|error| error.at(place))?;
    encode(plan, audio, &track, open, emit).map_err(|error| error.at(place))
}

fn timeline(plan: &Plan, audio: &AudioPlan, open: &mut OpenSource<'_>) -> Result<Timeline> {
    let source = open().in_stage(STAGE)?;
    Timeline::open(source, audio, timeline::length(plan))
}

fn measure(plan: &Plan, audio: &AudioPlan, open: &mut OpenSource<'_>) -> Result<Track> {
    let mut timeline = timeline(plan, audio, open)?;
    let layouts = Layout::all(&audio.outputs);
    let mut mixed = Mixed::new(&layouts, timeline::length(plan));
    let mut meters = Vec::with_capacity(layouts.len());
    for layout in &layouts {
        meters.push(Meter::new(*layout)?);
    }
    let mut clipped_samples = 0;
    while let Some(block) = timeline.next()? {
        clipped_samples += block.full_scale_samples();
        for (samples, meter) in mixed.push(&block)?.iter().zip(&mut meters) {
            meter.push(samples)?;
        }
    }
    for (samples, meter) in mixed.finish()?.iter().zip(&mut meters) {
        meter.push(samples)?;
    }
    let mut measured = Vec::with_capacity(layouts.len());
    for (layout, meter) in layouts.into_iter().zip(meters) {
        measured.push((layout, meter.finish()?));
    }
    if measured.iter().any(|(_, measured)| measured.samples == 0) {
        return Err(Error::bad_input(
            STAGE,
            "there is no sound after the title's start",
        ));
    }
    Ok(Track {
        layouts: measured,
        clipped_samples,
    })
}

/// The gain of a layout in hundredths of a decibel, and whether the peak held it back.
fn gain(plan: &Plan, measured: &Measured) -> (i32, bool) {
    let profile = &plan.profile.audio;
    let Some(integrated) = measured.loudness.integrated_centi_lufs else {
        return (0, false);
    };
    let wanted = profile.loudness_centi_lufs - integrated;
    let peak = measured.loudness.true_peak_centi_dbtp;
    let most = peak.map_or(wanted, |peak| profile.true_peak_centi_dbtp - peak);
    (wanted.min(most), wanted > most)
}

fn encode(
    plan: &Plan,
    audio: &AudioPlan,
    track: &Track,
    open: &mut OpenSource<'_>,
    emit: &mut dyn FnMut(AudioChunk) -> io::Result<()>,
) -> Result<Vec<AudioFacts>> {
    let mut timeline = timeline(plan, audio, open)?;
    let layouts: Vec<Layout> = track.layouts.iter().map(|(layout, _)| *layout).collect();
    let mut mixed = Mixed::new(&layouts, timeline::length(plan));
    let gains: Vec<(i32, bool)> = track.layouts.iter().map(|(_, m)| gain(plan, m)).collect();
    mixed.set_gains(&gains);
    let mut meters = Vec::with_capacity(layouts.len());
    for layout in &layouts {
        meters.push(Meter::new(*layout)?);
    }
    let mut encoders = Vec::with_capacity(audio.outputs.len());
    for output in &audio.outputs {
        let key = content_key::of_audio(plan, audio, output);
        encoders.push(Encode::open(output, key, &plan.audio_borders)?);
    }
    let mut give = |samples: &[Vec<Vec<f32>>]| -> Result<()> {
        for (samples, meter) in samples.iter().zip(&mut meters) {
            meter.push(samples)?;
        }
        for (encoder, output) in encoders.iter_mut().zip(&audio.outputs) {
            let layout = layouts.iter().position(|layout| layout.is_of(output));
            let layout = layout.ok_or_else(|| Error::bug(STAGE, "an output without a layout"))?;
            encoder.push(&samples[layout], emit)?;
        }
        Ok(())
    };
    while let Some(block) = timeline.next()? {
        give(mixed.push(&block)?)?;
    }
    give(mixed.finish()?)?;
    let mut outputs = Vec::with_capacity(layouts.len());
    for meter in meters {
        outputs.push(meter.finish()?);
    }
    let mut facts = Vec::with_capacity(encoders.len());
    for (encoder, output) in encoders.into_iter().zip(&audio.outputs) {
        let layout = layouts
            .iter()
            .position(|layout| layout.is_of(output))
            .unwrap_or_default();
        let finished = encoder.finish(emit)?;
        let measured = &track.layouts[layout].1;
        facts.push(AudioFacts {
            source: measured.loudness,
            output: outputs[layout].loudness,
            gain_centi_db: gains[layout].0,
            limited: gains[layout].1,
            silences: measured.silences.clone(),
            clipped_samples: track.clipped_samples,
            ..finished
        });
    }
    Ok(facts)
}
