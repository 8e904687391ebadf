//! The scheduler as the world sees it: a memory store, storage in memory, the gRPC services over a
//! stream inside the process, and scripted nodes that speak the protocol and make nothing.

// Clippy lets tests unwrap, and does not count what tests call.
#![allow(clippy::unwrap_used)]

mod at_hand;
mod ends;
mod faults;
mod harness;
mod keda;
mod life;
mod node;
mod publishing;
mod reflection;
mod renewals;
mod steering;
mod stranded;
mod webhook;
