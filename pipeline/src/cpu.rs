//! How much of the processor is used. Pictures are integer arithmetic and never change with it; for
//! sound, and for decoders that are not exact by specification, libav is pinned to a baseline.
//!
//! Process-wide, because libav's flags are: a worker sets the cap once, before anything is opened.

use crate::error::{InStage, Result};
use frame::ops::CpuLevel;
use libav::{CpuBaseline, CpuLimit};
use std::sync::OnceLock;

static LEVEL: OnceLock<CpuLevel> = OnceLock::new();

/// Decoders whose output is exact by specification, whatever instructions they use.
const EXACT_DECODERS: [&str; 5] = ["h264", "hevc", "vp8", "vp9", "av1"];

/// Caps what the resizer and libav may use. The first call of a process holds; gives back whether it
/// was this one. Exists for tests of equal bytes and for suspecting a processor.
pub fn cap_cpu(level: CpuLevel) -> bool {
    let is_first = LEVEL.set(level).is_ok();
    if is_first {
        libav::limit_cpu_flags(match level {
            CpuLevel::None => CpuLimit::Scalar,
            CpuLevel::Sse42 => CpuLimit::Sse42,
            CpuLevel::Avx2 | CpuLevel::Best => CpuLimit::None,
        });
    }
    is_first
}

/// The cap for picture operations.
pub(crate) fn level() -> CpuLevel {
    LEVEL.get().copied().unwrap_or_default()
}

/// Pins libav's float code to the farm's baseline.
pub(crate) fn pin() -> Result<()> {
    if level() == CpuLevel::None {
        return Ok(());
    }
    libav::pin_cpu_flags(CpuBaseline::of_this_architecture()).in_stage("cpu")
}

/// Pins for decoders that may round differently with other instructions.
pub(crate) fn pin_for_video(codec: &str) -> Result<()> {
    if EXACT_DECODERS.contains(&codec) {
        return Ok(());
    }
    pin()
}
