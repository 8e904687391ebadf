//! Notices that wait for their receivers: what is kept of them and how many. Each receiver has a queue of
//! its own with one delivery under way at a time, so one that is dead holds up nobody but itself.

use model::JobId;
use serde::{Deserialize, Serialize};

/// Notices that may wait in all; with two kilobytes each they fill forty megabytes.
pub(crate) const NOTICES_MAX: usize = 20_000;

/// Notices that may wait for one receiver: a receiver that is away for some hours finds them all.
pub(crate) const RECEIVER_NOTICES_MAX: usize = 1_000;

/// Something to tell somebody about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The job that it is about.
    pub job: JobId,
    /// Version of the job. One that was posted is not posted again, nor is an older one.
    pub version: u64,
    /// Whose queue it waits in.
    pub receiver: String,
    /// Where it is sent.
    pub url: String,
    /// What is sent.
    pub body: String,
}

/// Answer to [`crate::Store::post`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It waits for its receiver.
    New,
    /// This version of the job or a later one was posted before; nothing was changed.
    Known,
    /// Too many wait, for this receiver or in all; nothing was changed.
    Full,
}

/// The first notice of a receiver, held for a moment by one caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The notice.
    pub notice: Notice,
    /// When it was posted, in milliseconds since 1970.
    pub posted_at_ms: u64,
    /// How often in a row the receiver was put off.
    pub failures: u32,
}
