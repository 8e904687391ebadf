//! One packet as a container holds it. Its bytes belong to libav and are counted by reference, so
//! a packet is cheap to move between threads.

use crate::error::{Error, Result};
use crate::sys::{self, ffi};
use std::ptr::NonNull;
use std::slice;

/// Compressed data of one stream, with its times in ticks of the stream's time base.
pub struct Packet {
    raw: NonNull<ffi::AVPacket>,
}

// SAFETY: a packet has one owner; what it shares with libav are buffers whose reference counts
// are atomic and whose bytes nobody writes.
unsafe impl Send for Packet {}

impl Packet {
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: no precondition; null is checked.
        NonNull::new(unsafe { ffi::av_packet_alloc() })
            .map(|raw| Self { raw })
            .ok_or(Error::OutOfMemory)
    }

    pub(crate) fn as_ptr(&self) -> *mut ffi::AVPacket {
        self.raw.as_ptr()
    }

    fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: the packet was allocated in `new` and is freed in `drop`; it has no enum field.
        unsafe { self.raw.as_ref() }
    }

    /// Index of its stream.
    pub fn stream(&self) -> u32 {
        u32::try_from(self.raw().stream_index).unwrap_or_default()
    }

    /// Presentation time.
    pub fn pts(&self) -> Option<i64> {
        sys::timestamp(self.raw().pts)
    }

    /// Decode time.
    pub fn dts(&self) -> Option<i64> {
        sys::timestamp(self.raw().dts)
    }

    /// Duration; 0 where unknown.
    pub fn duration(&self) -> i64 {
        self.raw().duration
    }

    /// Whether the container says that decoding may start here.
    pub fn is_key(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY != 0
    }

    /// Whether it only serves to decode others: an edit list hides what it shows. It must be sent
    /// to the decoder, which then gives no picture for it.
    pub fn is_discard(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_DISCARD != 0
    }

    /// Whether the container knows that its data is damaged or incomplete.
    pub fn is_corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT != 0
    }

    /// Number of bytes.
    pub fn size(&self) -> usize {
        usize::try_from(self.raw().size).unwrap_or_default()
    }

    /// Offset in the source; `None` where the container does not tell.
    pub fn position(&self) -> Option<u64> {
        u64::try_from(self.raw().pos).ok()
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        let raw = self.raw();
        if raw.data.is_null() {
            return &[];
        }
        // SAFETY: libav's packets hold `size` readable bytes at `data` as long as they live.
        unsafe { slice::from_raw_parts(raw.data, self.size()) }
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        let mut raw = self.raw.as_ptr();
        // SAFETY: allocated by `av_packet_alloc` and owned by us alone.
        unsafe { ffi::av_packet_free(&raw mut raw) };
    }
}
