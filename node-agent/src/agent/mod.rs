//! The agent: registers, keeps its leases, and runs one chunk in each slot.

mod attempt;
mod event;
mod health;
mod heartbeat;
mod lease;
mod link;
mod memory;
mod run;
mod slot;

pub use event::{Event, Observer};
pub use run::{Agent, Shutdown, prove_sandbox};

pub(crate) use attempt::{Attempt, Stop};
pub(crate) use memory::{NoShare, Share, shared};
