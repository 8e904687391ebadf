//! What all decoders share: opening, sending, receiving.

use crate::demux::StreamInfo;
use crate::dictionary::Dictionary;
use crate::error::{Error, Result, again, explain, out_of_memory};
use crate::frame_handle::FrameHandle;
use crate::log;
use crate::packet::Packet;
use crate::sys::{self, ffi, raw};
use libc::c_int;
use std::ptr::{self, NonNull};

/// Owns an open decoder.
pub(crate) struct DecoderContext {
    raw: NonNull<ffi::AVCodecContext>,
    name: String,
}

// SAFETY: one owner, used by one thread at a time; libav's own threads lock among themselves.
unsafe impl Send for DecoderContext {}

impl DecoderContext {
    pub(crate) fn open(stream: &StreamInfo, options: &[(&str, &str)]) -> Result<Self> {
        log::install();
        log::clear_last_line();
        let parameters = stream.parameters.as_ptr();
        // SAFETY: the parameters live in the stream info; unknown codecs give null.
        let codec = unsafe { sys::avcodec_find_decoder(raw!(parameters, codec_id)) };
        if codec.is_null() {
            return Err(Error::unsupported(format!(
                "codec {} of stream {}: no decoder",
                stream.codec, stream.index
            )));
        }
        // SAFETY: the codec is a constant of the library; null is checked.
        let raw = NonNull::new(unsafe { ffi::avcodec_alloc_context3(codec) });
        // SAFETY: the codec's name is a constant string.
        let name = unsafe { sys::text((*codec).name) };
        let context = Self {
            raw: raw.ok_or(Error::OutOfMemory)?,
            name,
        };
        let mut options = Dictionary::new(options)?;
        // SAFETY: context and parameters are valid, the context is not open yet.
        let code = unsafe {
            let code = ffi::avcodec_parameters_to_context(context.as_ptr(), parameters);
            (*context.as_ptr()).pkt_timebase = ffi::AVRational {
                num: c_int::try_from(stream.time_base.num()).unwrap_or(1),
                den: c_int::try_from(stream.time_base.den()).unwrap_or(1),
            };
            if code < 0 {
                code
            } else {
                ffi::avcodec_open2(context.as_ptr(), codec, options.as_mut_ptr())
            }
        };
        match code {
            code if code == out_of_memory() => Err(Error::memory_for_media(0)),
            code if code < 0 => {
                let what = format!(
                    "stream {}: {}: {}",
                    stream.index,
                    stream.codec,
                    explain(code)
                );
                Err(too_large(&what).unwrap_or(Error::Malformed { what, at: 0 }))
            }
            _ => options.refuse_leftovers().map(|()| context),
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVCodecContext {
        self.raw.as_ptr()
    }

    /// libav's name of the decoder, such as `libdav1d`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Gives a packet to the decoder, or the end of the stream. Gives back whether it was taken:
    /// when not, output must be received first.
    pub(crate) fn send(&mut self, packet: Option<&Packet>) -> Result<bool> {
        log::clear_last_line();
        let packet = packet.map_or(ptr::null_mut(), Packet::as_ptr);
        // SAFETY: the context is open; libav takes its own reference to the packet.
        let code = unsafe { ffi::avcodec_send_packet(self.as_ptr(), packet) };
        match code {
            code if code == again() => Ok(false),
            // The end was already sent.
            ffi::AVERROR_EOF if packet.is_null() => Ok(true),
            ffi::AVERROR_EOF => Err(Error::Contract {
                what: "a packet after the end of the stream".to_owned(),
            }),
            code => decoded(code).map(|()| true),
        }
    }

    /// Whether pictures that no other refers to are left out, from about the next packet on. Only in H.264,
    /// whose packets say of themselves that nothing refers to them (`nal_ref_idc`, ITU-T H.264 7.4.1); in
    /// HEVC a higher temporal layer still may.
    pub(crate) fn set_skips_unreferenced(&mut self, skips: bool) {
        let context = self.as_ptr();
        // SAFETY: the context is open, and its user may set this field between calls.
        unsafe {
            let is_h264 = raw!(context, codec_id) == ffi::AVCodecID::AV_CODEC_ID_H264 as i32;
            (*context).skip_frame = if skips && is_h264 {
                ffi::AVDiscard::AVDISCARD_NONREF
            } else {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            };
        }
    }

    /// Fetches a decoded frame; false when there is none before more input, or at the end.
    pub(crate) fn receive(&mut self, frame: &mut FrameHandle) -> Result<bool> {
        log::clear_last_line();
        // SAFETY: context and frame are valid; libav clears the frame first.
        let code = unsafe { ffi::avcodec_receive_frame(self.as_ptr(), frame.as_ptr()) };
        match code {
            code if code == again() => Ok(false),
            ffi::AVERROR_EOF => Ok(false),
            code => decoded(code).map(|()| true),
        }
    }

    /// Forgets everything sent so far, as needed after a seek.
    pub(crate) fn flush(&mut self) {
        // SAFETY: the context is open.
        unsafe { ffi::avcodec_flush_buffers(self.as_ptr()) };
    }
}

fn decoded(code: c_int) -> Result<()> {
    match code {
        code if code >= 0 => Ok(()),
        code if code == out_of_memory() => Err(Error::memory_for_media(0)),
        code => {
            let what = explain(code);
            Err(too_large(&what).unwrap_or(Error::Corrupt { what }))
        }
    }
}

/// The bound on pictures answers with the code of a wrong argument and this line in the log.
fn too_large(what: &str) -> Option<Error> {
    what.contains("max pixel count")
        .then(|| Error::unsupported(what))
}

impl Drop for DecoderContext {
    fn drop(&mut self) {
        let mut raw = self.as_ptr();
        // SAFETY: ours alone.
        unsafe { ffi::avcodec_free_context(&raw mut raw) };
    }
}
