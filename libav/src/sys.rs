//! What the bindings lack or get wrong for dynamic linking. Not a wrapper: the rest of the crate
//! calls `ffi` directly.
//!
//! The bindings turn C enums into Rust enums. A newer FFmpeg than the headers may put a value into
//! such a field that the Rust enum does not have, and reading it would be undefined behaviour. So
//! enum fields are read as integers with [`raw`], and functions that take a value which we only
//! pass on are declared here with integers.

pub(crate) use ffmpeg_sys_next as ffi;

use libc::{c_char, c_int};
use std::ffi::CStr;

unsafe extern "C" {
    pub(crate) fn avcodec_get_name(codec: c_int) -> *const c_char;
    pub(crate) fn avcodec_find_decoder(codec: c_int) -> *const ffi::AVCodec;
    pub(crate) fn av_get_pix_fmt_name(format: c_int) -> *const c_char;
    pub(crate) fn av_pix_fmt_desc_get(format: c_int) -> *const ffi::AVPixFmtDescriptor;
    pub(crate) fn av_channel_layout_channel_from_index(
        layout: *const ffi::AVChannelLayout,
        index: libc::c_uint,
    ) -> c_int;
    pub(crate) fn avcodec_descriptor_get(codec: c_int) -> *const ffi::AVCodecDescriptor;
}

/// Reads an enum-typed field through a raw pointer as the integer that it is in C.
macro_rules! raw {
    ($pointer:expr, $field:ident) => {
        (&raw const (*$pointer).$field).cast::<libc::c_int>().read()
    };
}
pub(crate) use raw;

/// The text at a C string; empty for null.
///
/// # Safety
/// `text` is null or points to a string that ends with a zero and outlives the call.
pub(crate) unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: not null, and the caller promises the rest.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// libav's words for an error code.
pub(crate) fn error_text(code: c_int) -> String {
    let mut buffer = [0 as c_char; 128];
    // SAFETY: the buffer is as long as said, and `av_strerror` always ends it with a zero.
    unsafe {
        ffi::av_strerror(code, buffer.as_mut_ptr(), buffer.len());
        text(buffer.as_ptr())
    }
}

/// A timestamp, where libav has one.
pub(crate) fn timestamp(value: i64) -> Option<i64> {
    (value != ffi::AV_NOPTS_VALUE).then_some(value)
}

/// libav's fraction as ours; `None` where it has none.
pub(crate) fn rational(value: ffi::AVRational) -> Option<model::Rational> {
    model::Rational::new(i64::from(value.num), i64::from(value.den))
        .filter(|fraction| fraction.num() > 0)
}
