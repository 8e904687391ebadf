//! Takes the packets of a segment, gives the CMAF segment and its facts, and says whether it fits the
//! decoder's buffer. Holds nothing.

use super::Samples;
use crate::error::{Error, InStage, Place, Result};
use crate::output::sha256;
use model::content_key;
use model::facts::{CodecConfig as ConfigFacts, SegmentFacts};
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::{BUFFER_START_PERMILLE, RateControl, Rendition, VideoCodec};
use package::CodecConfig;
use package::cmaf::write::{Sample, Segment, media_segment};
use package::codec_config::{NalCodec, annexb_to_length_prefixed, av1_strip_temporal_delimiters};

const STAGE: &str = "segment";

/// What the decoder's buffer comes to (H.264 Annex C, one leak at the highest rate).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fit {
    /// Fullness when the first picture of the next segment is due.
    pub(crate) end_permille: u16,
    /// Whether it never ran empty and ends as full as it began.
    pub(crate) is_kept: bool,
}

impl Fit {
    /// Plays packets of so many bits, one for each frame, out of the buffer. `None` where the
    /// rendition has no buffer.
    pub(crate) fn of(bits: &[u64], rate: &RateControl, rendition: &Rendition) -> Option<Self> {
        if rate.buffer_bits == 0 || rate.maxrate_bps == 0 {
            return None;
        }
        // In bits times the numerator of the rate, so that the fill of a frame is a whole number.
        let num = i128::from(rendition.frame_rate.num());
        let capacity = i128::from(rate.buffer_bits) * num;
        let fill = i128::from(rate.maxrate_bps) * i128::from(rendition.frame_rate.den());
        let border = capacity * i128::from(BUFFER_START_PERMILLE) / 1000;
        let mut level = border;
        let mut lowest = level;
        for &bits in bits {
            level -= i128::from(bits) * num;
            lowest = lowest.min(level);
            level = (level + fill).min(capacity);
        }
        let permille = (level.max(0) * 1000 / capacity).min(1000);
        Some(Self {
            end_permille: u16::try_from(permille).unwrap_or_default(),
            is_kept: lowest >= 0 && level >= border,
        })
    }
}

/// Makes segments of one rendition.
pub(crate) struct Muxer<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) video: &'a VideoPlan,
    pub(crate) group: &'a RenditionGroup,
    pub(crate) rendition: &'a Rendition,
}

impl Muxer<'_> {
    /// The buffer's course over a segment.
    pub(crate) fn fit(&self, samples: &Samples) -> Option<Fit> {
        let bits: Vec<u64> = samples
            .packets
            .iter()
            .map(|sample| sample.data.len() as u64 * 8)
            .collect();
        Fit::of(&bits, &self.rendition.rate, self.rendition)
    }

    /// The segment's bytes and facts. Fails when a frame is missing.
    pub(crate) fn write(
        &self,
        segment: u32,
        samples: Samples,
        quality_retries: u8,
    ) -> Result<(Vec<u8>, SegmentFacts)> {
        let range = self.video.grid.segment(segment);
        let (_, ticks) = self.video.grid.timescale();
        let frames = u32::try_from(samples.packets.len()).unwrap_or(u32::MAX);
        if frames as usize != range.len() {
            let message = format!("{frames} frames of {} came out of the encoder", range.len());
            return Err(Error::bug(STAGE, message).at(Place::Segment(segment)));
        }
        let fit = self.fit(&samples);
        let config = self.config(&samples)?;
        let base_decode_time = u64::from(range.start) * u64::from(ticks);
        let mut written = Vec::with_capacity(samples.packets.len());
        for sample in samples.packets {
            let delay = i64::from(self.rendition.codec.composition_delay_frames());
            let offset = (sample.shown_later + delay) * i64::from(ticks);
            written.push(Sample {
                data: self.sample_data(&sample.data)?,
                duration: ticks,
                composition_offset: i32::try_from(offset)
                    .ok()
                    .filter(|offset| *offset >= 0)
                    .ok_or_else(|| Error::bug(STAGE, "a picture is shown far from its place"))?,
                is_sync: sample.is_sync,
            });
        }
        let bytes = media_segment(&Segment {
            sequence_number: segment + 1,
            base_decode_time,
            samples: written,
        })
        .in_stage(STAGE)?;
        let facts = SegmentFacts {
            key: content_key::of_segment(
                self.plan,
                self.video,
                self.group,
                self.rendition,
                segment,
            ),
            sha256: sha256(&bytes),
            size_bytes: bytes.len() as u64,
            frames,
            base_decode_time,
            duration: u64::from(frames) * u64::from(ticks),
            config,
            vbv_end_permille: fit.map(|fit| fit.end_permille),
            quality_retries,
        };
        Ok((bytes, facts))
    }

    fn config(&self, samples: &Samples) -> Result<ConfigFacts> {
        let first = samples
            .packets
            .first()
            .map_or(&[][..], |sample| &sample.data);
        let config = match self.rendition.codec {
            VideoCodec::H264 => CodecConfig::avc(&samples.config),
            VideoCodec::Hevc => CodecConfig::hevc(&samples.config),
            // The four bytes of `av1C` lack the sequence header, which the first packet has.
            VideoCodec::Av1 => CodecConfig::av1(first),
        };
        config_facts(&config.in_stage(STAGE)?)
    }

    fn sample_data(&self, packet: &[u8]) -> Result<Vec<u8>> {
        match self.rendition.codec {
            VideoCodec::H264 => Ok(annexb_to_length_prefixed(NalCodec::Avc, packet)),
            VideoCodec::Hevc => Ok(annexb_to_length_prefixed(NalCodec::Hevc, packet)),
            VideoCodec::Av1 => av1_strip_temporal_delimiters(packet).in_stage(STAGE),
        }
    }
}

/// A codec configuration in the words of the facts.
pub(crate) fn config_facts(config: &CodecConfig) -> Result<ConfigFacts> {
    Ok(ConfigFacts {
        entry: config.entry().to_owned(),
        record: hex::encode(config.record()),
        codecs: config.codecs_string().in_stage(STAGE)?,
    })
}
