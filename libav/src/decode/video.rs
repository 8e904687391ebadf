//! Pictures from packets.
//!
//! With more than one thread libav decodes several pictures at once: a picture comes out up to
//! `threads` packets later, the same pictures in the same order.

use crate::decode::context::DecoderContext;
use crate::decode::pixels;
use crate::demux::{StreamInfo, StreamKind};
use crate::error::{Error, Result};
use crate::frame_handle::FrameHandle;
use crate::hdr;
use crate::packet::Packet;
use crate::sys::{self, ffi};
use frame::{Picture, PixelFormat, SIDE_MAX};
use model::hdr::HdrMetadata;
use std::slice;

/// How a video decoder works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecoderOptions {
    /// Threads of the decoder; the pixels are the same for any number.
    pub threads: u32,
    /// Largest picture that is decoded, in samples of luma. Larger ones are refused before memory
    /// is taken for them.
    pub pixels_max: u64,
}

impl Default for DecoderOptions {
    /// One thread and room for 8K (8192 by 8192, for square and upright material too).
    fn default() -> Self {
        Self {
            threads: 1,
            pixels_max: 8192 * 8192,
        }
    }
}

/// A picture and what the decoder says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPicture {
    /// The samples, cropped as the stream says.
    pub picture: Picture,
    /// Presentation time in ticks of the stream.
    pub pts: Option<i64>,
    /// Whether decoding could have started here, in the decoder's view.
    pub key: bool,
    /// Two fields instead of one frame.
    pub interlaced: bool,
    /// Which field is shown first; only of meaning when interlaced.
    pub top_field_first: bool,
    /// Whether the decoder knows that the samples are wrong somewhere (missing references,
    /// concealed errors).
    pub corrupt: bool,
    /// HDR metadata that the picture carries.
    pub hdr: HdrMetadata,
}

impl DecodedPicture {
    /// A picture to receive into: small, and reshaped by the first use.
    pub fn empty() -> Self {
        Self {
            picture: Picture::new(PixelFormat::Gray8, 1, 1).expect("one sample is a valid size"),
            pts: None,
            key: false,
            interlaced: false,
            top_field_first: false,
            corrupt: false,
            hdr: HdrMetadata::default(),
        }
    }
}

/// A software video decoder.
pub struct VideoDecoder {
    context: DecoderContext,
    frame: FrameHandle,
    /// Pictures before this time are not wanted.
    from: Option<i64>,
    run_up: RunUp,
}

/// Where decoding is, seen from the first wanted picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunUp {
    /// Nothing was sent yet: the next packet is where decoding starts.
    Start,
    /// All that was sent comes before it.
    Before,
    /// It was sent. libav may still be about to decode it when it is told about the next packet, so
    /// nothing is left out any more.
    Passed,
}

impl VideoDecoder {
    /// Opens the decoder of a video stream.
    pub fn open(stream: &StreamInfo, options: &DecoderOptions) -> Result<Self> {
        if stream.kind != StreamKind::Video {
            return Err(Error::Contract {
                what: format!("stream {} is no video", stream.index),
            });
        }
        let pixels = u64::from(stream.width) * u64::from(stream.height);
        if stream.width > SIDE_MAX || stream.height > SIDE_MAX || pixels > options.pixels_max {
            return Err(Error::unsupported(format!(
                "picture of {}x{} in stream {}",
                stream.width, stream.height, stream.index
            )));
        }
        let threads = options.threads.max(1).to_string();
        let pixels_max = options.pixels_max.to_string();
        let settings = [
            ("threads", threads.as_str()),
            ("max_pixels", pixels_max.as_str()),
        ];
        let context = DecoderContext::open(stream, &settings)?;
        Ok(Self {
            context,
            frame: FrameHandle::new()?,
            from: None,
            run_up: RunUp::Start,
        })
    }

    /// libav's name of the decoder, such as `libdav1d`: part of what a plan pins.
    pub fn name(&self) -> &str {
        self.context.name()
    }

    /// Gives the next packet, or `None` once at the end. False: the decoder is full, receive first
    /// and send the same again. [`Error::Corrupt`]: this packet is lost, the next may be sent.
    pub fn send(&mut self, packet: Option<&Packet>) -> Result<bool> {
        let time = packet.and_then(Packet::pts);
        let is_unwanted = time.zip(self.from).is_some_and(|(time, from)| time < from);
        self.context
            .set_skips_unreferenced(is_unwanted && self.run_up == RunUp::Before);
        self.run_up = match self.run_up {
            RunUp::Start | RunUp::Before if is_unwanted => RunUp::Before,
            _ => RunUp::Passed,
        };
        self.context.send(packet)
    }

    /// Says that no picture before this time, in ticks of the stream, is wanted: they come without their
    /// samples, and after a flush those that no other picture refers to may not come at all. `None`: all
    /// are wanted.
    pub fn skip_to(&mut self, time: Option<i64>) {
        self.from = time;
    }

    /// The next picture in presentation order; `None` when it needs more packets or, after the
    /// end was sent, when all are out.
    pub fn receive(&mut self) -> Result<Option<DecodedPicture>> {
        let mut decoded = DecodedPicture::empty();
        Ok(self.receive_into(&mut decoded)?.then_some(decoded))
    }

    /// As [`VideoDecoder::receive`], into memory that is used again; false for `None`.
    pub fn receive_into(&mut self, decoded: &mut DecodedPicture) -> Result<bool> {
        if !self.context.receive(&mut self.frame)? {
            return Ok(false);
        }
        let frame = self.frame.as_ptr();
        // SAFETY: the decoder filled the frame.
        unsafe {
            decoded.pts = sys::timestamp((*frame).best_effort_timestamp)
                .or_else(|| sys::timestamp((*frame).pts));
            let is_unwanted = decoded
                .pts
                .zip(self.from)
                .is_some_and(|(at, from)| at < from);
            if !is_unwanted {
                pixels::copy_out(frame, &mut decoded.picture)?;
            }
            decoded.hdr = hdr_metadata(frame);
            decoded.corrupt = (*frame).flags & ffi::AV_FRAME_FLAG_CORRUPT != 0
                || (*frame).decode_error_flags != 0;
        }
        // SAFETY: as above.
        (decoded.key, decoded.interlaced, decoded.top_field_first) = unsafe { scan_flags(frame) };
        self.frame.clear();
        Ok(true)
    }

    /// Forgets all packets and pictures inside, as needed after a seek.
    pub fn flush(&mut self) {
        self.context.flush();
        self.run_up = RunUp::Start;
    }
}

/// # Safety
/// `frame` was filled by a decoder.
unsafe fn hdr_metadata(frame: *const ffi::AVFrame) -> HdrMetadata {
    use ffi::AVFrameSideDataType as Kind;
    let bytes = |kind: Kind| -> &[u8] {
        // SAFETY: the caller vouches for the frame, to which its side data belongs, of the size that it says.
        unsafe {
            match ffi::av_frame_get_side_data(frame, kind) {
                data if data.is_null() || (*data).data.is_null() => &[],
                data => slice::from_raw_parts((*data).data, (*data).size),
            }
        }
    };
    hdr::metadata(
        bytes(Kind::AV_FRAME_DATA_MASTERING_DISPLAY_METADATA),
        bytes(Kind::AV_FRAME_DATA_CONTENT_LIGHT_LEVEL),
    )
}

/// Key frame, interlaced, top field first.
#[cfg(not(ffmpeg_6_1))]
unsafe fn scan_flags(frame: *const ffi::AVFrame) -> (bool, bool, bool) {
    // SAFETY: the caller vouches for the frame.
    unsafe {
        (
            (*frame).key_frame != 0,
            (*frame).interlaced_frame != 0,
            (*frame).top_field_first != 0,
        )
    }
}

/// Key frame, interlaced, top field first.
#[cfg(ffmpeg_6_1)]
unsafe fn scan_flags(frame: *const ffi::AVFrame) -> (bool, bool, bool) {
    // SAFETY: the caller vouches for the frame.
    let flags = unsafe { (*frame).flags };
    let has = |flag: libc::c_int| flags & flag != 0;
    (
        has(ffi::AV_FRAME_FLAG_KEY as libc::c_int),
        has(ffi::AV_FRAME_FLAG_INTERLACED as libc::c_int),
        has(ffi::AV_FRAME_FLAG_TOP_FIELD_FIRST as libc::c_int),
    )
}
