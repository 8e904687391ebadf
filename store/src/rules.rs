//! Arithmetic and checks that hold for every backend. The Lua scripts state the same arithmetic
//! again, because they run inside Redis; the contract suite holds both to the same answers.

use crate::error::{Error, Result};
use model::JobId;
use model::job::JobRecord;
use model::task::NewTask;

/// Units of one chunk that may be claimed and not committed at a time: one that is encoded and one
/// that is uploaded.
pub(crate) const CLAIMS_MAX: usize = 2;

/// Failures kept of one chunk, for people.
pub(crate) const FAILURES_MAX: usize = 8;

/// A node that showed a sign of life in this time counts as an elsewhere, in milliseconds. Nodes
/// renew and ask more often than this.
pub(crate) const ELSEWHERE_MS: u64 = 10_000;

/// A node that is silent for a day and holds nothing is forgotten when another registers.
pub(crate) const NODE_SILENCE_MS: u64 = 24 * 3_600_000;

/// A node that was told to drain still drains when it registers again and was silent for no longer
/// than this, in milliseconds: a restart of a scheduler or a lost connection undoes no order.
pub(crate) const DRAIN_KEPT_MS: u64 = 60_000;

/// Queued chunks looked at for one that the node need not avoid, and delayed chunks that become
/// due in one take: bounds what a take costs.
pub(crate) const LOOK_MAX: usize = 32;

/// Versions that a job has room for in one epoch: more than it has units and retries, and so few that
/// those of a million epochs are numbers which a double, and so a script and a receiver, holds exactly.
pub(crate) const EPOCH_VERSIONS: u64 = 1_000_000_000;

/// Bits of a place that count chunks inside a job.
const CHUNK_BITS: u32 = 20;
/// Bits of a place that count jobs; with 7 bits of priority a place has 53 bits, which a double, the
/// score of a sorted set, holds exactly.
const JOB_BITS: u32 = 26;

/// Place of a chunk in the queue: lower comes first. By priority, then by age of the job, then in
/// the order in which the chunks of the job came to be. A chunk keeps its place through retries.
pub(crate) fn place(priority: u8, job_number: u64, chunk_order: u64) -> u64 {
    let urgency = 100 - u64::from(priority.min(100));
    let job = job_number.min((1 << JOB_BITS) - 1);
    let chunk = chunk_order.min((1 << CHUNK_BITS) - 1);
    (urgency << (JOB_BITS + CHUNK_BITS)) | (job << CHUNK_BITS) | chunk
}

/// The version of a job before its first change: above all that it had in a store with a lower epoch.
pub(crate) fn first_version(epoch: u32) -> u64 {
    u64::from(epoch.saturating_sub(1)) * EPOCH_VERSIONS
}

/// Checks that a job which is to be restored has ended.
pub(crate) fn check_ended(job: &JobRecord) -> Result<()> {
    if job.phase.is_final() {
        return Ok(());
    }
    Err(Error::Conflict {
        id: job.id.to_string(),
        reason: format!("job is {}", job.phase),
    })
}

/// How many of `free` unclaimed units a thief gets: the second half, and a single one whole.
pub(crate) fn stolen(free: u32) -> u32 {
    if free == 1 { 1 } else { free / 2 }
}

/// Expected work of one unit in whole microseconds: sums of them are exact.
pub(crate) fn unit_micros(unit_seconds: f64) -> u64 {
    (unit_seconds * 1e6).round() as u64
}

/// Checks what the store relies on: tasks belong to the job, have units, and their chunks cover
/// these without overlap.
pub(crate) fn check_tasks(job: &JobId, tasks: &[NewTask]) -> Result<()> {
    tasks.iter().try_for_each(|task| check_task(job, task))
}

fn check_task(job: &JobId, task: &NewTask) -> Result<()> {
    let refuse = |reason: &str| {
        Err(Error::Conflict {
            id: task.id.to_string(),
            reason: reason.to_owned(),
        })
    };
    if task.id.job != *job || task.after.iter().any(|after| after.job != *job) {
        return refuse("task names another job");
    }
    if task.units == 0 {
        return refuse("task has no units");
    }
    if !(0.0..1e9).contains(&task.unit_seconds) {
        return refuse("expected seconds of a unit are out of range");
    }
    let mut ranges = task.chunks.clone();
    ranges.sort_by_key(|range| range.start);
    let mut covered = 0;
    for range in &ranges {
        if range.start != covered || range.end <= range.start {
            return refuse("chunks overlap, leave a gap or are empty");
        }
        covered = range.end;
    }
    if covered != task.units {
        return refuse("chunks do not cover the units");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{place, stolen, unit_micros};

    #[test]
    fn places_order_by_priority_then_job_then_chunk() {
        assert!(place(90, 9, 9) < place(10, 0, 0));
        assert!(place(50, 1, 9) < place(50, 2, 0));
        assert!(place(50, 1, 1) < place(50, 1, 2));
        assert_eq!(
            place(0, u64::MAX, u64::MAX) as f64 as u64,
            place(0, u64::MAX, u64::MAX)
        );
        assert!(place(0, u64::MAX, u64::MAX) < (1 << 53));
    }

    #[test]
    fn a_thief_gets_the_second_half_and_never_nothing() {
        assert_eq!([1, 2, 3, 4, 5, 9].map(stolen), [1, 1, 1, 2, 2, 4]);
        assert_eq!(stolen(0), 0);
    }

    #[test]
    fn expected_seconds_become_whole_microseconds() {
        assert_eq!(unit_micros(0.1), 100_000);
        assert_eq!(unit_micros(0.0), 0);
    }
}
