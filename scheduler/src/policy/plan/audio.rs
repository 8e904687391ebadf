//! Sound tracks: every track of the source, in stereo always and in 5.1 where it has that many
//! channels. Sound has its own grid of codec frames and is never cut with the pictures.

use super::failure;
use model::grid::OutputGrid;
use model::plan::{AudioCodec, AudioOutput, AudioPlan};
use model::profile::{AudioProfile, Surround};
use model::source::{AudioTrack, SourceInfo};
use model::{Failure, FailureKind, Rational};

/// Samples per second of every output: what all players and all three codecs take.
const SAMPLE_RATE: u32 = 48_000;

/// Channels from which on a source counts as surround.
const SURROUND_CHANNELS: u32 = 6;

/// Container time that becomes 0: the first picture's, or that of the earliest sound where there are
/// no pictures.
pub(super) fn zero(source: &SourceInfo) -> Rational {
    let picture = source.video.as_ref().and_then(|track| {
        let pts = track.frames.pts_of(0)?;
        Rational::whole(pts).checked_mul(track.time_base)
    });
    let sound = source.audio.iter().map(|track| track.start).min();
    picture.or(sound).unwrap_or(Rational::ZERO)
}

/// Length of the longest sound track from `zero` on.
pub(super) fn longest(source: &SourceInfo, zero: Rational) -> Result<Rational, Failure> {
    let end = |track: &AudioTrack| track.start.checked_add(track.duration)?.checked_sub(zero);
    let longest = source
        .audio
        .iter()
        .filter_map(end)
        .max()
        .unwrap_or(Rational::ZERO);
    if longest <= Rational::ZERO {
        return Err(failure(
            FailureKind::BadInput,
            "no sound track has a length",
        ));
    }
    Ok(longest)
}

pub(super) fn plan(source: &SourceInfo, profile: &AudioProfile, zero: Rational) -> Vec<AudioPlan> {
    (0..)
        .zip(&source.audio)
        .map(|(index, track)| AudioPlan {
            index,
            track: track.clone(),
            zero,
            outputs: outputs(index, track, profile),
        })
        .collect()
}

fn outputs(index: u32, track: &AudioTrack, profile: &AudioProfile) -> Vec<AudioOutput> {
    let mut outputs = vec![AudioOutput {
        id: format!("audio-{index}-aac2"),
        codec: AudioCodec::Aac,
        channels: 2,
        sample_rate: SAMPLE_RATE,
        bitrate_bps: profile.stereo_bps,
    }];
    let surround = match profile.surround {
        Surround::Aac => Some(("aac6", AudioCodec::Aac)),
        Surround::Ac3 => Some(("ac36", AudioCodec::Ac3)),
        Surround::Off => None,
    };
    if let Some((name, codec)) = surround.filter(|_| track.channels >= SURROUND_CHANNELS) {
        outputs.push(AudioOutput {
            id: format!("audio-{index}-{name}"),
            codec,
            channels: SURROUND_CHANNELS,
            sample_rate: SAMPLE_RATE,
            bitrate_bps: profile.surround_bps,
        });
    }
    outputs
}

/// Ends of the sound segments in seconds: those of the picture segments, or the target distance where
/// there are no pictures. The last one is the length of the title.
pub fn audio_borders(
    grid: Option<&OutputGrid>,
    segment_seconds: Rational,
    duration: Rational,
) -> Vec<Rational> {
    match grid {
        Some(grid) => (0..grid.segments())
            .map(|i| grid.time_of(grid.segment(i).end))
            .collect(),
        None => {
            let whole = (1..)
                .map_while(|i| segment_seconds.checked_mul(Rational::whole(i)))
                .take_while(|border| *border < duration);
            whole.chain([duration]).collect()
        }
    }
}
