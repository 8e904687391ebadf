//! How many equal nodes finish the open jobs in time: a fluid schedule, earliest deadline first. At every
//! moment the job with the earliest deadline has as many slots as it can use, then the next; slots are
//! divided as finely as it takes, so a real farm ends a unit later at most for each job. All slots are
//! equally fast here, and memory is no bound.

use super::capacity::seconds_until;
use model::job::Phase;
use model::work::JobWork;
use std::collections::VecDeque;

/// Seconds by which a deadline may be missed and is met all the same: what rounding makes of sums.
const TOLERANCE: f64 = 1e-6;

/// Seconds of a unit of a job that is not planned yet.
const NEW_UNIT_SECONDS: f64 = 30.0;

/// What is not said by the jobs themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Assumed {
    /// Seconds in which a job without a deadline shall be done; whenever when `None`.
    pub within: Option<f64>,
    /// Seconds of work that a job is taken for until its source was probed and planned.
    pub new_job_seconds: f64,
}

/// The open jobs that take slots, in the order in which they are served.
#[derive(Debug, Clone, PartialEq)]
pub struct Demand<'a> {
    jobs: Vec<Need<'a>>,
}

/// What one job needs.
#[derive(Debug, Clone, PartialEq)]
struct Need<'a> {
    work: &'a JobWork,
    /// Seconds until it is due.
    due: Option<f64>,
    /// Seconds of work that may be done now.
    open: f64,
    /// Seconds of all its work.
    total: f64,
    /// Slots that it can use at a time.
    width: f64,
    chain: f64,
}

/// A job that no number of nodes finishes in time.
#[derive(Debug, Clone, PartialEq)]
pub struct Hopeless<'a> {
    /// The job.
    pub work: &'a JobWork,
    /// Seconds that it takes with a farm of its own.
    pub least_seconds: f64,
    /// Seconds until it is due; less than none when that has passed.
    pub due_seconds: f64,
}

/// What a number of nodes makes of the jobs.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet<'a> {
    /// The nodes; 0 when there is nothing to do.
    pub nodes: u32,
    /// Seconds until the last job is done.
    pub finish_seconds: f64,
    /// The job that ends with the least time before its deadline, and that time. Those that are hopeless
    /// are left out.
    pub tightest: Option<(&'a JobWork, f64)>,
}

impl<'a> Demand<'a> {
    /// Of jobs, newest first. Paused jobs and those with nothing to do take no slots.
    pub fn new(jobs: &'a [JobWork], now_ms: u64, assumed: &Assumed) -> Self {
        let needs = jobs.iter().rev();
        let mut needs: Vec<_> = needs
            .filter_map(|work| Need::new(work, now_ms, assumed))
            .collect();
        // Stable: of those that are due together, the oldest comes first.
        let due = |need: &Need<'_>| need.due.unwrap_or(f64::INFINITY);
        needs.sort_by(|one, other| due(one).total_cmp(&due(other)));
        Self { jobs: needs }
    }

    /// Jobs that take slots.
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// Slots that all of them together can use at a time.
    fn width(&self) -> f64 {
        self.jobs.iter().map(|need| need.width).sum()
    }

    /// Jobs that are late with any number of nodes, the earliest deadline first.
    pub fn hopeless(&self) -> Vec<Hopeless<'a>> {
        let late = self.jobs.iter().filter(|need| need.is_hopeless());
        late.map(|need| Hopeless {
            work: need.work,
            least_seconds: need.least(),
            due_seconds: need.due.unwrap_or(f64::INFINITY),
        })
        .collect()
    }

    /// The least number of nodes of so many slots that meets every deadline which can be met.
    pub fn least(&self, slots: u32) -> Fleet<'a> {
        let slots = f64::from(slots.max(1));
        // With so many each job runs as fast as it can.
        let most = (self.width() / slots).ceil().min(f64::from(u32::MAX)) as u32;
        let (mut low, mut high) = (most.min(1), most);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.is_met(&self.ends(slots * f64::from(middle))) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        self.fleet(low, &self.ends(slots * f64::from(low)))
    }

    fn is_met(&self, ends: &[f64]) -> bool {
        self.slacks(ends).all(|(_, slack)| slack >= -TOLERANCE)
    }

    /// The time before each deadline that can be met.
    fn slacks(&self, ends: &[f64]) -> impl Iterator<Item = (&'a JobWork, f64)> {
        let jobs = self.jobs.iter().zip(ends);
        jobs.filter(|(need, _)| !need.is_hopeless())
            .filter_map(|(need, end)| Some((need.work, need.due? - end)))
    }

    fn fleet(&self, nodes: u32, ends: &[f64]) -> Fleet<'a> {
        Fleet {
            nodes,
            finish_seconds: ends.iter().copied().fold(0.0, f64::max),
            tightest: self
                .slacks(ends)
                .min_by(|(_, one), (_, other)| one.total_cmp(other)),
        }
    }

    /// Seconds until each job ends on so many slots.
    fn ends(&self, slots: f64) -> Vec<f64> {
        let mut free = Free::new(slots);
        self.jobs.iter().map(|need| free.serve(need)).collect()
    }
}

impl<'a> Need<'a> {
    fn new(work: &'a JobWork, now_ms: u64, assumed: &Assumed) -> Option<Self> {
        let is_new = work.of.phase == Phase::Probing;
        let extra = if is_new { assumed.new_job_seconds } else { 0.0 };
        let (open, later) = (work.open_seconds + extra, work.later_seconds);
        if work.of.paused || open + later <= 0.0 {
            return None;
        }
        let units = f64::from(work.open_units).max((extra / NEW_UNIT_SECONDS).ceil());
        let most = work.of.held_max.map_or(f64::INFINITY, f64::from);
        let deadline_ms = work.of.deadline_ms;
        let due = deadline_ms.map(|deadline_ms| seconds_until(deadline_ms, now_ms));
        Some(Self {
            work,
            due: due.or(assumed.within),
            open,
            total: open + later,
            width: units.min(most).max(1.0),
            chain: work.chain_seconds + extra.min(NEW_UNIT_SECONDS),
        })
    }

    /// When it ends that has worked off its open units and all its work then, and began then.
    fn end(&self, begin: f64, open_end: f64, all_end: f64) -> f64 {
        let chained = begin + self.chain;
        all_end
            .max(open_end + self.work.later_chain_seconds)
            .max(chained)
    }

    /// Seconds that it takes with all the slots that it can use.
    fn least(&self) -> f64 {
        self.end(0.0, self.open / self.width, self.total / self.width)
    }

    fn is_hopeless(&self) -> bool {
        self.due.is_some_and(|due| self.least() > due + TOLERANCE)
    }
}

/// Slots that nobody has, from each time on. They never get fewer: what is served ends, and nothing new
/// begins.
struct Free {
    steps: VecDeque<(f64, f64)>,
}

impl Free {
    fn new(slots: f64) -> Self {
        Self {
            steps: VecDeque::from([(0.0, slots)]),
        }
    }

    /// Takes what the job can use until it is done; gives its end.
    fn serve(&mut self, need: &Need<'_>) -> f64 {
        let begin = self.steps.front().map_or(0.0, |(from, _)| *from);
        let after_open = need.total - need.open;
        let (mut left, mut open_end) = (need.total, None);
        let mut at = 0;
        let all_end = loop {
            let (from, free) = self.steps[at];
            let until = self
                .steps
                .get(at + 1)
                .map_or(f64::INFINITY, |(next, _)| *next);
            let rate = need.width.min(free);
            let done = rate * (until - from);
            if open_end.is_none() && left - after_open <= done {
                open_end = Some(from + (left - after_open) / rate);
            }
            self.steps[at].1 = free - rate;
            if left <= done {
                let end = from + left / rate;
                if end < until {
                    self.steps.insert(at + 1, (end, free));
                }
                break end;
            }
            left -= done;
            at += 1;
        };
        while self.steps.len() > 1 && self.steps[0].1 <= 0.0 {
            self.steps.pop_front();
        }
        need.end(begin, open_end.unwrap_or(all_end), all_end)
    }
}

#[cfg(test)]
mod tests;
