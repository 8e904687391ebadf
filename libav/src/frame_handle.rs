//! libav's frame with an owner. Not a picture: see `decode::pixels` for what crosses over.

use crate::error::{Error, Result};
use crate::sys::ffi;
use std::ptr::NonNull;

/// Owns an `AVFrame` and the references to buffers in it.
pub(crate) struct FrameHandle(NonNull<ffi::AVFrame>);

// SAFETY: one owner; buffers shared with libav have atomic reference counts.
unsafe impl Send for FrameHandle {}

impl FrameHandle {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: no precondition; null is checked.
        NonNull::new(unsafe { ffi::av_frame_alloc() })
            .map(Self)
            .ok_or(Error::OutOfMemory)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVFrame {
        self.0.as_ptr()
    }

    pub(crate) fn clear(&mut self) {
        // SAFETY: ours and valid.
        unsafe { ffi::av_frame_unref(self.0.as_ptr()) };
    }
}

impl Drop for FrameHandle {
    fn drop(&mut self) {
        let mut frame = self.0.as_ptr();
        // SAFETY: made by `av_frame_alloc`, owned by us.
        unsafe { ffi::av_frame_free(&raw mut frame) };
    }
}
