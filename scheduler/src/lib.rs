//! The scheduler: policy, lifecycle, driver, reaper and the gRPC services. It never sees a media byte:
//! nodes make, package and verify; a scheduler decides, and it alone writes the catalog. Replicas hold
//! no state that matters, so any of them may be asked anything.

pub mod config;
pub mod error;
pub mod handle;
pub mod lifecycle;
pub mod policy;
pub mod publish;
pub mod webhook;

mod driver;
mod farm;
mod losses;
mod metrics;
mod reaper;
mod recover;
mod retire;
mod scheduler;
mod service;
mod stranded;

pub use config::{Config, Limits, Secret};
pub use error::{Error, Result};
pub use handle::{Accepted, Capacity, Handle, JobDetail, PlanSummary, Submission};
pub use recover::{Epoch, Recovered, Survey, current_epoch, raise_epoch};
pub use scheduler::Scheduler;
