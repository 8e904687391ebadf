//! Jobs as the store keeps them.

use crate::{Failure, JobId, TenantId, TitleId};
use serde::{Deserialize, Serialize};

/// Where a job is. The last four are final.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The probe reads the source.
    Probing,
    /// Pictures, sound, text and images are made and checked.
    Processing,
    /// Flagged by quality control: waits for a person.
    Review,
    /// Files are written and verified.
    Packaging,
    /// The catalog points to it.
    Published,
    /// Refused by quality control or by a person.
    Rejected,
    /// Ended by a failure.
    Failed,
    /// Ended by a person.
    Cancelled,
}

impl Phase {
    /// Every phase in order.
    pub const ALL: [Self; 8] = [
        Self::Probing,
        Self::Processing,
        Self::Review,
        Self::Packaging,
        Self::Published,
        Self::Rejected,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether nothing more will happen by itself.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            Self::Published | Self::Rejected | Self::Failed | Self::Cancelled
        )
    }

    /// Whether a step of a job's life may lead from here to `to`; to itself where a step adds tasks. None
    /// leads out of a final phase: a revival is no step.
    pub const fn leads_to(self, to: Self) -> bool {
        use Phase::{
            Cancelled, Failed, Packaging, Probing, Processing, Published, Rejected, Review,
        };
        match self {
            Probing => matches!(to, Probing | Processing | Failed | Cancelled),
            Processing => matches!(
                to,
                Processing | Review | Packaging | Rejected | Failed | Cancelled
            ),
            Review => matches!(to, Packaging | Rejected | Failed | Cancelled),
            Packaging => matches!(to, Packaging | Published | Failed | Cancelled),
            Published | Rejected | Failed | Cancelled => false,
        }
    }

    /// The name on the wire and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probing => "probing",
            Self::Processing => "processing",
            Self::Review => "review",
            Self::Packaging => "packaging",
            Self::Published => "published",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Phase {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|phase| phase.as_str() == text)
            .ok_or_else(|| format!("{text:?} is not a phase"))
    }
}

/// How urgent a job is among those of its tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Urgency {
    /// 0 (last) to 100 (first).
    pub priority: u8,
    /// When it should be published, in milliseconds since 1970: among jobs of one priority, the earliest
    /// comes first, and those without a deadline last.
    #[serde(default)]
    pub deadline_ms: Option<u64>,
}

impl Urgency {
    /// Of this priority, without a deadline.
    pub const fn of(priority: u8) -> Self {
        Self {
            priority,
            deadline_ms: None,
        }
    }

    /// Whether work for this job may take the place of work for the other, which is under way.
    pub fn overtakes(self, other: Self) -> bool {
        let late = |urgency: Self| urgency.deadline_ms.unwrap_or(u64::MAX);
        self.priority > other.priority
            || (self.priority == other.priority && late(self) < late(other))
    }
}

/// What a person changed of a job: the ticket stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steering {
    /// How urgent it is.
    pub urgency: Urgency,
    /// Whether it is paused.
    pub paused: bool,
}

/// A job to be added to the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewJob {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The title.
    pub title: TitleId,
    /// Name of the profile.
    pub profile: String,
    /// Where the source is.
    pub source_url: String,
    /// How urgent it is.
    #[serde(flatten)]
    pub urgency: Urgency,
    /// Chunks of it that may be held at a time; any number when `None`.
    #[serde(default)]
    pub held_max: Option<u32>,
    /// Trace of the submitter, may be empty.
    pub traceparent: String,
}

/// A job as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Its id.
    pub id: JobId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The title.
    pub title: TitleId,
    /// Name of the profile.
    pub profile: String,
    /// Where the source is.
    pub source_url: String,
    /// How urgent it is.
    #[serde(flatten)]
    pub urgency: Urgency,
    /// Chunks of it that may be held at a time; any number when `None`.
    #[serde(default)]
    pub held_max: Option<u32>,
    /// Whether a person paused it: nothing of it is granted or claimed.
    #[serde(default)]
    pub paused: bool,
    /// Trace of the submitter, may be empty.
    pub traceparent: String,
    /// Where it is.
    pub phase: Phase,
    /// The phase it failed in, to which a retry leads back.
    pub failed_in: Option<Phase>,
    /// Raised by every change of the job or of its tasks, and starts above those of a lost store.
    pub version: u64,
    /// Why it failed or was rejected.
    pub failure: Option<Failure>,
    /// Version of the title that it published or fills, 0 for none yet.
    pub title_version: u32,
    /// When it was accepted, in milliseconds since 1970.
    pub accepted_at_ms: u64,
    /// When it last changed.
    pub changed_at_ms: u64,
    /// Units of all tasks known so far.
    pub units: u32,
    /// Units that are committed.
    pub units_done: u32,
}

/// Which jobs a listing shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobFilter {
    /// Of one tenant.
    pub tenant: Option<TenantId>,
    /// Of one title.
    pub title: Option<TitleId>,
    /// In one of these phases; all when empty.
    pub phases: Vec<Phase>,
}

/// One page of a listing, newest job first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobPage {
    /// The jobs.
    pub jobs: Vec<JobRecord>,
    /// Give this back to get the next page; empty at the end, and only there: a page without jobs may have
    /// a next one.
    pub next: String,
}

/// The person's answer to a flagged title.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAnswer {
    /// Publish it.
    Approve,
    /// Do not.
    Reject,
}
