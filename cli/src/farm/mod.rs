//! Putting the farm together: the rooms as one process, or as services on addresses.

pub mod in_process;
pub mod listen;
pub mod redis_child;
pub mod signals;
pub mod systemd;
