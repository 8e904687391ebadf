//! All chance of a run, from its seed: SplitMix64 (Steele, Lea and Flood 2014), and the few
//! distributions that a farm's world needs. A stream can be split by a name, so that a new draw in one
//! place does not move those of all others.

use std::cell::Cell;
use std::hash::Hasher;
use std::rc::Rc;

/// A stream of random numbers; clones draw from the same stream.
#[derive(Clone)]
pub(crate) struct Random(Rc<Cell<u64>>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rc::new(Cell::new(seed)))
    }

    /// A stream of its own that depends on the seed and the name alone.
    pub(crate) fn named(seed: u64, name: &str) -> Self {
        let mut hash = Fnv::default();
        hash.write(&seed.to_le_bytes());
        hash.write(name.as_bytes());
        Self::new(hash.finish())
    }

    pub(crate) fn bits(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mut bits = state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// At least 0, below 1.
    pub(crate) fn unit(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn strikes(&self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// `low` and `high` included.
    pub(crate) fn between(&self, low: u64, high: u64) -> u64 {
        low + self.bits() % (high - low + 1)
    }

    pub(crate) fn real(&self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Log-normal with mean 1, by Box and Muller (1958).
    pub(crate) fn log_normal(&self, spread: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.unit()).cos();
        (spread * normal - spread * spread / 2.0).exp()
    }

    /// Pareto with scale 1: at least 1, mean `shape / (shape - 1)`.
    pub(crate) fn pareto(&self, shape: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / shape)
    }
}

/// FNV-1a, 64 bits: the same on every host and in every version, unlike the standard hasher.
#[derive(Debug, Clone)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
