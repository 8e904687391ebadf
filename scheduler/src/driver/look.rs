//! Looks how a job stands. Reads from storage only what a decision in the job's phase can need.

use crate::Result;
use crate::farm::Farm;
use crate::lifecycle::{JobView, TaskView};
use model::catalog::Report;
use model::job::Phase;
use model::qc::Verdict;
use model::task::{TaskKind, TaskState};
use model::{JobId, TaskId, TaskName, layout};

pub(super) async fn look(farm: &Farm, job: &JobId) -> Result<JobView> {
    let record = farm.store().job(job).await?;
    let tasks: Vec<TaskView> = farm
        .store()
        .tasks(job)
        .await?
        .iter()
        .map(TaskView::from)
        .collect();
    let storage = farm.storage();
    let phase = record.phase;
    let checked = tasks
        .iter()
        .any(|task| task.kind == TaskKind::Qc && task.state == TaskState::Done);
    // Looked for late: a job is looked at with every commit, and a read of storage is not free.
    let numbered = checked && !phase.is_final();
    Ok(JobView {
        plan: if phase.is_final() {
            None
        } else {
            farm.plan(job).await?
        },
        verdict: if checked {
            verdict(farm, job).await?
        } else {
            None
        },
        review: match phase {
            Phase::Review => storage.find_json(&layout::review(job)).await?,
            _ => None,
        },
        version: match numbered {
            true => storage.find_json(&layout::job_version(job)).await?,
            false => None,
        },
        reported: match phase.is_final() {
            true => storage
                .find_json::<Report>(&layout::report(job))
                .await?
                .map(|report| (report.job.phase, report.job.version)),
            false => None,
        },
        job: record,
        tasks,
    })
}

/// What quality control said, once it did.
pub(crate) async fn verdict(farm: &Farm, job: &JobId) -> Result<Option<Verdict>> {
    let name = TaskName::new(TaskKind::Qc.name()).expect("a constant identifier");
    let path = layout::task_result(&TaskId::new(job.clone(), name));
    Ok(farm.storage().find_json(&path).await?)
}
