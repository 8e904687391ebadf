//! When the C library gives freed memory back to the kernel. Not a pool: nothing here hands memory out.
//!
//! The fact to know: glibc raises the size from which an allocation gets pages of its own each time that such
//! pages are freed. Encoders come and go with their segments, so soon all their pictures lie in heaps,
//! between what lives longer, and freed ones stay resident: a tenth more memory for a ladder up
//! to 1080 lines.

/// Allocations from this size on get pages of their own, which are gone when they are freed.
#[cfg(target_env = "gnu")]
const OWN_PAGES_BYTES: libc::c_int = 1 << 20;

/// Makes large allocations of this process return to the kernel when they are freed. Does nothing where the C
/// library has no such setting.
pub fn return_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: `mallopt` takes plain numbers; one that it refuses changes nothing.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, OWN_PAGES_BYTES);
    }
}
