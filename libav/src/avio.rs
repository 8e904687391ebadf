//! A byte source as libav's I/O context. Not buffered beyond libav's own buffer.
//!
//! An error of the source is kept here, because libav's demuxers turn many read errors into an
//! ordinary end of file: the demuxer must ask [`Avio::take_error`] after every call.

use crate::byte_source::ByteSource;
use crate::error::{Error, Result};
use crate::sys::ffi;
use libc::{c_int, c_void};
use std::io;
use std::ptr::NonNull;
use std::slice;

/// Size of libav's buffer: large enough that a range request to the parent process is worth its
/// round trip, small enough that a source with scattered tracks does not read everything twice.
const BUFFER_BYTES: usize = 128 * 1024;

struct State {
    source: Box<dyn ByteSource>,
    position: u64,
    length: u64,
    error: Option<(u64, io::Error)>,
}

/// Owns the I/O context and the source behind it.
pub(crate) struct Avio {
    context: NonNull<ffi::AVIOContext>,
    state: NonNull<State>,
}

// SAFETY: the context and the state are used by one thread at a time, because every use goes
// through the demuxer that owns them; `State` holds a source that is `Send`.
unsafe impl Send for Avio {}

impl Avio {
    pub(crate) fn new(source: Box<dyn ByteSource>) -> Result<Self> {
        let length = source.len();
        let state = Box::new(State {
            source,
            position: 0,
            length,
            error: None,
        });
        let state = NonNull::from(Box::leak(state));
        // SAFETY: the buffer comes from libav's allocator as it requires, and the state outlives
        // the context because both are freed in `drop`, the context first.
        let context = unsafe {
            let buffer = ffi::av_malloc(BUFFER_BYTES).cast::<u8>();
            ffi::avio_alloc_context(
                buffer,
                BUFFER_BYTES as c_int,
                0,
                state.as_ptr().cast(),
                Some(read),
                None,
                Some(seek),
            )
        };
        match NonNull::new(context) {
            Some(context) => Ok(Self { context, state }),
            None => {
                // SAFETY: nobody else has the state; it came from a box.
                drop(unsafe { Box::from_raw(state.as_ptr()) });
                Err(Error::OutOfMemory)
            }
        }
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVIOContext {
        self.context.as_ptr()
    }

    /// The first error of the source since the last call.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        // SAFETY: no call into libav is under way, so nobody else uses the state.
        let state = unsafe { self.state.as_mut() };
        state
            .error
            .take()
            .map(|(at, source)| Error::Source { at, source })
    }

    /// Where the next byte would come from.
    pub(crate) fn position(&self) -> u64 {
        // SAFETY: as in `take_error`.
        unsafe { self.state.as_ref() }.position
    }

    /// Number of bytes of the source.
    pub(crate) fn length(&self) -> u64 {
        // SAFETY: as in `take_error`.
        unsafe { self.state.as_ref() }.length
    }
}

impl Drop for Avio {
    fn drop(&mut self) {
        let mut context = self.context.as_ptr();
        // SAFETY: the demuxer drops its format context first, so nobody uses the I/O context any
        // more. libav may have replaced the buffer, so the one of the context is freed.
        unsafe {
            ffi::av_freep((&raw mut (*context).buffer).cast());
            ffi::avio_context_free(&raw mut context);
            drop(Box::from_raw(self.state.as_ptr()));
        }
    }
}

unsafe extern "C" fn read(opaque: *mut c_void, buffer: *mut u8, size: c_int) -> c_int {
    // SAFETY: the opaque pointer is the state given to the context, used by one thread at a time.
    let state = unsafe { &mut *opaque.cast::<State>() };
    let Ok(size) = usize::try_from(size) else {
        return -libc::EINVAL;
    };
    // libav keeps what it read before to seek back into it, also when it is told that there is no
    // more: its buffer must not be touched then.
    if state.error.is_none() && state.position >= state.source.len() {
        return ffi::AVERROR_EOF;
    }
    // SAFETY: libav gives a buffer of that size. It may be uninitialised, so it is cleared before
    // a reference to it is made.
    let buffer = unsafe {
        buffer.write_bytes(0, size);
        slice::from_raw_parts_mut(buffer, size)
    };
    if state.error.is_some() {
        return -libc::EIO;
    }
    loop {
        match state.source.read_at(state.position, buffer) {
            Ok(0) => return ffi::AVERROR_EOF,
            Ok(count) => {
                let count = count.min(size);
                state.position += count as u64;
                return c_int::try_from(count).unwrap_or(c_int::MAX);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                state.error = Some((state.position, error));
                return -libc::EIO;
            }
        }
    }
}

unsafe extern "C" fn seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `read`.
    let state = unsafe { &mut *opaque.cast::<State>() };
    let length = i64::try_from(state.length).unwrap_or(i64::MAX);
    let position = i64::try_from(state.position).unwrap_or(i64::MAX);
    let target = match whence & !(ffi::AVSEEK_FORCE as c_int) {
        whence if whence == ffi::AVSEEK_SIZE as c_int => return length,
        libc::SEEK_SET => Some(offset),
        libc::SEEK_CUR => position.checked_add(offset),
        libc::SEEK_END => length.checked_add(offset),
        _ => None,
    };
    match target.and_then(|target| u64::try_from(target).ok()) {
        Some(target) => {
            state.position = target;
            target as i64
        }
        None => i64::from(-libc::EINVAL),
    }
}
