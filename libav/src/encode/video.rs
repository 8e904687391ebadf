//! Pictures to H.264 or HEVC. One encoder makes one segment: closed GOPs, each of which starts with an
//! IDR picture. It cannot be reset; the next segment opens a new one.
//!
//! x264 chooses the quality of a picture by what later pictures take from it, so an encoder that
//! ends with its segment makes the last pictures worse. It may be shown the next segment's
//! first pictures, which it never gives out. x265 looks no further than the next key picture.
//!
//! Pictures are not copied on their way in: libav gets references to the caller's planes, and the
//! encoder libraries copy them before `send` returns.

use crate::encode::context::{EncodedPacket, EncoderContext};
use crate::encode::params::parameters;
use crate::encode::settings::{VideoEncoderKind, VideoEncoderSettings};
use crate::error::{Error, Result};
use crate::frame_handle::FrameHandle;
use crate::sys::ffi;
use frame::{Picture, PixelFormat, Plane, SIDE_MAX, Samples};
use libc::{c_int, c_void};
use model::Rational;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A software video encoder.
pub struct VideoEncoder {
    context: EncoderContext,
    frame: FrameHandle,
    // Boxed because libav holds its address. Dropped after the context, by order of declaration.
    borrowed_planes: Box<AtomicUsize>,
    ready: VecDeque<EncodedPacket>,
    /// Packets that came out of libav.
    made: u32,
    is_ended: bool,
    settings: VideoEncoderSettings,
}

impl VideoEncoder {
    /// Opens an encoder.
    pub fn open(settings: &VideoEncoderSettings) -> Result<Self> {
        check(settings)?;
        let parameters = parameters(settings);
        let threads = settings.threads.max(1).to_string();
        let color = &settings.color;
        let (primaries, transfer, matrix) = (
            color.primaries.to_string(),
            color.transfer.to_string(),
            color.matrix.to_string(),
        );
        let mut options = vec![
            ("preset", settings.preset.as_str()),
            ("threads", threads.as_str()),
            ("flags", "+global_header+cgop"),
            // A picture that is asked to be a key picture is an IDR picture.
            ("forced-idr", "1"),
            ("color_primaries", primaries.as_str()),
            ("color_trc", transfer.as_str()),
            ("colorspace", matrix.as_str()),
            // AVCOL_RANGE_JPEG and AVCOL_RANGE_MPEG.
            ("color_range", if color.full_range { "2" } else { "1" }),
        ];
        options.push(match settings.kind {
            VideoEncoderKind::X264 => ("x264-params", parameters.as_str()),
            VideoEncoderKind::X265 => ("x265-params", parameters.as_str()),
        });
        if let Some(profile) = &settings.profile {
            options.push(("profile", profile));
        }
        if let Some(level) = &settings.level {
            options.push(("level", level));
        }
        let context = EncoderContext::open(settings.kind.name(), &options, |context| {
            // SAFETY: the context was just made and is not open yet.
            unsafe { prepare(context, settings) }
        })?;
        Ok(Self {
            context,
            frame: FrameHandle::new()?,
            borrowed_planes: Box::new(AtomicUsize::new(0)),
            ready: VecDeque::new(),
            made: 0,
            is_ended: false,
            settings: settings.clone(),
        })
    }

    /// Gives the next picture and its index, which rises by one per picture; `None` once at the
    /// end. Packets that are ready wait for [`VideoEncoder::receive`].
    pub fn send(&mut self, picture: Option<&Picture>, index: i64) -> Result<()> {
        match picture {
            Some(picture) => self.send_picture(picture, index),
            None => {
                self.is_ended = true;
                // SAFETY: null is allowed.
                unsafe { self.context.send(std::ptr::null()) }
            }
        }
    }

    /// The next packet in decode order; `None` when it needs more pictures or, after the end was
    /// sent, when all of the segment are out.
    pub fn receive(&mut self) -> Result<Option<EncodedPacket>> {
        // One at a time after the end: pictures past the segment are not encoded for nothing.
        if self.ready.is_empty() && self.is_ended {
            self.take()?;
        }
        Ok(self.ready.pop_front())
    }

    /// The parameter sets in Annex B. The same for every segment of equal settings, and for other
    /// values of CRF.
    pub fn extradata(&self) -> Vec<u8> {
        self.context.extradata()
    }

    /// What the encoder was opened with.
    pub fn settings(&self) -> &VideoEncoderSettings {
        &self.settings
    }

    fn send_picture(&mut self, picture: &Picture, index: i64) -> Result<()> {
        let settings = &self.settings;
        let size = (picture.width(), picture.height());
        if picture.format() != settings.format || size != (settings.width, settings.height) {
            return Err(Error::Contract {
                what: format!(
                    "a picture of {} {} for an encoder of {} {}x{}",
                    picture.format(),
                    picture.size(),
                    settings.format,
                    settings.width,
                    settings.height
                ),
            });
        }
        let result = self.lend(picture, index).and_then(|()| {
            // SAFETY: the frame is ours and was just filled.
            unsafe { self.context.send(self.frame.as_ptr()) }
        });
        self.frame.clear();
        let result = result.and_then(|()| self.drain());
        // The planes are only borrowed for this call. Both libraries copy what they are given, so
        // nothing is left; should a version of libav keep a reference, it goes with the encoder.
        if self.borrowed_planes.load(Ordering::Acquire) != 0 {
            self.context.close();
            return Err(Error::Contract {
                what: "the encoder kept a picture".to_owned(),
            });
        }
        result
    }

    /// Fills the frame with references to the planes of a picture.
    fn lend(&mut self, picture: &Picture, index: i64) -> Result<()> {
        let frame = self.frame.as_ptr();
        let opaque: *const AtomicUsize = &raw const *self.borrowed_planes;
        // SAFETY: the frame is ours and empty. Each plane is `bytes` long, is only read (the
        // buffers are marked so), and outlives the references, as `send_picture` makes sure. The
        // counter behind `opaque` outlives the encoder.
        unsafe {
            (*frame).format = av_format(picture.format())? as c_int;
            (*frame).width = c_int::try_from(picture.width()).unwrap_or_default();
            (*frame).height = c_int::try_from(picture.height()).unwrap_or_default();
            (*frame).pts = index;
            (*frame).pict_type = self.settings.picture_type(index);
            for (number, plane) in picture.planes().iter().enumerate() {
                let (data, bytes, stride) = bytes_of(plane);
                let buffer = ffi::av_buffer_create(
                    data,
                    bytes,
                    Some(give_back),
                    opaque.cast_mut().cast(),
                    ffi::AV_BUFFER_FLAG_READONLY as c_int,
                );
                if buffer.is_null() {
                    return Err(Error::OutOfMemory);
                }
                self.borrowed_planes.fetch_add(1, Ordering::AcqRel);
                (*frame).buf[number] = buffer;
                (*frame).data[number] = data;
                (*frame).linesize[number] = c_int::try_from(stride).unwrap_or_default();
            }
            (*frame).extended_data = (&raw mut (*frame).data).cast();
        }
        Ok(())
    }

    fn drain(&mut self) -> Result<()> {
        while self.take()? {}
        Ok(())
    }

    /// Takes one packet out of libav; false when there is none, or when all of the segment are out.
    fn take(&mut self) -> Result<bool> {
        let is_complete = self
            .settings
            .segment_pictures
            .is_some_and(|all| self.made >= all);
        if is_complete && self.is_ended {
            return Ok(false);
        }
        let Some(mut packet) = self.context.receive()? else {
            return Ok(false);
        };
        self.made = self.made.saturating_add(1);
        // The border's IDR picture keeps the packets of both sides apart in decode order.
        if !is_complete {
            packet.duration = 1;
            self.ready.push_back(packet);
        }
        Ok(true)
    }
}

unsafe extern "C" fn give_back(opaque: *mut c_void, _data: *mut u8) {
    // SAFETY: the counter outlives every reference to a plane (see `VideoEncoder`).
    unsafe { &*opaque.cast::<AtomicUsize>() }.fetch_sub(1, Ordering::AcqRel);
}

fn bytes_of(plane: &Plane) -> (*mut u8, usize, usize) {
    match plane.samples() {
        Samples::U8(data) => (data.as_ptr().cast_mut(), data.len(), plane.width()),
        Samples::U16(data) => (
            data.as_ptr().cast_mut().cast(),
            data.len() * 2,
            plane.width() * 2,
        ),
    }
}

fn av_format(format: PixelFormat) -> Result<ffi::AVPixelFormat> {
    match format {
        PixelFormat::Yuv420p8 => Ok(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P),
        PixelFormat::Yuv420p10 => Ok(ffi::AVPixelFormat::AV_PIX_FMT_YUV420P10LE),
        other => Err(Error::unsupported(format!("encoding {other}"))),
    }
}

fn check(settings: &VideoEncoderSettings) -> Result<()> {
    let is_side = |side: u32| (2..=SIDE_MAX).contains(&side) && side.is_multiple_of(2);
    if !is_side(settings.width) || !is_side(settings.height) {
        return Err(Error::unsupported(format!(
            "encoding {}x{}",
            settings.width, settings.height
        )));
    }
    let is_small = |value: i64| (1..=i64::from(i32::MAX)).contains(&value);
    if !is_small(settings.frame_rate.num()) || !is_small(settings.frame_rate.den()) {
        return Err(Error::unsupported(format!(
            "frame rate {}",
            settings.frame_rate
        )));
    }
    av_format(settings.format).map(|_| ())
}

/// # Safety
/// `context` is valid and not open.
unsafe fn prepare(
    context: *mut ffi::AVCodecContext,
    settings: &VideoEncoderSettings,
) -> Result<()> {
    let part = |value: i64| c_int::try_from(value).unwrap_or(1);
    let fraction = |value: Rational| ffi::AVRational {
        num: part(value.num()),
        den: part(value.den()),
    };
    let tick = settings.frame_rate.recip().unwrap_or(Rational::ONE);
    // SAFETY: the caller vouches for the context.
    unsafe {
        (*context).width = part(i64::from(settings.width));
        (*context).height = part(i64::from(settings.height));
        (*context).pix_fmt = av_format(settings.format)?;
        (*context).time_base = fraction(tick);
        (*context).framerate = fraction(settings.frame_rate);
        (*context).sample_aspect_ratio = ffi::AVRational { num: 1, den: 1 };
    }
    Ok(())
}
