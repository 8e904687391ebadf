//! The pages of a job listing: what a page token means and which jobs a filter lets through.
//! A token is the number of the last job that was shown or looked at; numbers only grow, so a page stays where it
//! is while new jobs arrive.

use crate::error::{Error, Result};
use model::job::{JobFilter, JobRecord};

/// Jobs that are looked at for one page: bounds what a filter costs that fits few of them.
pub(crate) const LOOKS_MAX: usize = 4_096;

/// Whether only jobs are asked for that have not ended. Those that have are then not looked at.
pub(crate) fn is_of_open(filter: &JobFilter) -> bool {
    !filter.phases.is_empty() && !filter.phases.iter().any(|one| one.is_final())
}

/// The number below which a page starts.
pub(crate) fn parse(page: &str) -> Result<u64> {
    if page.is_empty() {
        return Ok(u64::MAX);
    }
    page.parse().map_err(|_| Error::Conflict {
        id: format!("{page:?}"),
        reason: "not a page of this listing".to_owned(),
    })
}

/// Whether a listing shows the job.
pub(crate) fn fits(filter: &JobFilter, job: &JobRecord) -> bool {
    let tenant = filter.tenant.as_ref();
    let title = filter.title.as_ref();
    tenant.is_none_or(|tenant| *tenant == job.tenant)
        && title.is_none_or(|title| *title == job.title)
        && (filter.phases.is_empty() || filter.phases.contains(&job.phase))
}
