//! AV1 by the rav1e crate. It has neither CRF nor a buffer model: the quantizer is fixed, and the
//! caller checks the size of the segment.
//!
//! rav1e gives whole temporal units: hidden frames travel with the next shown one, so packets come
//! in presentation order and decode time equals presentation time.

mod color;

use crate::encode::{EncodeOptions, Encoder};
use crate::error::{Error, Result};
use frame::{Picture, PixelFormat, Plane, Samples};
use libav::EncodedPacket;
use model::rendition::Rendition;
use rav1e::prelude::{
    ChromaSampling, Config, Context, EncoderConfig, EncoderStatus, FrameParameters, FrameType,
    FrameTypeOverride, Opaque, Pixel, Rational, SceneDetectionSpeed, SpeedSettings,
};
use std::collections::VecDeque;

const FAMILY: &str = "rav1e";

/// A key frame interval that no segment reaches; rav1e's own bound is a third of `i32::MAX`.
const NEVER_PICTURES: u64 = 1 << 24;

/// The highest quantizer index of AV1 (AV1 specification 5.9.12, `base_q_idx`).
const QUANTIZER_MAX: u32 = 255;

struct Rav1eEncoder<T: Pixel> {
    context: Context<T>,
    format: PixelFormat,
    size: (u32, u32),
    pushed: u64,
    keyframe_frames: u64,
    segment_frames: u64,
    is_finished: bool,
    ready: VecDeque<EncodedPacket>,
}

pub(super) fn open(rendition: &Rendition, options: &EncodeOptions) -> Result<Box<dyn Encoder>> {
    let config = Config::new()
        .with_encoder_config(encoder_config(rendition, options)?)
        .with_threads(rendition.threads.max(1) as usize);
    let size = (rendition.width, rendition.height);
    match rendition.bit_depth {
        8 => open_depth::<u8>(&config, PixelFormat::Yuv420p8, size, options),
        10 => open_depth::<u16>(&config, PixelFormat::Yuv420p10, size, options),
        depth => Err(refused(rendition, format!("{depth} bits per component"))),
    }
}

fn open_depth<T: Pixel>(
    config: &Config,
    format: PixelFormat,
    size: (u32, u32),
    options: &EncodeOptions,
) -> Result<Box<dyn Encoder>> {
    let context = config.new_context::<T>().map_err(|error| Error::Encoder {
        family: FAMILY,
        reason: error.to_string(),
    })?;
    let ready = VecDeque::new();
    Ok(Box::new(Rav1eEncoder {
        context,
        format,
        size,
        pushed: 0,
        keyframe_frames: u64::from(options.keyframe_frames),
        segment_frames: options.segment_frames.map_or(u64::MAX, u64::from),
        is_finished: false,
        ready,
    }))
}

fn encoder_config(rendition: &Rendition, options: &EncodeOptions) -> Result<EncoderConfig> {
    let preset = rendition
        .preset
        .parse::<u8>()
        .ok()
        .filter(|preset| *preset <= 10);
    let preset = preset.ok_or_else(|| {
        refused(
            rendition,
            format!("preset {:?} is not 0 to 10", rendition.preset),
        )
    })?;
    let mut speed = SpeedSettings::from_preset(preset);
    speed.scene_detection_mode = SceneDetectionSpeed::None;
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    let quality = rendition.rate.quality_centi + options.quality_added_centi;
    Ok(EncoderConfig {
        width: rendition.width as usize,
        height: rendition.height as usize,
        sample_aspect_ratio: Rational::new(1, 1),
        time_base: Rational::new(
            part(rendition.frame_rate.den()),
            part(rendition.frame_rate.num()),
        ),
        bit_depth: usize::from(rendition.bit_depth),
        chroma_sampling: ChromaSampling::Cs420,
        pixel_range: color::range(&rendition.color),
        color_description: Some(color::description(&rendition.color)),
        mastering_display: rendition.hdr.mastering.map(color::mastering),
        content_light: rendition.hdr.light.map(color::content_light),
        min_key_frame_interval: 0,
        max_key_frame_interval: NEVER_PICTURES,
        low_latency: false,
        quantizer: (quality / 100).min(QUANTIZER_MAX) as usize,
        bitrate: 0,
        tiles: 1,
        speed_settings: speed,
        ..EncoderConfig::default()
    })
}

fn refused(rendition: &Rendition, reason: String) -> Error {
    Error::NoEncoder {
        family: FAMILY,
        rendition: rendition.id.clone(),
        reason,
    }
}

impl<T: Pixel> Rav1eEncoder<T> {
    fn is_key_due(&self) -> bool {
        let distance = self.keyframe_frames;
        let place = match self.pushed.checked_sub(self.segment_frames) {
            Some(beyond) => beyond,
            None => self.pushed,
        };
        place == 0 || (distance > 0 && place.is_multiple_of(distance))
    }

    fn drain(&mut self) -> Result<()> {
        loop {
            match self.context.receive_packet() {
                Ok(packet) if packet.input_frameno >= self.segment_frames => {}
                Ok(packet) => {
                    let index = i64::try_from(packet.input_frameno).unwrap_or(i64::MAX);
                    self.ready.push_back(EncodedPacket {
                        key: packet.frame_type == FrameType::KEY,
                        data: packet.data,
                        pts: index,
                        dts: index,
                        duration: 1,
                    });
                }
                Err(EncoderStatus::Encoded) => {}
                Err(EncoderStatus::NeedMoreData | EncoderStatus::LimitReached) => return Ok(()),
                Err(status) => return Err(stopped(status)),
            }
        }
    }
}

fn stopped(status: EncoderStatus) -> Error {
    Error::Encoder {
        family: FAMILY,
        reason: status.to_string(),
    }
}

impl<T: Pixel> Encoder for Rav1eEncoder<T> {
    fn push(&mut self, picture: &Picture) -> Result<()> {
        let is_fit =
            (picture.format(), (picture.width(), picture.height())) == (self.format, self.size);
        if self.is_finished || !is_fit {
            let what = format!("a picture of {} {}", picture.format(), picture.size());
            return Err(Error::Contract {
                what: format!("{what} in the wrong place"),
            });
        }
        let mut frame = self.context.new_frame();
        for (source, target) in picture.planes().iter().zip(&mut frame.planes) {
            copy(source, target);
        }
        let parameters = FrameParameters {
            frame_type_override: if self.is_key_due() {
                FrameTypeOverride::Key
            } else {
                FrameTypeOverride::No
            },
            opaque: None::<Opaque>,
            t35_metadata: Box::default(),
        };
        self.context
            .send_frame((frame, parameters))
            .map_err(stopped)?;
        self.pushed += 1;
        self.drain()
    }

    fn finish(&mut self) -> Result<()> {
        self.is_finished = true;
        self.context.flush();
        self.drain()
    }

    fn pull(&mut self) -> Result<Option<EncodedPacket>> {
        Ok(self.ready.pop_front())
    }

    fn config(&self) -> Vec<u8> {
        self.context.container_sequence_header()
    }
}

/// Copies rows; the target has its own stride and padding.
fn copy<T: Pixel>(source: &Plane, target: &mut rav1e::prelude::Plane<T>) {
    let width = source.width();
    let stride = target.cfg.stride;
    match source.samples() {
        Samples::U8(samples) => target.copy_from_raw_u8(samples, width, 1),
        Samples::U16(samples) => {
            let rows = target.data_origin_mut().chunks_mut(stride);
            for (target, source) in rows.zip(samples.chunks_exact(width)) {
                for (target, source) in target.iter_mut().zip(source) {
                    *target = T::cast_from(*source);
                }
            }
        }
    }
}
