//! How many nodes the queue is worth now. An autoscaler asks every some seconds, so the answer is a bound
//! from sums and no simulation; `fleet` simulates, for people who plan.

use model::job::Phase;
use model::work::JobWork;

/// Work that is due sooner counts as due then: a node that is asked for now takes about that to come, and
/// for what is late already no number is large enough.
const SOONEST_SECONDS: f64 = 60.0;

/// What an operator wants of a fleet of equal nodes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// Slots of one node; at least 1.
    pub slots: u32,
    /// In how many seconds work shall be done that has no earlier deadline.
    pub target_seconds: f64,
    /// Units that take less share a slot until they fill so many seconds: for less it is not worth starting.
    pub min_unit_seconds: f64,
    /// Seconds of work that a job is taken for until its source was probed and planned.
    pub new_job_seconds: f64,
}

/// What one job asks for.
struct Share {
    /// Seconds until its open work should be done.
    within: f64,
    seconds: f64,
    units: u64,
}

/// Nodes that finish what is queued and held in time, by the demand of the earliest deadlines: for each
/// deadline, the work that is due by then over the time until then (Baruah, Rosier, Howell, "Algorithms and
/// Complexity Concerning the Preemptive Scheduling of Periodic, Real-Time Tasks on One Processor", 1990).
/// None where nothing is queued or held, and no more slots than units that may be handed out.
pub fn nodes_worth(jobs: &[JobWork], now_ms: u64, wish: &Wish) -> u32 {
    let mut shares: Vec<Share> = jobs
        .iter()
        .filter_map(|job| share(job, now_ms, wish))
        .collect();
    shares.sort_by(|one, other| one.within.total_cmp(&other.within));
    let (mut seconds, mut units, mut slots) = (0.0, 0_u64, 0_u64);
    for share in &shares {
        seconds += share.seconds;
        units = units.saturating_add(share.units);
        // Work without expected seconds is work all the same.
        let asked = (seconds / share.within).ceil() as u64;
        slots = slots.max(asked.clamp(1, units));
    }
    u32::try_from(slots.div_ceil(u64::from(wish.slots.max(1)))).unwrap_or(u32::MAX)
}

/// `None` when there is nothing to hand out.
fn share(job: &JobWork, now_ms: u64, wish: &Wish) -> Option<Share> {
    if job.of.paused || job.open_units == 0 {
        return None;
    }
    let seconds = match job.of.phase {
        Phase::Probing => job.open_seconds.max(wish.new_job_seconds),
        _ => job.open_seconds,
    };
    let due = job.of.deadline_ms.map_or(f64::INFINITY, |deadline_ms| {
        seconds_until(deadline_ms, now_ms) - job.later_chain_seconds
    });
    let most = job.of.held_max.unwrap_or(u32::MAX).min(job.open_units);
    let worth = (seconds / wish.min_unit_seconds).ceil();
    let worth = if wish.min_unit_seconds > 0.0 {
        worth.max(1.0) as u64
    } else {
        u64::MAX
    };
    Some(Share {
        within: due.min(wish.target_seconds).max(SOONEST_SECONDS),
        seconds,
        units: u64::from(most).min(worth),
    })
}

/// Seconds until a moment; less than none when it has passed.
pub(super) fn seconds_until(at_ms: u64, now_ms: u64) -> f64 {
    (at_ms as f64 - now_ms as f64) / 1e3
}

#[cfg(test)]
mod tests;
