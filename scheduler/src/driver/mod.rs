//! The driver: takes jobs that changed, decides, performs, settles. Several replicas may run it: the
//! store hands a job to one at a time, and every action may be done twice.

mod attend;
mod look;
mod perform;
mod trouble;
mod turn;

pub(crate) use perform::{cancellation, report};
pub(crate) use trouble::Troubles;
pub(crate) use turn::run;
