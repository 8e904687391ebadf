//! What an operator decides about a node. Checked values only; files and flags are read by the
//! command line.

use crate::sandbox::WorkerProgram;
use model::NodeId;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
use storage::{SourceRoots, Storage};

/// How much confinement a worker must have before it may touch a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// All layers, proven at start; else no work.
    #[default]
    Strict,
    /// Whatever the host offers; what is missing is logged.
    BestEffort,
}

/// Highest instruction set that a worker uses. Output bytes do not depend on it; it exists to show
/// just that, and to take a processor's newest units out of suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CpuLevel {
    /// No vector instructions.
    None,
    /// Up to SSE4.2.
    Sse42,
    /// Up to AVX2.
    Avx2,
    /// All that the processor has.
    #[default]
    Best,
}

impl From<CpuLevel> for pipeline::CpuLevel {
    fn from(level: CpuLevel) -> Self {
        match level {
            CpuLevel::None => Self::None,
            CpuLevel::Sse42 => Self::Sse42,
            CpuLevel::Avx2 => Self::Avx2,
            CpuLevel::Best => Self::Best,
        }
    }
}

/// Bounds of one worker process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Address space of a worker. Not resident memory: encoders map far more than they touch.
    pub address_space_bytes: u64,
    /// Processor time of a worker, over all its threads: the backstop behind `stall`.
    pub cpu: Duration,
    /// A worker that makes no progress for so long is killed.
    pub stall: Duration,
    /// Highest instruction set that it uses.
    pub cpu_level: CpuLevel,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // A 2160p ladder with three encoders maps about 6 GiB.
            address_space_bytes: 16 << 30,
            // Four cores for two days: longer than any title takes on one slot.
            cpu: Duration::from_secs(8 * 24 * 3600),
            // An encoder says nothing while it empties its lookahead at the end of a segment: some
            // fifty pictures, which in AV1 at 2160p take seconds each. A hang is rarer than that.
            stall: Duration::from_secs(600),
            cpu_level: CpuLevel::Best,
        }
    }
}

/// Everything an agent needs to know.
#[derive(Clone)]
pub struct Config {
    /// Its id; must not be used by another agent at the same time.
    pub node: NodeId,
    /// Chunks at a time; `None` for [`crate::slots_for`] of this host.
    pub slots: Option<u32>,
    /// Memory that it may fill; `None` for all of this host's.
    pub memory_bytes: Option<u64>,
    /// Sources it may read.
    pub roots: SourceRoots,
    /// Storage to use instead of opening the URL that the scheduler names; for one process that is
    /// scheduler and node at once.
    pub storage: Option<Storage>,
    /// How workers are confined.
    pub sandbox: Sandbox,
    /// Bounds of a worker.
    pub limits: Limits,
    /// What is executed as a worker.
    pub program: WorkerProgram,
    /// How long one request for work waits at the scheduler, which looks for queued work and for some
    /// to steal as long as it waits.
    pub take_wait: Duration,
    /// Source blocks kept in memory, over all slots.
    pub cache_bytes: usize,
}

impl Config {
    /// The defaults of a farm host: strict sandbox, this executable as worker.
    pub fn new(node: NodeId, roots: SourceRoots) -> Self {
        Self {
            node,
            slots: None,
            memory_bytes: None,
            roots,
            storage: None,
            sandbox: Sandbox::Strict,
            limits: Limits::default(),
            program: WorkerProgram::this_executable(),
            take_wait: Duration::from_secs(20),
            cache_bytes: 64 << 20,
        }
    }

    /// Uses another executable as worker, which must call `worker::main` when its first argument is
    /// `worker`.
    pub fn with_program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = WorkerProgram::new(path);
        self
    }
}
