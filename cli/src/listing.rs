//! Jobs of a listing, through its pages: one may be short, or empty, and have a next one.

use crate::connect::{Client, explain};
use proto::v1::{Job, ListJobsRequest};

/// Most jobs that a scheduler gives in one page.
const PAGE_MAX: u32 = 500;

/// The first jobs that a request asks for, at most so many.
pub async fn jobs(
    client: &mut Client,
    mut request: ListJobsRequest,
    limit: u32,
) -> anyhow::Result<Vec<Job>> {
    let mut jobs = Vec::new();
    loop {
        let left = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        if left == 0 {
            return Ok(jobs);
        }
        request.page_size = left.min(PAGE_MAX);
        let answer = client.list_jobs(request.clone()).await;
        let page = answer.map_err(|s| explain(&s))?.into_inner();
        jobs.extend(page.jobs);
        if page.next_page_token.is_empty() {
            return Ok(jobs);
        }
        request.page_token = page.next_page_token;
    }
}
