//! Samples to AAC or AC-3. One encoder makes one track, without interruption: audio is not cut
//! where the video is.
//!
//! Both encoders compute in floats, so their bytes depend on which vector code libav picks: pin it
//! with [`crate::pin_cpu_flags`] first.

use crate::encode::context::{EncodedPacket, EncoderContext};
use crate::error::{Error, Result};
use crate::frame_handle::FrameHandle;
use crate::sys::ffi;
use libc::c_int;
use std::ffi::CStr;
use std::ptr;
use std::slice;

/// A compressed audio format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// MPEG-4 AAC, low complexity, by libav's own encoder.
    Aac,
    /// Dolby Digital (ETSI TS 102 366), by libav's own encoder.
    Ac3,
}

impl AudioCodec {
    const fn encoder(self) -> &'static CStr {
        match self {
            Self::Aac => c"aac",
            Self::Ac3 => c"ac3",
        }
    }

    /// The layout of so many channels: front left, front right, centre, LFE, and the surrounds,
    /// which AAC calls back and AC-3 side.
    fn layout(self, channels: u32) -> Result<&'static CStr> {
        match (channels, self) {
            (1, _) => Ok(c"mono"),
            (2, _) => Ok(c"stereo"),
            (6, Self::Aac) => Ok(c"5.1"),
            (6, Self::Ac3) => Ok(c"5.1(side)"),
            _ => Err(Error::unsupported(format!(
                "encoding {channels} audio channels"
            ))),
        }
    }
}

/// Settings of an audio encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioEncoderSettings {
    /// Format.
    pub codec: AudioCodec,
    /// Samples per second.
    pub sample_rate: u32,
    /// 1, 2 or 6 channels, in the order FL FR FC LFE and the two surrounds.
    pub channels: u32,
    /// Bits per second of the whole track.
    pub bitrate_bps: u32,
}

/// An audio encoder.
pub struct AudioEncoder {
    context: EncoderContext,
    frame: FrameHandle,
    settings: AudioEncoderSettings,
    frame_size: usize,
    initial_padding: usize,
    position: i64,
}

impl AudioEncoder {
    /// Opens an encoder.
    pub fn open(settings: &AudioEncoderSettings) -> Result<Self> {
        let layout = settings.codec.layout(settings.channels)?;
        let bitrate = settings.bitrate_bps.to_string();
        let rate = settings.sample_rate.to_string();
        let tick = format!("1/{}", settings.sample_rate);
        let options = [
            ("b", bitrate.as_str()),
            ("ar", rate.as_str()),
            ("time_base", tick.as_str()),
            ("threads", "1"),
            // Without it, the AAC encoder writes its version into the first frame.
            ("flags", "+global_header+bitexact"),
        ];
        let context = EncoderContext::open(settings.codec.encoder(), &options, |context| {
            // SAFETY: the context was just made and is not open yet; the layout is a C string.
            unsafe {
                (*context).sample_fmt = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
                let target = &raw mut (*context).ch_layout;
                match ffi::av_channel_layout_from_string(target, layout.as_ptr()) {
                    code if code < 0 => Err(Error::call("av_channel_layout_from_string", code)),
                    _ => Ok(()),
                }
            }
        })?;
        let raw = context.as_ptr()?;
        // SAFETY: the context is open.
        let (frame_size, initial_padding) = unsafe { ((*raw).frame_size, (*raw).initial_padding) };
        Ok(Self {
            context,
            frame: FrameHandle::new()?,
            settings: *settings,
            frame_size: usize::try_from(frame_size).unwrap_or_default(),
            initial_padding: usize::try_from(initial_padding).unwrap_or_default(),
            position: 0,
        })
    }

    /// Samples per channel in a packet.
    pub fn frame_size(&self) -> usize {
        self.frame_size
    }

    /// Samples that a decoder gives before the first real one.
    pub fn initial_padding(&self) -> usize {
        self.initial_padding
    }

    /// AAC: the AudioSpecificConfig. AC-3: empty.
    pub fn extradata(&self) -> Vec<u8> {
        self.context.extradata()
    }

    /// What the encoder was opened with.
    pub fn settings(&self) -> &AudioEncoderSettings {
        &self.settings
    }

    /// Gives the next samples, one slice per channel, each [`AudioEncoder::frame_size`] long (the
    /// last may be shorter), or `None` once at the end. Receive all packets after each call.
    pub fn send(&mut self, samples: Option<&[Vec<f32>]>) -> Result<()> {
        let Some(samples) = samples else {
            // SAFETY: null is allowed.
            return unsafe { self.context.send(ptr::null()) };
        };
        let count = samples.first().map_or(0, Vec::len);
        let is_even = samples.iter().all(|channel| channel.len() == count);
        let channels = self.settings.channels as usize;
        if samples.len() != channels || !is_even || count == 0 || count > self.frame_size {
            return Err(Error::Contract {
                what: format!(
                    "audio of {} channels with {count} samples for frames of {channels} with {}",
                    samples.len(),
                    self.frame_size
                ),
            });
        }
        self.fill(samples, count)?;
        // SAFETY: the frame is ours and was just filled.
        let result = unsafe { self.context.send(self.frame.as_ptr()) };
        self.frame.clear();
        self.position += count as i64;
        result
    }

    /// The next packet; `None` when it needs more samples or, after the end was sent, when all are
    /// out. The last packets may reach beyond the end: what they hold there is padding.
    pub fn receive(&mut self) -> Result<Option<EncodedPacket>> {
        Ok(self.context.receive()?.map(|mut packet| {
            // Every audio packet can be decoded on its own, and each holds a whole frame.
            packet.key = true;
            packet.duration = self.frame_size as i64;
            packet
        }))
    }

    fn fill(&mut self, samples: &[Vec<f32>], count: usize) -> Result<()> {
        let frame = self.frame.as_ptr();
        let context = self.context.as_ptr()?;
        // SAFETY: the frame is ours and empty; after `av_frame_get_buffer` it has a plane of
        // `count` floats per channel, at most eight of them in `data`, and we have at most six.
        unsafe {
            (*frame).format = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP as c_int;
            (*frame).nb_samples = c_int::try_from(count).unwrap_or_default();
            (*frame).sample_rate = (*context).sample_rate;
            (*frame).pts = self.position;
            let target = &raw mut (*frame).ch_layout;
            let code = ffi::av_channel_layout_copy(target, &raw const (*context).ch_layout);
            if code < 0 {
                return Err(Error::call("av_channel_layout_copy", code));
            }
            match ffi::av_frame_get_buffer(frame, 0) {
                code if code < 0 => return Err(Error::call("av_frame_get_buffer", code)),
                _ => {}
            }
            for (channel, values) in samples.iter().enumerate() {
                let plane: *mut f32 = (*frame).data[channel].cast();
                slice::from_raw_parts_mut(plane, count).copy_from_slice(values);
            }
        }
        Ok(())
    }
}
