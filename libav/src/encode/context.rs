//! What all encoders share: opening, sending, receiving.

use crate::dictionary::Dictionary;
use crate::error::{Error, Result, again};
use crate::log;
use crate::packet::Packet;
use crate::sys::ffi;
use std::ffi::CStr;
use std::ptr::{self, NonNull};
use std::slice;

/// Compressed data of one picture or one audio frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedPacket {
    /// The bytes: Annex B for H.264 and HEVC, low-overhead OBUs with temporal delimiters for AV1,
    /// raw frames without ADTS for AAC.
    pub data: Vec<u8>,
    /// Presentation time. Video: the index that the picture was sent with. Audio: samples, the
    /// first at minus the encoder's padding.
    pub pts: i64,
    /// Decode time in the same unit; rises by one per picture and may start below zero.
    pub dts: i64,
    /// Duration in the same unit.
    pub duration: i64,
    /// Whether a decoder can start here.
    pub key: bool,
}

/// Owns an open encoder.
pub(crate) struct EncoderContext {
    raw: Option<NonNull<ffi::AVCodecContext>>,
}

// SAFETY: one owner, used by one thread at a time; libav's own threads lock among themselves.
unsafe impl Send for EncoderContext {}

impl EncoderContext {
    /// Opens the encoder of a name after `prepare` filled in what has no option.
    pub(crate) fn open(
        name: &CStr,
        options: &[(&str, &str)],
        prepare: impl FnOnce(*mut ffi::AVCodecContext) -> Result<()>,
    ) -> Result<Self> {
        log::install();
        log::clear_last_line();
        // SAFETY: the name is a C string; unknown names give null.
        let codec = unsafe { ffi::avcodec_find_encoder_by_name(name.as_ptr()) };
        if codec.is_null() {
            let name = name.to_string_lossy();
            return Err(Error::unsupported(format!(
                "encoder {name}: libav is built without it"
            )));
        }
        // SAFETY: the codec is a constant of the library; null is checked.
        let raw = NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) });
        let context = Self {
            raw: Some(raw.ok_or(Error::OutOfMemory)?),
        };
        prepare(context.as_ptr()?)?;
        let mut options = Dictionary::new(options)?;
        // SAFETY: the context is valid and not open yet.
        let code = unsafe { ffi::avcodec_open2(context.as_ptr()?, codec, options.as_mut_ptr()) };
        if code < 0 {
            return Err(Error::call("avcodec_open2", code));
        }
        options.refuse_leftovers().map(|()| context)
    }

    pub(crate) fn as_ptr(&self) -> Result<*mut ffi::AVCodecContext> {
        let closed = || Error::Contract {
            what: "the encoder was closed by an error".to_owned(),
        };
        self.raw.map(NonNull::as_ptr).ok_or_else(closed)
    }

    /// Gives a frame, or null for the end. All packets must have been received before.
    ///
    /// # Safety
    /// `frame` is null or a valid frame.
    pub(crate) unsafe fn send(&mut self, frame: *const ffi::AVFrame) -> Result<()> {
        log::clear_last_line();
        // SAFETY: the context is open; the caller vouches for the frame.
        match unsafe { ffi::avcodec_send_frame(self.as_ptr()?, frame) } {
            code if code < 0 => Err(Error::call("avcodec_send_frame", code)),
            _ => Ok(()),
        }
    }

    /// The next packet, if there is one before more input or before the end.
    pub(crate) fn receive(&mut self) -> Result<Option<EncodedPacket>> {
        let packet = Packet::new()?;
        // SAFETY: the context is open, the packet valid.
        match unsafe { ffi::avcodec_receive_packet(self.as_ptr()?, packet.as_ptr()) } {
            code if code == again() => Ok(None),
            ffi::AVERROR_EOF => Ok(None),
            code if code < 0 => Err(Error::call("avcodec_receive_packet", code)),
            _ => {
                let pts = packet.pts().unwrap_or_default();
                Ok(Some(EncodedPacket {
                    data: packet.data().to_vec(),
                    pts,
                    dts: packet.dts().unwrap_or(pts),
                    duration: packet.duration(),
                    key: packet.is_key(),
                }))
            }
        }
    }

    /// Parameter sets or the codec's configuration.
    pub(crate) fn extradata(&self) -> Vec<u8> {
        let Ok(raw) = self.as_ptr() else {
            return Vec::new();
        };
        // SAFETY: the context is open; libav keeps `extradata_size` bytes there, or null.
        unsafe {
            let data: *const u8 = (*raw).extradata;
            let size = usize::try_from((*raw).extradata_size).unwrap_or_default();
            if data.is_null() {
                Vec::new()
            } else {
                slice::from_raw_parts(data, size).to_vec()
            }
        }
    }

    /// Ends the encoder and with it every reference that it holds to a frame.
    pub(crate) fn close(&mut self) {
        let mut raw = self.raw.take().map_or(ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: ours alone; null is allowed.
        unsafe { ffi::avcodec_free_context(&raw mut raw) };
    }
}

impl Drop for EncoderContext {
    fn drop(&mut self) {
        self.close();
    }
}
