//! The benchmark harness: Magpie and its peers in the same run, alternately, on the same machine. It
//! reports ratios; absolute figures are kept with the description of the machine that made them.

mod machine;
mod measure;
pub mod peers;
mod quality;
mod report;

pub use measure::Measured;
pub use report::{Report, Row};
