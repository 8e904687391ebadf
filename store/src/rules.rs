//! Arithmetic and checks that hold for every backend. The Lua scripts state the same arithmetic
//! again, because they run inside Redis; the contract suite holds both to the same answers.

use crate::Advance;
use crate::error::{Error, Result};
use model::JobId;
use model::job::{JobRecord, Urgency};
use model::task::{NewTask, UnitRecord};

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
    u64::from(epoch.saturating_sub(1)) * EPOCH_VERSIONS + 1
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

/// Longest time of a unit that something is learned from, in milliseconds: a day.
const ELAPSED_MS_MAX: u64 = 86_400_000;

/// The milliseconds of a unit that its costs are learned from; 0 where nothing is to be learned from it.
pub(crate) fn elapsed_ms(record: &UnitRecord) -> u64 {
    match record.reused {
        true => 0,
        false => record.elapsed_ms.min(ELAPSED_MS_MAX),
    }
}

/// The time of a unit on a node of which nothing was learned, in millionths of what is expected of the unit.
pub(crate) const PACE_USUAL: u64 = 1_000_000;

/// Paces that are believed, in millionths: what lies beyond is in the pictures and not in the node.
pub(crate) const PACES: std::ops::RangeInclusive<u64> = 250_000..=4_000_000;

/// Of a pace, such a part is learned from one unit: pictures differ more than nodes do, and of a title a
/// node gets long runs that are alike.
pub(crate) const PACE_STEPS: u64 = 128;

/// The pace of a node after a unit that took so long there and was expected to take so long.
pub(crate) fn learned_pace(known: u64, elapsed_ms: u64, expected_micros: u64) -> u64 {
    if expected_micros == 0 {
        return known;
    }
    let sample = (elapsed_ms as f64 * 1e9 / expected_micros as f64) as u64;
    (known * (PACE_STEPS - 1) + sample.clamp(*PACES.start(), *PACES.end())) / PACE_STEPS
}

/// Expected microseconds of units on a node with this pace.
pub(crate) fn paced(units: u32, micros: u64, pace: u64) -> f64 {
    f64::from(units) * micros as f64 * pace as f64 / 1e6
}

/// What is expected of the next units of a chunk after one of it took so long on a node with this pace: a
/// quarter of the way, since pictures that follow each other are alike. At once where nothing was known of
/// their class.
pub(crate) fn learned_of_chunk(known: Option<u64>, elapsed_ms: u64, pace: u64) -> u64 {
    let sample = (elapsed_ms as f64 * 1e9 / pace as f64) as u64;
    known.map_or(sample, |known| (known * 3 + sample) / 4)
}

/// Longest time that moving work is taken to cost, in microseconds: one node in trouble must not end
/// stealing.
pub(crate) const MOVE_MICROS_MAX: u64 = 30_000_000;

/// What is learned of the cost of moving work from a first commit so long after the grant, of a unit that
/// took so long, in microseconds: an eighth of the way.
pub(crate) fn learned_move(known: Option<u64>, since_grant_ms: u64, elapsed_ms: u64) -> u64 {
    let sample = (since_grant_ms.saturating_sub(elapsed_ms) * 1_000).min(MOVE_MICROS_MAX);
    known.map_or(sample, |known| (known * 7 + sample) / 8)
}

/// A holder that has a unit in work is told to wait with the next while one that may have the rest went
/// away with nothing no longer ago than this, in milliseconds.
pub(crate) const HUNGRY_MS: u64 = 3_000;

/// A held chunk of which a part may be stolen.
pub(crate) struct Victim {
    /// Units that are neither claimed nor committed.
    pub(crate) free: u32,
    /// Units that are claimed.
    pub(crate) claimed: u32,
    /// Expected microseconds of a unit where it is held.
    pub(crate) unit_micros: f64,
    /// Milliseconds since its holder claimed or committed one last.
    pub(crate) quiet_ms: u64,
}

/// How many free units a thief gets for whom a unit takes so long: the second half; less where the thief is
/// slower and more where it is faster; less also where a move costs much; and one at least. `None` when the
/// last of them would then not be done sooner.
///
/// Of the claimed units one is taken for half done, unless the holder is quiet for longer than they should
/// take: then it is expected to be quiet for as long again.
pub(crate) fn stolen(victim: &Victim, thief_unit_micros: f64, move_micros: f64) -> Option<u32> {
    let both = victim.unit_micros + thief_unit_micros;
    let free = f64::from(victim.free);
    // Nothing is known of units that are expected to take no time.
    if both == 0.0 {
        return Some((victim.free / 2).max(1));
    }
    let claimed = (f64::from(victim.claimed) - 0.5) * victim.unit_micros;
    let quiet = victim.quiet_ms as f64 * 1e3;
    let busy = if quiet > claimed + victim.unit_micros {
        quiet
    } else {
        claimed
    };
    let alone = busy + free * victim.unit_micros;
    let fair = (free * victim.unit_micros / both).min((alone - move_micros) / both);
    let taken = fair.floor().max(1.0);
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

/// Checks a step of a job's life, wherever the job is: an arrow leads so, and the tasks are fit.
pub(crate) fn check_step(job: &JobId, step: &Advance) -> Result<()> {
    if step.from.leads_to(step.to) {
        return check_tasks(job, &step.add);
    }
    Err(Error::Conflict {
        id: job.to_string(),
        reason: format!("no step leads from {} to {}", step.from, step.to),
    })
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
    use super::{
        PACE_USUAL, Victim, learned_move, learned_of_chunk, learned_pace, paced, rank, stolen,
        unit_micros,
    };
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
            quiet_ms: 0,
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
        assert_eq!(
            stolen(&victim(20), 10e6, 30e6),
            Some(8),
            "20 x 10 s and 5 s, less 30 s"
        );
        assert_eq!(
            stolen(&victim(4), 10e6, 30e6),
            Some(1),
            "at 40 s, not at 45 s"
        );
    }

    #[test]
    fn who_is_quiet_for_too_long_is_stolen_from() {
        let quiet = |quiet_ms| Victim {
            quiet_ms,
            ..victim(1)
        };
        assert_eq!(stolen(&quiet(15_000), 30e6, 0.0), None);
        assert_eq!(
            stolen(&quiet(19_000), 30e6, 0.0),
            None,
            "done in 29 s by itself"
        );
        assert_eq!(stolen(&quiet(21_000), 30e6, 0.0), Some(1));
    }

    #[test]
    fn paces_and_costs_are_learned_step_by_step() {
        assert_eq!(learned_pace(PACE_USUAL, 20_000, 10_000_000), 1_007_812);
        assert_eq!(learned_pace(PACE_USUAL, 1, 10_000_000), 994_140);
        assert_eq!(learned_pace(PACE_USUAL, u64::MAX, 1), 1_023_437);
        assert_eq!(learned_pace(7, 5, 0), 7);
        assert_eq!(learned_of_chunk(None, 3_000, 1_500_000), 2_000_000);
        assert_eq!(
            learned_of_chunk(Some(1_000_000), 3_000, 1_500_000),
            1_250_000
        );
        assert_eq!(learned_move(None, 5_000, 4_000), 1_000_000);
        assert_eq!(learned_move(Some(80), 5, 6), 70);
        assert_eq!(
            learned_move(None, u64::MAX / 1_000, 0),
            super::MOVE_MICROS_MAX
        );
        assert_eq!(paced(3, 2_000_000, 1_500_000), 9e6);
    }

    #[test]
    fn expected_seconds_become_whole_microseconds() {
        assert_eq!(unit_micros(0.1), 100_000);
        assert_eq!(unit_micros(0.0), 0);
    }
}
