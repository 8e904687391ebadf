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

/// The time of a unit on a node of which nothing was learned, in permille of what is expected of the unit.
pub(crate) const PACE_USUAL: u64 = 1_000;

/// Paces that are believed, in permille: what lies beyond is no speed of a node.
pub(crate) const PACES: std::ops::RangeInclusive<u64> = 100..=10_000;

/// The pace of a node after a unit that took so long there and was expected to take so long: an eighth of
/// the way.
pub(crate) fn learned_pace(known: u64, elapsed_ms: u64, expected_micros: u64) -> u64 {
    if expected_micros == 0 {
        return known;
    }
    let sample = elapsed_ms.saturating_mul(1_000_000) / expected_micros;
    (known * 7 + sample.clamp(*PACES.start(), *PACES.end())) / 8
}

/// Expected microseconds of units on a node with this pace.
pub(crate) fn paced(units: u32, micros: u64, pace: u64) -> f64 {
    f64::from(units) * micros as f64 * pace as f64 / 1e3
}

/// Longest time that moving work is taken to cost, in microseconds: one node in trouble must not end
/// stealing.
pub(crate) const MOVE_MICROS_MAX: f64 = 30e6;

/// What is learned of the cost of moving work after a move that cost so much, in microseconds: an eighth of
/// the way. Less than nothing where the first unit was a short one; the mean is right.
pub(crate) fn learned_move(known: Option<i64>, sample: i64) -> i64 {
    known.map_or(sample, |known| (known * 7 + sample).div_euclid(8))
}

/// A held chunk of which a part may be stolen.
pub(crate) struct Victim {
    /// Units that are neither claimed nor committed.
    pub(crate) free: u32,
    /// Units that are claimed.
    pub(crate) claimed: u32,
    /// Expected microseconds of a unit where it is held.
    pub(crate) unit_micros: f64,
}

/// How many free units a thief gets for whom a unit takes so long: the second half, less where the thief is
/// slower and more where it is faster, and one at least. `None` when the last of them would then not be
/// done sooner: a move costs time, and of the claimed units one is half done.
pub(crate) fn stolen(victim: &Victim, thief_unit_micros: f64, move_micros: f64) -> Option<u32> {
    let both = victim.unit_micros + thief_unit_micros;
    // Nothing is known of units that are expected to take no time.
    if both == 0.0 {
        return Some((victim.free / 2).max(1));
    }
    let share = f64::from(victim.free) * victim.unit_micros / both;
    let taken = share.floor().max(1.0);
    let alone = (f64::from(victim.claimed) - 0.5 + f64::from(victim.free)) * victim.unit_micros;
    (move_micros + taken * thief_unit_micros < alone).then_some(taken as u32)
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
    use super::{PACE_USUAL, Victim, learned_move, learned_pace, paced, rank, stolen, unit_micros};
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

    fn victim(free: u32) -> Victim {
        Victim {
            free,
            claimed: 1,
            unit_micros: 10e6,
        }
    }

    #[test]
    fn a_thief_gets_the_second_half_and_never_nothing() {
        let stolen = |free| stolen(&victim(free), 10e6, 0.0);
        assert_eq!([1, 2, 3, 4, 5, 9].map(stolen), [1, 1, 1, 2, 2, 4].map(Some));
        let unknown = Victim {
            unit_micros: 0.0,
            ..victim(9)
        };
        assert_eq!(super::stolen(&unknown, 0.0, 30e6), Some(4));
    }

    #[test]
    fn a_slow_thief_gets_less_and_a_fast_one_more() {
        let stolen = |unit_micros| stolen(&victim(9), unit_micros, 0.0);
        assert_eq!(stolen(20e6), Some(3));
        assert_eq!(stolen(5e6), Some(6));
        assert_eq!(stolen(80e6), Some(1));
    }

    #[test]
    fn what_a_move_would_not_speed_up_stays() {
        // One unit waits behind one that is half done: alone it takes 15 s, moved 10 s and the move.
        assert_eq!(stolen(&victim(1), 10e6, 4.9e6), Some(1));
        assert_eq!(stolen(&victim(1), 10e6, 5e6), None);
        assert_eq!(stolen(&victim(1), 16e6, 0.0), None);
        let busy = Victim {
            claimed: 2,
            ..victim(1)
        };
        assert_eq!(stolen(&busy, 16e6, 0.0), Some(1));
        assert_eq!(stolen(&victim(20), 10e6, 30e6), Some(10));
    }

    #[test]
    fn paces_and_costs_of_moves_go_an_eighth_of_the_way() {
        assert_eq!(learned_pace(PACE_USUAL, 20_000, 10_000_000), 1_125);
        assert_eq!(learned_pace(PACE_USUAL, 1, 10_000_000), 887);
        assert_eq!(learned_pace(PACE_USUAL, u64::MAX, 1), 2_125);
        assert_eq!(learned_pace(7, 5, 0), 7);
        assert_eq!(learned_move(None, -5), -5);
        assert_eq!(learned_move(Some(8), -1), 6);
        assert_eq!(learned_move(Some(-8), 7), -7);
        assert_eq!(paced(3, 2_000_000, 1_500), 9e6);
    }

    #[test]
    fn expected_seconds_become_whole_microseconds() {
        assert_eq!(unit_micros(0.1), 100_000);
        assert_eq!(unit_micros(0.0), 0);
    }
}
