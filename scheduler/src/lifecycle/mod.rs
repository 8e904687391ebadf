//! What happens next to a job. [`decide`] is pure and level-triggered: it looks at how things are and
//! never at what happened, so it may be asked at any time, by any replica, as often as one likes.

mod decide;
mod tasks;
mod view;

pub use decide::{Action, decide};
pub use tasks::{of_plan, of_version, probe};
pub use view::{JobView, TaskView};

#[cfg(test)]
mod tests;
