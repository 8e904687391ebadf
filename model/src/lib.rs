//! The words of the farm: ids, media time, source, profile, ladder, grid, plan, job, task, lease,
//! node, failure, facts. No I/O, no async, no clock: every function here is a pure function of
//! its arguments, so that the planner, the simulation and the tests share one truth.

pub mod id;
pub mod time;
pub mod failure;

pub mod source;
pub mod profile;
pub mod rendition;
pub mod grid;
pub mod frame_map;

pub mod plan;
pub mod task;
pub mod job;
pub mod node;

pub mod facts;
pub mod qc;
pub mod catalog;
pub mod content_key;
pub mod layout;

pub use failure::{Failure, FailureKind};
pub use id::{ChunkId, InvalidId, JobId, NodeId, TaskId, TaskName, TenantId, TitleId};
pub use time::Rational;
