//! How a job stands: its record and tasks in the store, and what object storage holds of it.

use model::Failure;
use model::catalog::VersionFile;
use model::job::{JobRecord, Phase, ReviewAnswer};
use model::plan::Plan;
use model::qc::Verdict;
use model::task::{TaskKind, TaskRecord, TaskState};
use std::sync::Arc;

/// Everything that a decision is made from.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView {
    /// The job.
    pub job: JobRecord,
    /// Its tasks.
    pub tasks: Vec<TaskView>,
    /// `plan.json`, once it is there.
    pub plan: Option<Arc<Plan>>,
    /// Result of the qc task; looked for when that task is done.
    pub verdict: Option<Verdict>,
    /// A person's answer; looked for in review.
    pub review: Option<ReviewAnswer>,
    /// The version that the job fills, once it is reserved.
    pub version: Option<VersionFile>,
    /// The phase that `report.json` tells of, and the version of the job in it: a job that was led back
    /// may end in one phase twice. Looked for in final phases.
    pub reported: Option<(Phase, u64)>,
}

/// A task as far as decisions need it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskView {
    /// What it does.
    pub kind: TaskKind,
    /// Where it is.
    pub state: TaskState,
    /// Output frames of its committed units, for the ledger.
    pub frames: u64,
    /// Why it is dead.
    pub failure: Option<Failure>,
}

impl From<&TaskRecord> for TaskView {
    fn from(task: &TaskRecord) -> Self {
        let frames = task
            .committed
            .iter()
            .map(|(_, record)| u64::from(record.frames));
        Self {
            kind: task.kind.clone(),
            state: task.state,
            frames: frames.sum(),
            failure: task.failure.clone(),
        }
    }
}

impl JobView {
    /// Whether a task is there and done.
    pub fn is_done(&self, kind: &TaskKind) -> bool {
        self.tasks
            .iter()
            .any(|task| task.kind == *kind && task.state == TaskState::Done)
    }

    /// Whether a task is there.
    pub fn has(&self, kind: &TaskKind) -> bool {
        self.tasks.iter().any(|task| task.kind == *kind)
    }
}
