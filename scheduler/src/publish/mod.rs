//! Publishing: versions and the catalog. Only a scheduler writes here, and only one small object
//! decides what viewers get, so publishing and rolling back are the same write.

mod catalog;
mod outcome;
mod owner;
mod version;

pub use catalog::{list, publish, rollback, title};
pub use outcome::{Outcome, Settled, outcome, reopen, settle};
pub use owner::{Claimed, check_owner, claim, give_back, keep};
pub use version::reserve;
