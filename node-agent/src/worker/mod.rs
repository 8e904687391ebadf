//! Workers: the one-shot processes that parse and decode sources. `wire` and `message` are what is
//! spoken over the socket, `child` is the worker's side, `session` the agent's.
//!
//! The two sides do not trust each other equally: the agent bounds, checks and hashes everything that
//! a worker says, and a worker believes its agent.

mod child;
pub(crate) mod message;
pub(crate) mod patience;
pub(crate) mod queue;
mod ranges;
pub(crate) mod session;
pub(crate) mod wire;
mod work;

pub use child::main;
