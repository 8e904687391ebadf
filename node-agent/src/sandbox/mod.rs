//! Confinement of workers. `confine` is what a worker does to itself before it reads its first
//! message, `process` is how the agent starts, watches and buries one, `spares` keeps some waiting.
//!
//! Nothing happens between fork and exec, so the agent needs no unsafe code to start a worker: the
//! socket is the worker's standard input and everything else it does to itself.

mod confine;
mod exit;
#[cfg(debug_assertions)]
pub(crate) mod misbehave;
mod process;
mod spares;
mod spawner;
mod syscalls;

pub(crate) use confine::{Confinement, Proof, confine};
pub(crate) use exit::Killed;
pub(crate) use process::WorkerProcess;
pub(crate) use spares::Spares;
pub(crate) use spawner::Spawner;
pub use spawner::WorkerProgram;
