//! Decisions as pure functions: no async, no clock, no store. Times and random numbers enter as
//! arguments, so that the simulation, the tests and the farm decide alike.

pub mod admission;
pub mod capacity;
pub mod fleet;
pub mod plan;
pub mod retry;
