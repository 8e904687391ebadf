//! Everything that can be asked of a scheduler, as functions: the gRPC services and the dashboard call
//! the same ones. Cheap to clone.

mod detail;
mod jobs;
mod nodes;
mod steering;
mod submit;
mod tenants;
mod titles;
mod work;

pub use crate::policy::admission::Submission;
pub use detail::{AudioSummary, JobDetail, PlanSummary, RenditionSummary};
pub use nodes::Capacity;
pub use submit::Accepted;
pub(crate) use tenants::restore as restore_tenants;
pub(crate) use work::WorkSeen;

use crate::farm::Farm;
use std::sync::Arc;

/// The way to a running scheduler.
#[derive(Clone)]
pub struct Handle {
    pub(crate) farm: Arc<Farm>,
}
