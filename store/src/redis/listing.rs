//! Listing jobs, a part at a time.

use super::RedisStore;
use super::wire::{self, Fields};
use crate::error::Result;
use crate::page::{self, LOOKS_MAX};
use model::job::{JobFilter, JobPage, JobRecord, Phase};
use redis::Value;

/// Jobs that one script looks at: bounds how long it keeps other operations waiting.
const LOOK_MAX: usize = 256;

/// Scripts that one page takes.
const SCRIPTS_MAX: usize = LOOKS_MAX / LOOK_MAX;

impl RedisStore {
    /// A page of the listing, in as many looks as it takes, within bounds.
    pub(super) async fn job_page(
        &self,
        filter: &JobFilter,
        below: &str,
        limit: u32,
    ) -> Result<JobPage> {
        page::parse(below)?;
        let wanted = limit as usize + 1;
        let mut found: Vec<(u64, JobRecord)> = Vec::new();
        let mut below = below.to_owned();
        for _ in 0..SCRIPTS_MAX {
            let listing = self.listing(filter, &below, wanted - found.len()).await?;
            found.extend(listing.1);
            below = listing.0;
            if found.len() == wanted || below.is_empty() {
                break;
            }
        }
        if found.len() == wanted {
            found.truncate(limit as usize);
            let last = found.last().map(|(number, _)| number.to_string());
            below = last.unwrap_or_default();
        }
        Ok(JobPage {
            next: below,
            jobs: found.into_iter().map(|(_, record)| record).collect(),
        })
    }

    /// One look at a part of the listing: where the next part starts, and what fits in this one.
    async fn listing(
        &self,
        filter: &JobFilter,
        below: &str,
        wanted: usize,
    ) -> Result<(String, Vec<(u64, JobRecord)>)> {
        let phases: Vec<&str> = filter
            .phases
            .iter()
            .map(|phase| Phase::as_str(*phase))
            .collect();
        let phases = match phases.join(" ") {
            names if names.is_empty() => names,
            names => format!(" {names} "),
        };
        let tenant = filter.tenant.as_ref().map_or("", |tenant| tenant.as_str());
        let title = filter.title.as_ref().map_or("", |title| title.as_str());
        let arguments = [
            below.to_owned(),
            wanted.to_string(),
            LOOK_MAX.to_string(),
            tenant.to_owned(),
            title.to_owned(),
            phases,
            u8::from(page::is_of_open(filter)).to_string(),
        ];
        let answer: Vec<Value> = self.connection.run(&self.scripts.jobs, &arguments).await?;
        let mut parts = answer.into_iter();
        let next = parts.next().unwrap_or(Value::Nil);
        let next = redis::from_redis_value(next).map_err(|error| wire::corrupt("jobs", error))?;
        let mut jobs = Vec::new();
        for part in parts {
            let fields = redis::from_redis_value::<Fields>(part);
            jobs.push(wire::job(
                &fields.map_err(|error| wire::corrupt("jobs", error))?,
            )?);
        }
        Ok((next, jobs))
    }
}
