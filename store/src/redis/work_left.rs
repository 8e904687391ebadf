//! What is left to do of each open job, a part at a time.

use super::RedisStore;
use super::wire::{self, corrupt};
use crate::error::Result;
use crate::rules;
use model::TaskId;
use model::work::{JobWork, TaskLeft, WorkOf, WorkPage};
use redis::Value;

/// Jobs that one script looks at, each with its tasks: bounds how long it keeps other operations waiting.
const LOOK_MAX: usize = 64;

/// Id, title, phase, deadline, most held chunks, paused, tasks.
type JobAnswer = (
    String,
    String,
    String,
    String,
    String,
    String,
    Vec<TaskAnswer>,
);

/// Id, state, ids before it, units left, seconds of a unit, learned microseconds of one.
type TaskAnswer = (String, String, String, u32, String, String);

impl RedisStore {
    /// What is left of the jobs below `page`.
    pub(super) async fn open_work(&self, page: &str, limit: u32) -> Result<WorkPage> {
        crate::page::parse(page)?;
        let wanted = limit.max(1) as usize;
        let mut found = WorkPage {
            jobs: Vec::new(),
            next: page.to_owned(),
        };
        loop {
            let look = LOOK_MAX.min(wanted - found.jobs.len());
            let arguments = [found.next, look.to_string()];
            let run = self.connection.run(&self.scripts.work_left, &arguments);
            let answer: Vec<Value> = run.await?;
            let mut parts = answer.into_iter();
            found.next = read(parts.next().unwrap_or(Value::Nil))?;
            for part in parts {
                found.jobs.push(job_work(read(part)?)?);
            }
            if found.next.is_empty() || found.jobs.len() >= wanted {
                return Ok(found);
            }
        }
    }
}

fn read<T: redis::FromRedisValue>(value: Value) -> Result<T> {
    redis::from_redis_value(value).map_err(|error| corrupt("work left", error))
}

fn job_work(answer: JobAnswer) -> Result<JobWork> {
    let (job, title, phase, deadline, held_max, paused, tasks) = answer;
    let of = WorkOf {
        job: wire::parse("job", &job)?,
        title: wire::parse("title", &title)?,
        phase: wire::parse("phase", &phase)?,
        deadline_ms: wire::given("deadline", &deadline)?,
        held_max: wire::given("held_max", &held_max)?,
        paused: paused == "1",
    };
    let tasks: Vec<TaskLeft<TaskId>> = tasks.into_iter().map(task_left).collect::<Result<_>>()?;
    Ok(JobWork::sum(of, &tasks))
}

fn task_left(answer: TaskAnswer) -> Result<TaskLeft<TaskId>> {
    let (id, state, after, units, unit_seconds, learned) = answer;
    let after = after.split_whitespace();
    let unit_micros = match wire::given("costs", &learned)? {
        Some(learned) => learned,
        None => rules::unit_micros(wire::parse("unit_seconds", &unit_seconds)?),
    };
    Ok(TaskLeft {
        name: wire::parse("task", &id)?,
        state: wire::task_state(&state)?,
        after: after
            .map(|id| wire::parse("after", id))
            .collect::<Result<_>>()?,
        units,
        unit_micros,
    })
}
