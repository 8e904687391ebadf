//! Which vector instructions libav may use. Its float code (AAC, AC-3, resampling) rounds
//! differently with each, so a farm that promises equal bytes on every host pins one set.
//!
//! The one fact to know: libav picks its functions when a codec is opened. Pin at the start of the
//! process, before anything is opened, and never again.

use crate::error::{Error, Result};
use crate::sys::ffi;
use libc::c_int;
use std::sync::atomic::{AtomicI32, Ordering};

/// A set of instructions that every host of a farm has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CpuBaseline {
    /// No vector code at all: the same on every architecture's own compiler, and slow.
    Scalar,
    /// x86-64 up to SSE4.2: every server since 2008.
    Sse42,
    /// AArch64 with NEON, which all have.
    Neon,
}

impl CpuBaseline {
    /// The baseline of the architecture that this program was built for.
    pub const fn of_this_architecture() -> Self {
        if cfg!(target_arch = "x86_64") {
            Self::Sse42
        } else if cfg!(target_arch = "aarch64") {
            Self::Neon
        } else {
            Self::Scalar
        }
    }

    /// The name that plans pin.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Sse42 => "sse4.2",
            Self::Neon => "neon",
        }
    }
}

/// How much of the processor libav may see, for tests of the pinning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CpuLimit {
    /// Everything.
    None,
    /// x86-64 up to AVX, without AVX2 and FMA.
    Avx,
    /// x86-64 up to SSE4.2.
    Sse42,
    /// Nothing.
    Scalar,
}

const SSE42: c_int = ffi::AV_CPU_FLAG_MMX
    | ffi::AV_CPU_FLAG_MMXEXT
    | ffi::AV_CPU_FLAG_CMOV
    | ffi::AV_CPU_FLAG_SSE
    | ffi::AV_CPU_FLAG_SSE2
    | ffi::AV_CPU_FLAG_SSE3
    | ffi::AV_CPU_FLAG_SSSE3
    | ffi::AV_CPU_FLAG_SSE4
    | ffi::AV_CPU_FLAG_SSE42;

const NEON: c_int = ffi::AV_CPU_FLAG_ARMV8 | ffi::AV_CPU_FLAG_NEON;

static LIMIT: AtomicI32 = AtomicI32::new(-1);

/// Makes libav use exactly the instructions of a baseline from now on, on whatever processor.
/// Refused where the processor lacks them.
pub fn pin_cpu_flags(baseline: CpuBaseline) -> Result<()> {
    let is_x86 = cfg!(target_arch = "x86_64");
    let (flags, is_here) = match baseline {
        CpuBaseline::Scalar => (0, true),
        CpuBaseline::Sse42 => (SSE42, is_x86),
        CpuBaseline::Neon => (NEON, cfg!(target_arch = "aarch64")),
    };
    if !is_here || visible_flags() & flags != flags {
        return Err(Error::unsupported(format!(
            "cpu baseline {}",
            baseline.as_str()
        )));
    }
    force(flags);
    Ok(())
}

/// Hides instructions from libav, as if the processor had none beyond the limit. For tests; undoes
/// a pinning.
pub fn limit_cpu_flags(limit: CpuLimit) {
    let mask = match limit {
        CpuLimit::None => -1,
        CpuLimit::Avx => SSE42 | ffi::AV_CPU_FLAG_AVX | ffi::AV_CPU_FLAG_AESNI,
        CpuLimit::Sse42 => SSE42,
        CpuLimit::Scalar => 0,
    };
    LIMIT.store(mask, Ordering::SeqCst);
    force(visible_flags());
}

fn visible_flags() -> c_int {
    // SAFETY: -1 stands for detection; both functions take any value at any time.
    let detected = unsafe {
        ffi::av_force_cpu_flags(-1);
        ffi::av_get_cpu_flags()
    };
    detected & LIMIT.load(Ordering::SeqCst)
}

fn force(flags: c_int) {
    // SAFETY: as above; the flags are a subset of what the processor has.
    unsafe { ffi::av_force_cpu_flags(flags) };
}
