//! What is left to do of each open job.

use super::costs::Costs;
use super::record::Job;
use super::state::State;
use crate::error::Result;
use model::TaskName;
use model::task::TaskState;
use model::work::{JobWork, TaskLeft, WorkOf, WorkPage};

impl State {
    pub(super) fn work_left(&self, page: &str, limit: u32) -> Result<WorkPage> {
        let below = crate::page::parse(page)?;
        let wanted = limit.max(1) as usize;
        let mut found = WorkPage::default();
        for (number, id) in self.numbers.range(..below).rev() {
            let Some(job) = self.jobs.get(id) else {
                continue;
            };
            if job.record.phase.is_final() {
                continue;
            }
            found.jobs.push(job_work(job, &self.costs));
            if found.jobs.len() == wanted {
                found.next = number.to_string();
                break;
            }
        }
        Ok(found)
    }
}

fn job_work(job: &Job, costs: &Costs) -> JobWork {
    let record = &job.record;
    let of = WorkOf {
        job: record.id.clone(),
        title: record.title.clone(),
        phase: record.phase,
        deadline_ms: record.urgency.deadline_ms,
        held_max: record.held_max,
        paused: record.paused,
    };
    let left = job.tasks.iter();
    let left = left.filter(|(_, task)| task.state != TaskState::Done);
    let tasks: Vec<TaskLeft<&TaskName>> = left
        .map(|(name, task)| TaskLeft {
            name,
            state: task.state,
            after: before(job, name),
            units: task.units - task.committed.len() as u32,
            unit_micros: costs.of_class(&task.cost_class, task.unit_seconds),
        })
        .collect();
    JobWork::sum(of, &tasks)
}

/// Tasks that this one waits for.
fn before<'a>(job: &'a Job, name: &TaskName) -> Vec<&'a TaskName> {
    let waiting = job.waiting.iter();
    let before = waiting.filter(|(_, waiting)| waiting.contains(name));
    before.map(|(before, _)| before).collect()
}
