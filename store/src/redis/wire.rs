//! What the scripts are given and what they answer, in terms of the model. An answer that cannot be
//! read is [`Error::Corrupt`], never a panic.

use crate::error::{Error, Result};
use crate::{DeadAttempt, Delivery, rules};
use model::job::{JobRecord, NewJob, Phase, Urgency};
use model::task::{Chunk, Lease, NewTask, TaskRecord, TaskState, Token, UnitRecord};
use model::{ChunkId, Failure, TaskId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::str::FromStr;

/// The fields of a hash.
pub(super) type Fields = BTreeMap<String, String>;

/// A task as `tasks.lua` gives it: id, fields, chunks with their ids, units.
pub(super) type TaskAnswer = (String, Fields, Vec<(String, Fields)>, Vec<(u32, String)>);

/// A task as the scripts read it. What they only hand on is text already.
#[derive(Serialize, Deserialize)]
struct WireTask {
    id: String,
    kind: String,
    after: Vec<String>,
    units: u32,
    chunks: Vec<(u32, u32)>,
    unit_seconds: String,
    micros: u64,
    builds: String,
    bytes: u64,
    cost: String,
}

pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("records of the model have text keys and finite numbers")
}

pub(super) fn tasks_json(tasks: &[NewTask]) -> String {
    let wire = tasks.iter().map(|task| WireTask {
        id: task.id.to_string(),
        kind: json(&task.kind),
        after: task.after.iter().map(TaskId::to_string).collect(),
        units: task.units,
        chunks: task
            .chunks
            .iter()
            .map(|range| (range.start, range.end))
            .collect(),
        unit_seconds: task.unit_seconds.to_string(),
        micros: rules::unit_micros(task.unit_seconds),
        builds: task.builds.clone(),
        bytes: task.slot_bytes,
        cost: task.cost_class.clone(),
    });
    json(&wire.collect::<Vec<_>>())
}

/// What a waiting notice begins with, which tells it from every other.
pub(super) fn head(delivery: &Delivery) -> String {
    let notice = &delivery.notice;
    format!(
        "{} {} {} ",
        delivery.posted_at_ms, notice.version, notice.job
    )
}

pub(super) fn token_text(token: Token) -> String {
    format!("{}:{}", token.epoch, token.counter)
}

pub(super) fn token(text: &str) -> Result<Token> {
    let (epoch, counter) = text.split_once(':').unwrap_or_default();
    Ok(Token {
        epoch: parse("token", epoch)?,
        counter: parse("token", counter)?,
    })
}

/// A value of a field or of an answer.
pub(super) fn parse<T: FromStr>(what: &str, text: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error| corrupt(what, format!("{text:?}: {error}")))
}

pub(super) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| corrupt(what, error))
}

pub(super) fn corrupt(key: &str, reason: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        key: key.to_owned(),
        reason: reason.to_string(),
    }
}

fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str> {
    let value = fields.get(name).map(String::as_str);
    value.ok_or_else(|| corrupt(name, "field is missing"))
}

fn field<T: FromStr>(fields: &Fields, name: &str) -> Result<T>
where
    T::Err: std::fmt::Display,
{
    parse(name, text(fields, name)?)
}

/// A field that is empty when there is nothing.
fn optional<T: FromStr>(fields: &Fields, name: &str) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    given(name, text(fields, name)?)
}

/// A value that is empty when there is nothing.
pub(super) fn given<T: FromStr>(name: &str, value: &str) -> Result<Option<T>>
where
    T::Err: std::fmt::Display,
{
    match value {
        "" => Ok(None),
        value => parse(name, value).map(Some),
    }
}

fn failure(fields: &Fields) -> Result<Option<Failure>> {
    match text(fields, "failure")? {
        "" => Ok(None),
        value => from_json("failure", value).map(Some),
    }
}

/// What never changes of a job.
pub(super) fn new_job(job: &JobRecord) -> NewJob {
    NewJob {
        id: job.id.clone(),
        tenant: job.tenant.clone(),
        title: job.title.clone(),
        profile: job.profile.clone(),
        source_url: job.source_url.clone(),
        urgency: job.urgency,
        held_max: job.held_max,
        traceparent: job.traceparent.clone(),
    }
}

/// A job and its number.
pub(super) fn job(fields: &Fields) -> Result<(u64, JobRecord)> {
    let new: NewJob = from_json("new", text(fields, "new")?)?;
    let record = JobRecord {
        id: new.id,
        tenant: new.tenant,
        title: new.title,
        profile: new.profile,
        source_url: new.source_url,
        urgency: Urgency {
            priority: field(fields, "priority")?,
            deadline_ms: optional(fields, "deadline")?,
        },
        held_max: new.held_max,
        paused: text(fields, "paused")? == "1",
        traceparent: new.traceparent,
        phase: field(fields, "phase")?,
        failed_in: optional::<Phase>(fields, "failed_in")?,
        version: field(fields, "version")?,
        failure: failure(fields)?,
        title_version: field(fields, "title_version")?,
        accepted_at_ms: field(fields, "accepted")?,
        changed_at_ms: field(fields, "changed")?,
        units: field(fields, "units")?,
        units_done: field(fields, "units_done")?,
    };
    Ok((field(fields, "number")?, record))
}

pub(super) fn task(answer: TaskAnswer) -> Result<TaskRecord> {
    let (id, fields, chunks, units) = answer;
    let config = fields.get("config").map_or("", String::as_str);
    let mut committed = Vec::with_capacity(units.len());
    for (unit, value) in units {
        committed.push((unit, unit_record(&value, config)?));
    }
    committed.sort_unstable_by_key(|(unit, _)| *unit);
    Ok(TaskRecord {
        id: parse("task", &id)?,
        kind: from_json("kind", text(&fields, "kind")?)?,
        state: task_state(text(&fields, "state")?)?,
        units: field(&fields, "units")?,
        units_done: field(&fields, "units_done")?,
        unit_seconds: field(&fields, "unit_seconds")?,
        builds: text(&fields, "builds")?.to_owned(),
        slot_bytes: field(&fields, "bytes")?,
        chunks: chunks.iter().map(chunk).collect::<Result<_>>()?,
        committed,
        failure: failure(&fields)?,
    })
}

/// What is kept of a unit, in few bytes because titles have thousands of them and stay for a month. The
/// digest of the codec configurations, which all units of a task share, is kept with the task.
pub(super) fn unit_text(record: &UnitRecord) -> String {
    let reused = u8::from(record.reused);
    let (frames, elapsed_ms, node) = (record.frames, record.elapsed_ms, &record.node);
    format!("{frames} {elapsed_ms} {reused} {node} {}", record.digest)
}

fn unit_record(kept: &str, config_digest: &str) -> Result<UnitRecord> {
    let mut parts = kept.splitn(5, ' ');
    let mut part = || {
        parts
            .next()
            .ok_or_else(|| corrupt("unit", "a part is missing"))
    };
    Ok(UnitRecord {
        frames: parse("frames", part()?)?,
        elapsed_ms: parse("elapsed_ms", part()?)?,
        reused: part()? == "1",
        node: parse("node", part()?)?,
        digest: part()?.to_owned(),
        config_digest: config_digest.to_owned(),
    })
}

pub(super) fn task_state(name: &str) -> Result<TaskState> {
    match name {
        "blocked" => Ok(TaskState::Blocked),
        "open" => Ok(TaskState::Open),
        "done" => Ok(TaskState::Done),
        "dead" => Ok(TaskState::Dead),
        _ => Err(corrupt("state", format!("{name:?} is not a state"))),
    }
}

fn chunk((id, fields): &(String, Fields)) -> Result<Chunk> {
    let lease = match text(fields, "token")? {
        "" => None,
        value => Some(Lease {
            node: field(fields, "node")?,
            token: token(value)?,
            expires_at_ms: field(fields, "expires")?,
        }),
    };
    let claimed = text(fields, "claimed")?
        .split(',')
        .filter(|unit| !unit.is_empty());
    Ok(Chunk {
        id: parse("chunk", id)?,
        next: field(fields, "next")?,
        end: field(fields, "stop")?,
        claimed: claimed
            .map(|unit| parse("claimed", unit))
            .collect::<Result<_>>()?,
        attempts: field(fields, "attempts")?,
        room_attempts: field(fields, "room_attempts")?,
        silent_attempts: field(fields, "silent_attempts")?,
        not_before_ms: field(fields, "not_before")?,
        avoid: optional(fields, "avoid")?,
        last_failure: attempts(text(fields, "failures")?)?
            .pop()
            .map(|attempt| attempt.failure),
        lease,
        stolen_from: optional::<ChunkId>(fields, "from")?,
    })
}

/// The failures of a chunk: one per line, with time and node before the JSON.
pub(super) fn attempts(lines: &str) -> Result<Vec<DeadAttempt>> {
    let attempt = |line: &str| {
        let mut parts = line.splitn(3, ' ');
        let mut part = || parts.next().unwrap_or_default();
        Ok(DeadAttempt {
            at_ms: parse("failures", part())?,
            node: parse("failures", part())?,
            failure: from_json("failures", part())?,
        })
    };
    lines.lines().map(attempt).collect()
}

#[cfg(test)]
mod tests {
    use super::{unit_record, unit_text};
    use model::task::UnitRecord;

    fn record(digest: &str) -> UnitRecord {
        UnitRecord {
            digest: digest.to_owned(),
            config_digest: "cd".repeat(32),
            frames: 150,
            node: "node-17.farm.example".parse().unwrap(),
            elapsed_ms: 12_345,
            reused: true,
        }
    }

    #[test]
    fn a_unit_is_kept_whole_in_few_bytes() {
        let usual = "ab".repeat(32);
        for digest in [usual.as_str(), "", "two words\nand a line "] {
            let record = record(digest);
            let read = unit_record(&unit_text(&record), &record.config_digest);
            assert_eq!(read.unwrap(), record);
        }
        let bytes = unit_text(&record(&usual)).len();
        assert!(bytes < 100, "{bytes} bytes");
    }

    #[test]
    fn a_unit_that_is_cut_off_or_nonsense_is_corrupt() {
        for kept in [
            "",
            "150",
            "150 1 0 n1",
            "x 1 0 n1 d",
            "150 x 0 n1 d",
            "150 1 0 N! d",
        ] {
            assert!(unit_record(kept, "").is_err(), "{kept:?}");
        }
    }
}
