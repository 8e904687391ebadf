//! The words of the farm: ids, media time, source, profile, ladder, grid, plan, job, task, lease,
//! node, failure, facts. No I/O, no async, no clock: every function here is a pure function of
//! its arguments, so that the planner, the simulation and the tests share one truth.

pub mod failure;
pub mod id;
pub mod time;

pub mod frame_map;
pub mod grid;
pub mod hdr;
pub mod profile;
pub mod rendition;
pub mod source;

pub mod job;
pub mod node;
pub mod plan;
pub mod task;
pub mod work;

pub mod catalog;
pub mod content_key;
pub mod facts;
pub mod layout;
pub mod memory;
pub mod qc;

pub use failure::{Failure, FailureKind};
pub use id::{ChunkId, InvalidId, JobId, NodeId, TaskId, TaskName, TenantId, TitleId};
pub use time::Rational;
