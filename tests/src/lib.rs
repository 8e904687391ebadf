//! The harness of the whole-farm tests: real programs, a real Redis, real clips, all private to one
//! test. It knows how to start things and how to wait for them, and nothing about what the farm
//! does; what is asserted stands in `tests/tests/`.
//!
//! Every wait has a bound, and everything started dies with the value that stands for it.

mod boxes;
mod browser;
mod clip;
mod disk;
mod farm;
mod http;
mod json;
mod magpie;
mod place;
mod process;
mod redis;
mod sentinels;
pub mod sources;
mod title;
mod tool;
mod wait;

pub use boxes::without_video_samples;
pub use browser::Browser;
pub use clip::Clip;
pub use disk::Disk;
pub use farm::{Farm, hashes};
pub use http::{Request, Response};
pub use json::{at, lines_of_json, read_json};
pub use magpie::{Finished, Magpie, magpie_path};
pub use place::{Place, free_address};
pub use process::Process;
pub use redis::Redis;
pub use sentinels::Sentinels;
pub use title::{Published, Title, listed, published, wait_for_the_end, wait_for_units};
pub use tool::{require, skip};
pub use wait::wait_until;
