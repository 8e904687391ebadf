//! What is left to do of a job, for those who decide how many nodes a farm needs. All seconds are those of
//! one slot, as they are expected now; what is not planned yet is not in them: a job that is still probed
//! has its probe and no more, and one that is made has neither package nor verify.

use crate::job::Phase;
use crate::task::TaskState;
use crate::{JobId, TitleId};
use serde::{Deserialize, Serialize};

/// What is left of a task that is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskLeft<N> {
    /// Its name.
    pub name: N,
    /// Where it is.
    pub state: TaskState,
    /// Tasks that it waits for; those that are done may be among them.
    pub after: Vec<N>,
    /// Units that are not committed.
    pub units: u32,
    /// Expected microseconds of one unit.
    pub unit_micros: u64,
}

/// The job whose work is summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkOf {
    /// Its id.
    pub job: JobId,
    /// The title.
    pub title: TitleId,
    /// Where it is.
    pub phase: Phase,
    /// When it should be published, in milliseconds since 1970.
    pub deadline_ms: Option<u64>,
    /// Chunks of it that may be held at a time; any number when `None`.
    pub held_max: Option<u32>,
    /// Whether a person paused it.
    pub paused: bool,
}

/// What is left to do of a job that has not ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobWork {
    /// The job.
    #[serde(flatten)]
    pub of: WorkOf,
    /// Units that may be worked on now: those of open tasks that are not committed.
    pub open_units: u32,
    /// Seconds of work in them.
    pub open_seconds: f64,
    /// Seconds of work in tasks that wait for others.
    pub later_seconds: f64,
    /// Seconds that those take one after another, with a slot for each that may run.
    pub later_chain_seconds: f64,
    /// Seconds that the job takes with a slot for every unit: its longest chain.
    pub chain_seconds: f64,
}

/// One page of a listing of work, newest job first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkPage {
    /// The jobs.
    pub jobs: Vec<JobWork>,
    /// Give this back to get the next page; empty at the end.
    pub next: String,
}

impl JobWork {
    /// Sums up the tasks of a job. A dead task holds no work: a person has to act first.
    pub fn sum<N: PartialEq>(of: WorkOf, tasks: &[TaskLeft<N>]) -> Self {
        let (mut open_units, mut open, mut later) = (0_u32, 0_u64, 0_u64);
        for task in tasks {
            let micros = u64::from(task.units).saturating_mul(task.unit_micros);
            match task.state {
                TaskState::Open => {
                    open_units = open_units.saturating_add(task.units);
                    open = open.saturating_add(micros);
                }
                TaskState::Blocked => later = later.saturating_add(micros),
                TaskState::Done | TaskState::Dead => {}
            }
        }
        let is_left =
            |task: &TaskLeft<N>| matches!(task.state, TaskState::Open | TaskState::Blocked);
        Self {
            of,
            open_units,
            open_seconds: seconds(open),
            later_seconds: seconds(later),
            later_chain_seconds: seconds(chain(tasks, |task| task.state == TaskState::Blocked)),
            chain_seconds: seconds(chain(tasks, is_left)),
        }
    }
}

fn seconds(micros: u64) -> f64 {
    micros as f64 / 1e6
}

/// The longest chain of units of those tasks that count. Tasks that waited for each other in a ring would
/// be given up after as many rounds as there are tasks.
fn chain<N: PartialEq>(tasks: &[TaskLeft<N>], counts: impl Fn(&TaskLeft<N>) -> bool) -> u64 {
    let mut ends = vec![0_u64; tasks.len()];
    for _ in 0..tasks.len() {
        let mut changed = false;
        for (at, task) in tasks.iter().enumerate() {
            let before = tasks.iter().zip(&ends);
            let before = before.filter(|(other, _)| task.after.contains(&other.name));
            let begin = before.map(|(_, end)| *end).max().unwrap_or(0);
            let own = if counts(task) && task.units > 0 {
                task.unit_micros
            } else {
                0
            };
            let end = begin.saturating_add(own);
            changed |= end != ends[at];
            ends[at] = end;
        }
        if !changed {
            break;
        }
    }
    ends.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> WorkOf {
        WorkOf {
            job: JobId::new("j1").unwrap(),
            title: TitleId::new("film").unwrap(),
            phase: Phase::Processing,
            deadline_ms: None,
            held_max: None,
            paused: false,
        }
    }

    fn task(
        name: &'static str,
        state: TaskState,
        units: u32,
        seconds: u64,
        after: &[&'static str],
    ) -> TaskLeft<&'static str> {
        TaskLeft {
            name,
            state,
            after: after.to_vec(),
            units,
            unit_micros: seconds * 1_000_000,
        }
    }

    #[test]
    fn a_chain_runs_through_the_longest_unit_of_each_task_on_the_way() {
        use TaskState::{Blocked, Open};
        let tasks = [
            task("qc", Blocked, 1, 2, &["images", "audio", "video", "probe"]),
            task("images", Blocked, 1, 3, &["video"]),
            task("video", Open, 100, 4, &[]),
            task("audio", Open, 1, 8, &[]),
        ];
        let work = JobWork::sum(of(), &tasks);
        assert_eq!((work.open_units, work.open_seconds), (101, 408.0));
        assert_eq!((work.later_seconds, work.later_chain_seconds), (5.0, 5.0));
        assert_eq!(work.chain_seconds, 10.0, "sound, then the rules");
    }

    #[test]
    fn what_is_dead_or_done_holds_no_work() {
        let tasks = [
            task("video", TaskState::Dead, 7, 4, &[]),
            task("probe", TaskState::Done, 0, 2, &[]),
        ];
        let work = JobWork::sum(of(), &tasks);
        assert_eq!(
            (work.open_units, work.open_seconds, work.chain_seconds),
            (0, 0.0, 0.0)
        );
        assert_eq!(JobWork::sum::<&str>(of(), &[]), work);
    }

    #[test]
    fn a_ring_ends_and_great_numbers_do_not_wrap() {
        let ring = [
            task("a", TaskState::Blocked, 1, 1, &["b"]),
            task("b", TaskState::Blocked, 1, 1, &["a"]),
        ];
        assert!(JobWork::sum(of(), &ring).chain_seconds.is_finite());
        let mut long = task("a", TaskState::Open, u32::MAX, 1, &[]);
        long.unit_micros = u64::MAX;
        assert!(JobWork::sum(of(), &[long]).open_seconds > 1e12);
    }
}
