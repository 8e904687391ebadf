//! Notices that wait for their receivers: what is kept of them and how many. Each receiver has a queue of
//! its own with one delivery under way at a time, so one that is dead holds up nobody but itself.

use model::JobId;
use serde::{Deserialize, Serialize};

/// Notices that may wait in all; with two kilobytes each they fill forty megabytes.
pub(crate) const NOTICES_MAX: usize = 20_000;

/// Notices that may wait for all receivers of one tenant: no tenant alone can fill the store for the
/// others by naming many receivers. Four can, and nothing checks whose name a submission bears; until
/// there is room again, notices that tell of no end are dropped and ends are told late.
pub(crate) const TENANT_NOTICES_MAX: usize = 5_000;

/// Notices that may wait for one receiver: a receiver that is away for some hours finds them all.
pub(crate) const RECEIVER_NOTICES_MAX: usize = 1_000;

/// Something to tell somebody about a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The job that it is about.
    pub job: JobId,
    /// Version of the job. One that was posted is not posted again, nor is an older one.
    pub version: u64,
    /// Whose queue it waits in. Up to its first space it is the name of the tenant.
    pub receiver: String,
    /// Whether it tells of the end of the job: then it takes the place of one that does not, where its
    /// receiver has no room.
    #[serde(default)]
    pub ends: bool,
    /// Where it is sent.
    pub url: String,
    /// What is sent.
    pub body: String,
}

/// The tenant whose receiver it is.
pub(crate) fn tenant_of(receiver: &str) -> &str {
    receiver.split(' ').next().unwrap_or_default()
}

/// Answer to [`crate::Store::post`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It waits for its receiver.
    New,
    /// This version of the job or a later one was posted before; nothing was changed.
    Known,
    /// Too many wait, for this receiver, for its tenant or in all, and if this one tells of an end, then
    /// so do those of this receiver. Nothing was changed, so that it can be posted later.
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
