//! Samples to CMAF segments of one output: one continuous run of codec frames. A segment holds the
//! frames that start before its border.
//!
//! Decode time starts at 0 with the encoder's delay, which an edit list skips; the last frame is
//! declared as short as the sound is, so that its padding is not heard.

use super::STAGE;
use crate::error::{Error, InStage, Result};
use crate::output::{AudioChunk, sha256};
use crate::stages::config_facts;
use libav::{AudioEncoder, AudioEncoderSettings, EncodedPacket};
use model::Rational;
use model::facts::{AudioFacts, AudioSegment, LoudnessFacts};
use model::plan::{AudioCodec, AudioOutput};
use package::CodecConfig;
use package::cmaf::write::{Sample, Segment, media_segment};
use std::collections::VecDeque;
use std::io;

/// Takes finished segments.
type Emit<'a> = dyn FnMut(AudioChunk) -> io::Result<()> + 'a;

/// Encodes one output.
pub(super) struct Encode {
    encoder: AudioEncoder,
    output: AudioOutput,
    key: String,
    borders: VecDeque<Rational>,
    /// Samples that do not fill a codec frame yet.
    rest: Vec<Vec<f32>>,
    given: u64,
    /// Packets of the open segment.
    packets: Vec<EncodedPacket>,
    /// The latest packet; whether it is the last is only known from the next.
    held: Option<EncodedPacket>,
    decode_time: u64,
    config: Option<CodecConfig>,
    segments: Vec<AudioSegment>,
}

impl Encode {
    pub(super) fn open(output: &AudioOutput, key: String, borders: &[Rational]) -> Result<Self> {
        let codec = match output.codec {
            AudioCodec::Aac => libav::AudioCodec::Aac,
            AudioCodec::Ac3 => libav::AudioCodec::Ac3,
        };
        let encoder = AudioEncoder::open(&AudioEncoderSettings {
            codec,
            sample_rate: output.sample_rate,
            channels: output.channels,
            bitrate_bps: output.bitrate_bps,
        })
        .in_stage(STAGE)?;
        let config = match output.codec {
            AudioCodec::Aac => Some(CodecConfig::aac(&encoder.extradata()).in_stage(STAGE)?),
            // Made of the first frame.
            AudioCodec::Ac3 => None,
        };
        Ok(Self {
            encoder,
            key,
            borders: borders.iter().copied().collect(),
            rest: vec![Vec::new(); output.channels as usize],
            given: 0,
            packets: Vec::new(),
            held: None,
            decode_time: 0,
            config,
            segments: Vec::new(),
            output: output.clone(),
        })
    }

    /// Encodes more samples.
    pub(super) fn push(&mut self, samples: &[Vec<f32>], emit: &mut Emit<'_>) -> Result<()> {
        for (rest, plane) in self.rest.iter_mut().zip(samples) {
            rest.extend_from_slice(plane);
        }
        let size = self.encoder.frame_size();
        while self.rest.first().is_some_and(|plane| plane.len() >= size) {
            let frame: Vec<Vec<f32>> = self
                .rest
                .iter_mut()
                .map(|plane| plane.drain(..size).collect())
                .collect();
            self.send(&frame, emit)?;
        }
        Ok(())
    }

    /// Encodes the rest. Loudness and gain of the facts are left for the caller.
    pub(super) fn finish(mut self, emit: &mut Emit<'_>) -> Result<AudioFacts> {
        let priming = self.encoder.initial_padding() as u64;
        self.send_rest(priming, emit)?;
        if let Some(mut last) = self.held.take() {
            let heard_until = self.time_after_packets() + self.encoder.frame_size() as u64;
            let end = priming + self.given;
            if heard_until < end {
                return Err(Error::bug(STAGE, "the encoder kept sound back"));
            }
            last.duration -= (heard_until - end) as i64;
            self.add(last, emit)?;
        }
        self.close_segment(emit)?;
        let config = self
            .config
            .ok_or_else(|| Error::bug(STAGE, "nothing was encoded"))?;
        Ok(AudioFacts {
            key: self.key,
            id: self.output.id,
            config: config_facts(&config)?,
            channels: self.output.channels,
            sample_rate: self.output.sample_rate,
            priming: u32::try_from(priming).unwrap_or_default(),
            samples: self.given,
            segments: self.segments,
            source: LoudnessFacts::default(),
            output: LoudnessFacts::default(),
            gain_centi_db: 0,
            limited: false,
            silences: Vec::new(),
            clipped_samples: 0,
        })
    }

    /// Sends what does not fill a frame, and silence until all sound is through the encoder's delay:
    /// not every encoder flushes it.
    fn send_rest(&mut self, priming: u64, emit: &mut Emit<'_>) -> Result<()> {
        let size = self.encoder.frame_size();
        let mut frame = std::mem::take(&mut self.rest);
        let rest = frame.first().map_or(0, Vec::len) as u64;
        let heard = self.given + rest;
        let mut sent = self.given;
        while sent < heard + priming {
            frame.iter_mut().for_each(|plane| plane.resize(size, 0.0));
            // Only what is heard counts.
            self.given = heard;
            self.encode(Some(&frame), emit)?;
            frame.iter_mut().for_each(Vec::clear);
            sent += size as u64;
        }
        self.encode(None, emit)
    }

    fn send(&mut self, samples: &[Vec<f32>], emit: &mut Emit<'_>) -> Result<()> {
        self.given += samples.first().map_or(0, Vec::len) as u64;
        self.encode(Some(samples), emit)
    }

    fn encode(&mut self, samples: Option<&[Vec<f32>]>, emit: &mut Emit<'_>) -> Result<()> {
        self.encoder.send(samples).in_stage(STAGE)?;
        while let Some(packet) = self.encoder.receive().in_stage(STAGE)? {
            if self.config.is_none() {
                self.config = Some(CodecConfig::ac3(&packet.data).in_stage(STAGE)?);
            }
            // A packet that begins where the sound ends holds padding alone.
            if packet.pts >= self.given as i64 {
                continue;
            }
            if let Some(held) = self.held.replace(packet) {
                self.add(held, emit)?;
            }
        }
        Ok(())
    }

    /// Decode time after all packets that are in segments or in the open one.
    fn time_after_packets(&self) -> u64 {
        let open: i64 = self.packets.iter().map(|packet| packet.duration).sum();
        self.decode_time + open.unsigned_abs()
    }

    fn add(&mut self, packet: EncodedPacket, emit: &mut Emit<'_>) -> Result<()> {
        let tick = Rational::new(1, i64::from(self.output.sample_rate)).unwrap_or(Rational::ONE);
        let start = Rational::whole(packet.pts)
            .checked_mul(tick)
            .unwrap_or(Rational::ZERO);
        // What starts after the last border belongs to the last segment.
        while self.borders.len() > 1 && start >= self.borders[0] {
            self.borders.pop_front();
            self.close_segment(emit)?;
        }
        self.packets.push(packet);
        Ok(())
    }

    fn close_segment(&mut self, emit: &mut Emit<'_>) -> Result<()> {
        if self.packets.is_empty() {
            return Ok(());
        }
        let sample = |packet: EncodedPacket| Sample {
            data: packet.data,
            duration: u32::try_from(packet.duration).unwrap_or_default(),
            composition_offset: 0,
            is_sync: true,
        };
        let samples: Vec<Sample> = self.packets.drain(..).map(sample).collect();
        let duration = samples
            .iter()
            .map(|sample| u64::from(sample.duration))
            .sum();
        let bytes = media_segment(&Segment {
            sequence_number: u32::try_from(self.segments.len() + 1).unwrap_or(u32::MAX),
            base_decode_time: self.decode_time,
            samples,
        })
        .in_stage(STAGE)?;
        let sha256 = sha256(&bytes);
        self.segments.push(AudioSegment {
            sha256: sha256.clone(),
            size_bytes: bytes.len() as u64,
            base_decode_time: self.decode_time,
            duration,
        });
        self.decode_time += duration;
        let chunk = AudioChunk {
            output: self.output.id.clone(),
            key: self.key.clone(),
            sha256,
            bytes,
        };
        emit(chunk).map_err(|error| Error::new("output", error))
    }
}
