//! Inventory, slots, the lease loop, tasks, sandboxed workers and transfer.
//!
//! Two trusts meet here. The agent talks to a scheduler and to storage and never parses media; a
//! worker parses media in a process of its own that can reach neither. The one fact to know: the
//! worker is this same executable, so `worker::main` must run before any runtime or thread starts.

#![deny(unsafe_code)]

mod config;
mod error;
mod inventory;

mod sandbox;
pub mod worker;

mod agent;
mod notify;

mod spot;

mod tasks;
mod transfer;
#[cfg(debug_assertions)]
pub mod trial;

pub use agent::{Agent, Event, Observer, Shutdown, prove_sandbox};
pub use config::{Config, CpuLevel, Limits, Sandbox};
pub use error::{Error, Result};
pub use inventory::{ladders_for, node_info, slots_for};
pub use sandbox::WorkerProgram;
pub use spot::{Cloud, SpotNotice};
