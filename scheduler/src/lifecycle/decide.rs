//! The decision. Every action may be done twice; after each the job is looked at anew, so a crash
//! between two of them loses nothing.

use super::view::{JobView, TaskView};
use super::{of_plan, of_version, probe};
use model::job::{Phase, ReviewAnswer};
use model::plan::Plan;
use model::qc;
use model::task::{NewTask, TaskKind, TaskState};
use model::{Failure, FailureKind};
use store::Advance;

/// The closed list of what a scheduler does to a job.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Makes the plan from the probe's result and writes it, unless there is one.
    MakePlan,
    /// Reserves the number of a version of the title for this job, unless it has one.
    ReserveVersion,
    /// Points the catalog to the version of this job, unless it did so before.
    Publish,
    /// Takes a step in the store.
    Advance(Advance),
    /// Writes what came of the job.
    Report,
}

/// Decides what is to be done now. Nothing means that the job waits for its tasks or a person, or that
/// all is done.
pub fn decide(view: &JobView) -> Vec<Action> {
    let phase = view.job.phase;
    if phase.is_final() {
        let told = view.reported == Some((phase, view.job.version));
        return if told {
            Vec::new()
        } else {
            vec![Action::Report]
        };
    }
    if let Some(failure) = dead_task(view) {
        return vec![end(view, Phase::Failed, failure)];
    }
    match phase {
        Phase::Probing => probing(view),
        Phase::Processing => processing(view),
        Phase::Review => review(view),
        Phase::Packaging => packaging(view),
        Phase::Published | Phase::Rejected | Phase::Failed | Phase::Cancelled => Vec::new(),
    }
}

fn dead_task(view: &JobView) -> Option<Failure> {
    let dead = view
        .tasks
        .iter()
        .find(|task| task.state == TaskState::Dead)?;
    Some(dead.failure.clone().unwrap_or_else(|| {
        Failure::new(
            FailureKind::Bug,
            dead.kind.name(),
            "the task is dead without a failure",
        )
    }))
}

fn probing(view: &JobView) -> Vec<Action> {
    if let Some(plan) = &view.plan {
        return vec![step(view, Phase::Processing, of_plan(plan))];
    }
    if view.is_done(&TaskKind::Probe) {
        return vec![Action::MakePlan];
    }
    if !view.has(&TaskKind::Probe) {
        return vec![step(view, Phase::Probing, vec![probe(&view.job.id)])];
    }
    Vec::new()
}

fn processing(view: &JobView) -> Vec<Action> {
    let Some(plan) = &view.plan else {
        return vec![lost(view, "plan.json is not in storage")];
    };
    let missing: Vec<NewTask> = of_plan(plan)
        .into_iter()
        .filter(|task| !view.has(&task.kind))
        .collect();
    if !missing.is_empty() {
        return vec![step(view, Phase::Processing, missing)];
    }
    if !view.is_done(&TaskKind::Qc) {
        return Vec::new();
    }
    let Some(verdict) = &view.verdict else {
        return vec![lost(view, "the verdict is not in storage")];
    };
    match verdict.action {
        qc::Action::Pass => to_packaging(view),
        qc::Action::Flag => vec![step(view, Phase::Review, Vec::new())],
        qc::Action::Reject => {
            vec![end(
                view,
                Phase::Rejected,
                refusal("qc", &findings(verdict, qc::Action::Reject)),
            )]
        }
    }
}

fn review(view: &JobView) -> Vec<Action> {
    match view.review {
        None => Vec::new(),
        Some(ReviewAnswer::Approve) => to_packaging(view),
        Some(ReviewAnswer::Reject) => {
            let found = view
                .verdict
                .as_ref()
                .map(|verdict| findings(verdict, qc::Action::Flag));
            let message = format!("a person said no; {}", found.unwrap_or_default());
            vec![end(view, Phase::Rejected, refusal("review", &message))]
        }
    }
}

fn to_packaging(view: &JobView) -> Vec<Action> {
    let Some(plan) = &view.plan else {
        return vec![lost(view, "plan.json is not in storage")];
    };
    if let Some(failure) = unbalanced(view, plan) {
        return vec![end(view, Phase::Failed, failure)];
    }
    let Some(version) = &view.version else {
        return vec![Action::ReserveVersion];
    };
    vec![Action::Advance(Advance {
        title_version: Some(version.version),
        ..advance(view, Phase::Packaging, of_version(plan))
    })]
}

/// The ledger: every planned frame of every group was committed, exactly once. Neither quality control
/// nor a person can overrule it.
fn unbalanced(view: &JobView, plan: &Plan) -> Option<Failure> {
    let planned = u64::from(plan.video.as_ref()?.grid.frames);
    let encoded = |task: &&TaskView| matches!(task.kind, TaskKind::Encode { .. });
    let wrong = view
        .tasks
        .iter()
        .filter(encoded)
        .find(|task| task.frames != planned)?;
    let message = format!(
        "{} frames were committed and {planned} planned",
        wrong.frames
    );
    Some(Failure::new(FailureKind::Bug, wrong.kind.name(), message))
}

fn packaging(view: &JobView) -> Vec<Action> {
    if view.version.is_none() {
        return vec![lost(view, "version.json is not in storage")];
    }
    if view.is_done(&TaskKind::Verify) {
        return vec![Action::Publish, step(view, Phase::Published, Vec::new())];
    }
    let Some(plan) = &view.plan else {
        return vec![lost(view, "plan.json is not in storage")];
    };
    let missing: Vec<NewTask> = of_version(plan)
        .into_iter()
        .filter(|task| !view.has(&task.kind))
        .collect();
    if missing.is_empty() {
        Vec::new()
    } else {
        vec![step(view, Phase::Packaging, missing)]
    }
}

fn advance(view: &JobView, to: Phase, add: Vec<NewTask>) -> Advance {
    Advance {
        from: view.job.phase,
        to,
        add,
        failure: None,
        title_version: None,
    }
}

fn step(view: &JobView, to: Phase, add: Vec<NewTask>) -> Action {
    Action::Advance(advance(view, to, add))
}

fn end(view: &JobView, to: Phase, failure: Failure) -> Action {
    Action::Advance(Advance {
        failure: Some(failure),
        ..advance(view, to, Vec::new())
    })
}

fn lost(view: &JobView, what: &str) -> Action {
    end(
        view,
        Phase::Failed,
        Failure::new(FailureKind::Storage, view.job.phase.as_str(), what),
    )
}

fn refusal(place: &str, message: &str) -> Failure {
    Failure::new(FailureKind::Policy, place, message)
}

/// The findings that weigh at least as much as `action`, in one line.
fn findings(verdict: &qc::Verdict, action: qc::Action) -> String {
    let grave = verdict
        .findings
        .iter()
        .filter(|finding| finding.action >= action);
    let lines: Vec<String> = grave
        .map(|finding| format!("{}: {}", finding.track, finding.message))
        .collect();
    if lines.is_empty() {
        "no finding was given".to_owned()
    } else {
        lines.join("; ")
    }
}
