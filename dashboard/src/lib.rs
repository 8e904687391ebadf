//! The web page, its live feed and the built-in origin. It reads what the scheduler and storage hold
//! and asks the scheduler for what a person wants done; it decides nothing itself.

mod assets;
mod live;
mod origin;
mod player;
mod reviews;
mod snapshot;
mod strip;

pub use live::farm;
pub use player::titles;
