//! Arithmetic and checks that hold for every backend. The Lua scripts state the same arithmetic
//! again, because they run inside Redis; the contract suite holds both to the same answers.

use crate::error::{Error, Result};
use model::JobId;
use model::job::{JobRecord, Urgency};
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

/// Each so many grants of a tenant's queued chunks, one is for its oldest job, however urgent others are.
pub const OLDEST_TURN: u64 = 8;

/// Seconds of work, over its weight, by which a tenant may be ahead of another that waits before its
/// chunks change hands: what a change costs is small against them.
pub const LEAD_SECONDS: f64 = 30.0;

/// A node that was told to yield for a job is granted that job's chunk in this time, in milliseconds.
pub(crate) const SUMMONS_MS: u64 = 5_000;

/// How long it is kept that a node lost a lease, in milliseconds: longer than any holder is silent.
pub(crate) const LOSSES_KEPT_MS: u64 = 60_000;

/// Where a job stands among the jobs of its tenant: by urgency, then by age. Sorts as text.
pub(crate) fn rank(urgency: Urgency, job_number: u64) -> String {
    format!("{} {job_number:020}", urgency_rank(urgency))
}

/// What a rank begins with.
pub(crate) fn urgency_rank(urgency: Urgency) -> String {
    let priority = 100 - urgency.priority.min(100);
    let deadline_ms = urgency.deadline_ms.unwrap_or(u64::MAX);
    format!("{priority:03} {deadline_ms:020}")
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

/// Cost classes that are remembered; those go first of which nothing was learned for longest.
pub(crate) const COST_CLASSES_MAX: usize = 1_024;

/// What a unit is expected to take after one took so long: an eighth of the way there, so that one that
/// was far off moves it little.
pub(crate) fn learned_micros(known: Option<u64>, elapsed_ms: u64) -> u64 {
    let sample = elapsed_ms.saturating_mul(1_000);
    known.map_or(sample, |known| (known.saturating_mul(7) + sample) / 8)
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
    use super::{rank, stolen, unit_micros};
    use model::job::Urgency;

    #[test]
    fn ranks_order_by_priority_then_deadline_then_age() {
        let rank = |priority, deadline_ms, number| {
            let urgency = Urgency {
                priority,
                deadline_ms,
            };
            rank(urgency, number)
        };
        assert!(rank(90, None, 9) < rank(10, Some(1), 1));
        assert!(rank(50, Some(7), 9) < rank(50, Some(8), 1));
        assert!(rank(50, Some(8), 9) < rank(50, None, 1));
        assert!(rank(50, None, 9) < rank(50, None, 10));
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
