//! Samples from packets, as planes of floats whatever the codec gives. Not mixed and not
//! resampled.
//!
//! Priming is already cut off (libav's `skip_samples`), so the first sample is the first real one.
//! Padding at the end is cut only where the container marks it (Matroska, Ogg): an MP4 merely gives
//! its last packet a shorter duration, and the whole frame comes out. Rate and channels may change
//! from one frame to the next in broadcast streams; each frame tells its own.

use crate::decode::context::DecoderContext;
use crate::decode::samples;
use crate::demux::{StreamInfo, StreamKind};
use crate::error::{Error, Result};
use crate::frame_handle::FrameHandle;
use crate::packet::Packet;
use crate::sys::{self, ffi};
use std::ptr;

/// Channels of one frame at most: 7.1.4 has 12, third-order ambisonics 16.
const CHANNELS_MAX: usize = 64;

/// The place of a loudspeaker. Decoded channels come in the order of the list in
/// `libavutil/channel_layout.h`, which for up to eight channels is FL FR FC LFE BL BR (FLC FRC) BC
/// SL SR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Channel {
    /// Front left, FL.
    FrontLeft,
    /// Front right, FR.
    FrontRight,
    /// Front centre, FC; also the only channel of mono.
    FrontCenter,
    /// Low-frequency effects, LFE.
    LowFrequency,
    /// Back left, BL.
    BackLeft,
    /// Back right, BR.
    BackRight,
    /// Front left of centre, FLC.
    FrontLeftOfCenter,
    /// Front right of centre, FRC.
    FrontRightOfCenter,
    /// Back centre, BC.
    BackCenter,
    /// Side left, SL.
    SideLeft,
    /// Side right, SR.
    SideRight,
    /// Any other, with libav's number; unknown places are below zero.
    Other(i32),
}

impl Channel {
    fn new(number: i32) -> Self {
        match number {
            0 => Self::FrontLeft,
            1 => Self::FrontRight,
            2 => Self::FrontCenter,
            3 => Self::LowFrequency,
            4 => Self::BackLeft,
            5 => Self::BackRight,
            6 => Self::FrontLeftOfCenter,
            7 => Self::FrontRightOfCenter,
            8 => Self::BackCenter,
            9 => Self::SideLeft,
            10 => Self::SideRight,
            other => Self::Other(other),
        }
    }
}

/// Decoded samples.
#[derive(Debug, Clone, PartialEq)]
pub struct AudioFrame {
    /// One plane per channel, all of one length, nominally within -1..=1.
    pub samples: Vec<Vec<f32>>,
    /// The place of each plane. A source that does not say gets the usual places for its number
    /// of channels.
    pub channels: Vec<Channel>,
    /// Samples per second.
    pub rate: u32,
    /// Presentation time of the first sample, in ticks of the stream.
    pub pts: Option<i64>,
}

/// A software audio decoder.
pub struct AudioDecoder {
    context: DecoderContext,
    frame: FrameHandle,
}

impl AudioDecoder {
    /// Opens the decoder of an audio stream.
    pub fn open(stream: &StreamInfo) -> Result<Self> {
        if stream.kind != StreamKind::Audio {
            return Err(Error::Contract {
                what: format!("stream {} is no audio", stream.index),
            });
        }
        if stream.channels as usize > CHANNELS_MAX {
            return Err(Error::unsupported(format!(
                "{} audio channels",
                stream.channels
            )));
        }
        let context = DecoderContext::open(stream, &[("threads", "1")])?;
        Ok(Self {
            context,
            frame: FrameHandle::new()?,
        })
    }

    /// libav's name of the decoder: part of what a plan pins.
    pub fn name(&self) -> &str {
        self.context.name()
    }

    /// Gives the next packet, or `None` once at the end. False: the decoder is full, receive first
    /// and send the same again. [`Error::Corrupt`]: this packet is lost, the next may be sent.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<bool> {
        self.context.send(packet)
    }

    /// The next samples; `None` when it needs more packets or, after the end was sent, when all
    /// are out.
    pub fn receive(&mut self) -> Result<Option<AudioFrame>> {
        if !self.context.receive(&mut self.frame)? {
            return Ok(None);
        }
        let frame = self.frame.as_ptr();
        // SAFETY: the decoder filled the frame.
        let decoded = unsafe {
            let channels = channels(&raw const (*frame).ch_layout)?;
            AudioFrame {
                samples: samples::planes_of(frame, channels.len())?,
                channels,
                rate: u32::try_from((*frame).sample_rate).unwrap_or_default(),
                pts: sys::timestamp((*frame).best_effort_timestamp)
                    .or_else(|| sys::timestamp((*frame).pts)),
            }
        };
        self.frame.clear();
        Ok(Some(decoded))
    }

    /// Forgets all packets and samples inside, as needed after a seek.
    pub fn flush(&mut self) {
        self.context.flush();
    }
}

/// # Safety
/// `layout` is valid for the call.
unsafe fn channels(layout: *const ffi::AVChannelLayout) -> Result<Vec<Channel>> {
    // SAFETY: the caller vouches for the layout.
    let count = unsafe { (*layout).nb_channels };
    let is_bounded = usize::try_from(count).is_ok_and(|count| (1..=CHANNELS_MAX).contains(&count));
    if !is_bounded {
        return Err(Error::unsupported(format!("{count} audio channels")));
    }
    let list = |layout: *const ffi::AVChannelLayout| -> Vec<Channel> {
        // SAFETY: valid layouts; an index out of range gives a number below zero.
        let number = |index| unsafe { sys::av_channel_layout_channel_from_index(layout, index) };
        (0..count.unsigned_abs())
            .map(|index| Channel::new(number(index)))
            .collect()
    };
    let named = list(layout);
    if !named.contains(&Channel::Other(-1)) {
        return Ok(named);
    }
    let mut usual = EmptyLayout::new();
    // SAFETY: an empty layout may be filled.
    unsafe { ffi::av_channel_layout_default(usual.as_mut_ptr(), count) };
    Ok(list(usual.as_mut_ptr()))
}

/// A channel layout of our own, cleared when dropped.
pub(crate) struct EmptyLayout(ffi::AVChannelLayout);

impl EmptyLayout {
    pub(crate) fn new() -> Self {
        Self(ffi::AVChannelLayout {
            order: ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC,
            nb_channels: 0,
            u: ffi::AVChannelLayout__bindgen_ty_1 { mask: 0 },
            opaque: ptr::null_mut(),
        })
    }

    pub(crate) fn as_mut_ptr(&mut self) -> *mut ffi::AVChannelLayout {
        &raw mut self.0
    }
}

impl Drop for EmptyLayout {
    fn drop(&mut self) {
        // SAFETY: ours and valid, empty or filled.
        unsafe { ffi::av_channel_layout_uninit(self.as_mut_ptr()) };
    }
}
