//! Listing jobs, a part at a time.

use super::RedisStore;
use super::wire::{self, Fields};
use crate::error::Result;
use model::job::{JobFilter, JobRecord, Phase};
use redis::Value;

/// Jobs that one script looks at: bounds how long it keeps other operations waiting.
const LOOK_MAX: usize = 256;

impl RedisStore {
    /// One look at a part of the listing: where the next part starts, and what fits in this one.
    pub(super) async fn listing(
        &self,
        filter: &JobFilter,
        below: &str,
        wanted: usize,
    ) -> Result<(String, Vec<(u64, JobRecord)>)> {
        let is_live = !filter.phases.is_empty() && !filter.phases.iter().any(|one| one.is_final());
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
            u8::from(is_live).to_string(),
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
