//! How much of the processor the vectorised paths may use. It never changes a result, only the
//! time; the cap exists for the parity tests and for suspecting a processor.

use fearless_simd::Level;

/// An upper bound on the instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CpuLevel {
    /// The plain twin: no vectorised path at all.
    None,
    /// SSE4.2 at most.
    Sse42,
    /// AVX2 at most.
    Avx2,
    /// Whatever the processor has: AVX-512, NEON, or one of the above.
    #[default]
    Best,
}

impl CpuLevel {
    /// Every level, lowest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Sse42, Self::Avx2, Self::Best];

    /// Whether this processor has the level itself, rather than only lower ones.
    pub fn is_available(self) -> bool {
        self == Self::None || self.exact().is_some()
    }

    /// The best that the processor has within the cap; `None` asks for the plain twin.
    pub(crate) fn simd(self) -> Option<Level> {
        match self {
            Self::None => None,
            Self::Sse42 | Self::Best => self.exact(),
            Self::Avx2 => self.exact().or_else(|| Self::Sse42.exact()),
        }
    }

    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    fn exact(self) -> Option<Level> {
        match self {
            Self::None => None,
            Self::Sse42 => Level::new().as_sse4_2().map(Level::Sse4_2),
            Self::Avx2 => Level::new().as_avx2().map(Level::Avx2),
            Self::Best => Some(Level::new()),
        }
    }

    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    fn exact(self) -> Option<Level> {
        (self == Self::Best).then(Level::new)
    }
}
