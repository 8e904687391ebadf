//! The samples of a track on the title's timeline: gap-free from zero on, in the source's own rate and
//! channels. Sound before zero is cut, a late start and gaps are silence, overlaps are trimmed.
//!
//! The place of every decoded frame is compared with the samples counted so far, never with the frame
//! before, so that rounding in a container cannot add up to a drift.

use super::STAGE;
use crate::error::{Error, InStage, Result};
use libav::{AudioDecoder, AudioFrame, ByteSource, Channel, Demuxer};
use model::plan::{AudioPlan, Plan};
use model::{FailureKind, Rational};

/// Containers count milliseconds at worst (Matroska): a frame may be that much away from its place.
const TOLERANCE_PER_SECOND: i64 = 1000;

/// Silence is given in pieces, because a gap may be hours.
const SILENCE_SAMPLES: usize = 48_000;

/// Full scale of 16 bits; decoders of lossy formats go beyond it.
const FULL_SCALE: f32 = 32_767.0 / 32_768.0;

/// Samples in a row.
pub(super) struct Block {
    /// One plane for each channel, all of one length.
    pub(super) samples: Vec<Vec<f32>>,
    pub(super) channels: Vec<Channel>,
    pub(super) rate: u32,
}

impl Block {
    /// Samples at full scale, in all channels.
    pub(super) fn full_scale_samples(&self) -> u64 {
        let clipped = |plane: &Vec<f32>| plane.iter().filter(|s| s.abs() >= FULL_SCALE).count();
        self.samples.iter().map(clipped).sum::<usize>() as u64
    }
}

/// How long sound may be: as the pictures. Without pictures the title is as long as its sound, and the
/// second more is for what a container forgets.
pub(super) fn length(plan: &Plan) -> Rational {
    if plan.video.is_some() {
        return plan.duration;
    }
    plan.duration
        .checked_add(Rational::ONE)
        .unwrap_or(plan.duration)
}

/// Reads one track.
pub(super) struct Timeline {
    demuxer: Demuxer,
    decoder: AudioDecoder,
    stream: u32,
    time_base: Rational,
    zero: Rational,
    length: Rational,
    rate: Option<u32>,
    /// Samples given so far.
    position: i64,
    has_started: bool,
    waiting: Option<Block>,
    silence: i64,
    is_at_end: bool,
}

impl Timeline {
    pub(super) fn open(
        source: Box<dyn ByteSource>,
        audio: &AudioPlan,
        length: Rational,
    ) -> Result<Self> {
        let mut demuxer = Demuxer::open(source).in_stage(STAGE)?;
        let index = audio.track.stream;
        let stream = demuxer.streams().get(index as usize).cloned();
        let stream = stream.ok_or_else(|| Error::bad_input(STAGE, "the track is not there"))?;
        let decoder = AudioDecoder::open(&stream).in_stage(STAGE)?;
        demuxer.select(&[index]);
        Ok(Self {
            demuxer,
            decoder,
            stream: index,
            time_base: stream.time_base,
            zero: audio.zero,
            length,
            rate: None,
            position: 0,
            has_started: false,
            waiting: None,
            silence: 0,
            is_at_end: false,
        })
    }

    /// The next samples; `None` at the end of the track or of the title.
    pub(super) fn next(&mut self) -> Result<Option<Block>> {
        loop {
            if let Some(block) = self.take_silence() {
                return Ok(Some(block));
            }
            if let Some(block) = self.waiting.take() {
                if let Some(block) = self.within_length(block) {
                    return Ok(Some(block));
                }
                return Ok(None);
            }
            match self.decode()? {
                Some(frame) => self.place(frame)?,
                None => return Ok(None),
            }
        }
    }

    /// Says how much silence comes before a frame, or how much of it is cut off.
    fn place(&mut self, frame: AudioFrame) -> Result<()> {
        let AudioFrame {
            mut samples,
            channels,
            rate,
            pts,
        } = frame;
        if rate == 0 || *self.rate.get_or_insert(rate) != rate {
            let message = format!("the sample rate changes to {rate}");
            return Err(Error::refused(STAGE, FailureKind::Unsupported, message));
        }
        let count = samples.first().map_or(0, Vec::len) as i64;
        let start = pts
            .and_then(|pts| self.place_of(pts, rate))
            .unwrap_or(self.position);
        let tolerance = if self.has_started {
            i64::from(rate) / TOLERANCE_PER_SECOND + 1
        } else {
            0
        };
        let away = start - self.position;
        let mut cut = 0;
        if away > tolerance {
            self.silence = away;
        } else if away < -tolerance {
            cut = (-away).min(count);
        }
        if cut == count {
            return Ok(());
        }
        self.has_started = true;
        let cut = usize::try_from(cut).unwrap_or_default();
        samples
            .iter_mut()
            .for_each(|plane| drop(plane.drain(..cut)));
        self.waiting = Some(Block {
            samples,
            channels,
            rate,
        });
        Ok(())
    }

    /// The place of a time in samples from the title's zero.
    fn place_of(&self, pts: i64, rate: u32) -> Option<i64> {
        let time = Rational::whole(pts)
            .checked_mul(self.time_base)?
            .checked_sub(self.zero)?;
        Some(time.checked_mul(Rational::whole(i64::from(rate)))?.round())
    }

    fn take_silence(&mut self) -> Option<Block> {
        let next = self.waiting.as_ref().filter(|_| self.silence > 0)?;
        let count = usize::try_from(self.silence)
            .unwrap_or(SILENCE_SAMPLES)
            .min(SILENCE_SAMPLES);
        let block = Block {
            samples: vec![vec![0.0; count]; next.channels.len()],
            channels: next.channels.clone(),
            rate: next.rate,
        };
        self.silence -= count as i64;
        match self.within_length(block) {
            Some(block) => Some(block),
            None => {
                // The gap reaches beyond the title, and so does what follows.
                (self.silence, self.waiting) = (0, None);
                self.is_at_end = true;
                None
            }
        }
    }

    /// Cuts off what is beyond the title and counts the rest; `None` when nothing remains.
    fn within_length(&mut self, mut block: Block) -> Option<Block> {
        let length = self
            .length
            .checked_mul(Rational::whole(i64::from(block.rate)));
        let end = length.map_or(i64::MAX, Rational::ceil);
        let room = usize::try_from(end - self.position).unwrap_or_default();
        block
            .samples
            .iter_mut()
            .for_each(|plane| plane.truncate(room));
        let count = block.samples.first().map_or(0, Vec::len);
        self.position += count as i64;
        self.is_at_end |= count == 0;
        (count > 0).then_some(block)
    }

    fn decode(&mut self) -> Result<Option<AudioFrame>> {
        loop {
            match self.decoder.receive() {
                Ok(Some(frame)) if frame.samples.first().is_none_or(Vec::is_empty) => continue,
                Ok(Some(frame)) => return Ok(Some(frame)),
                Ok(None) if self.is_at_end => return Ok(None),
                Ok(None) => {}
                Err(error) if is_lost_packet(&error) => {}
                Err(error) => return Err(Error::new(STAGE, error)),
            }
            let packet = self.demuxer.next_packet().in_stage(STAGE)?;
            if packet
                .as_ref()
                .is_some_and(|packet| packet.stream() != self.stream)
            {
                continue;
            }
            self.is_at_end = packet.is_none();
            match self.decoder.send(packet.as_ref()) {
                Ok(_) => {}
                // Its place on the timeline becomes silence.
                Err(error) if is_lost_packet(&error) => {}
                Err(error) => return Err(Error::new(STAGE, error)),
            }
        }
    }
}

fn is_lost_packet(error: &libav::Error) -> bool {
    matches!(error, libav::Error::Corrupt { .. })
}

/// How many samples a length has, to the nearest.
pub(super) fn samples_at(length: Rational, rate: u32) -> u64 {
    let exact = length.checked_mul(Rational::whole(i64::from(rate)));
    u64::try_from(exact.map_or(i64::MAX, Rational::round)).unwrap_or_default()
}
