//! The life of a job, driven by decisions alone: a world in which tasks get done, die, and people
//! answer, and in which every decision may be asked for again at any time.

use super::{Action, JobView, TaskView, decide, of_plan};
use crate::policy::plan::plan;
use model::catalog::VersionFile;
use model::job::{JobRecord, Phase, ReviewAnswer, Urgency};
use model::plan::{BuildIds, Plan, Ticket};
use model::profile::Profile;
use model::qc::{self, Verdict};
use model::source::{AudioTrack, SourceInfo};
use model::task::{TaskKind, TaskState};
use model::{Failure, FailureKind, JobId, Rational, TenantId, TitleId};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::sync::Arc;

fn a_plan() -> Plan {
    let audio = AudioTrack {
        stream: 0,
        codec: "pcm_s16le".to_owned(),
        sample_rate: 48_000,
        channels: 2,
        layout: "stereo".to_owned(),
        language: "en".to_owned(),
        title: String::new(),
        is_default: true,
        start: Rational::ZERO,
        duration: Rational::whole(10),
    };
    let source = SourceInfo {
        sha256: String::new(),
        size_bytes: 1,
        container: "wav".to_owned(),
        video: None,
        audio: vec![audio],
        text: Vec::new(),
        notes: Vec::new(),
    };
    let ticket = Ticket {
        job: JobId::new("j1").unwrap(),
        tenant: TenantId::new("t").unwrap(),
        title: TitleId::new("song").unwrap(),
        source_url: "file:///song.wav".to_owned(),
        sidecars: Vec::new(),
        profile: Profile::built_in("web").unwrap(),
        urgency: Urgency::of(50),
        held_max: None,
        webhook_url: String::new(),
        traceparent: String::new(),
        accepted_at_ms: 0,
    };
    plan(&ticket, &source, &BuildIds::new(), 1).unwrap()
}

fn new_view() -> JobView {
    let job = JobRecord {
        id: JobId::new("j1").unwrap(),
        tenant: TenantId::new("t").unwrap(),
        title: TitleId::new("song").unwrap(),
        profile: "web".to_owned(),
        source_url: String::new(),
        urgency: Urgency::of(50),
        held_max: None,
        paused: false,
        traceparent: String::new(),
        phase: Phase::Probing,
        failed_in: None,
        version: 1,
        failure: None,
        title_version: 0,
        accepted_at_ms: 0,
        changed_at_ms: 0,
        units: 0,
        units_done: 0,
    };
    JobView {
        job,
        tasks: Vec::new(),
        plan: None,
        verdict: None,
        review: None,
        version: None,
        reported: None,
    }
}

fn verdict(action: qc::Action) -> Verdict {
    Verdict {
        action,
        findings: Vec::new(),
        checked: 1,
        not_applicable: Vec::new(),
    }
}

/// The steps that a decision may take.
const ARROWS: [(Phase, Phase); 14] = [
    (Phase::Probing, Phase::Probing),
    (Phase::Probing, Phase::Processing),
    (Phase::Probing, Phase::Failed),
    (Phase::Processing, Phase::Processing),
    (Phase::Processing, Phase::Review),
    (Phase::Processing, Phase::Packaging),
    (Phase::Processing, Phase::Rejected),
    (Phase::Processing, Phase::Failed),
    (Phase::Review, Phase::Packaging),
    (Phase::Review, Phase::Rejected),
    (Phase::Review, Phase::Failed),
    (Phase::Packaging, Phase::Packaging),
    (Phase::Packaging, Phase::Published),
    (Phase::Packaging, Phase::Failed),
];

#[test]
fn the_store_takes_the_steps_of_decisions_and_cancellations_and_no_others() {
    for from in Phase::ALL {
        for to in Phase::ALL {
            let is_cancellation = !from.is_final() && to == Phase::Cancelled;
            let may = is_cancellation || ARROWS.contains(&(from, to));
            assert_eq!(from.leads_to(to), may, "{from} to {to}");
        }
    }
}

/// Carries an action out as the driver would, in memory; counts publishes.
fn perform(view: &mut JobView, action: &Action, published: &mut u32) {
    match action {
        Action::MakePlan => view.plan = Some(Arc::new(a_plan())),
        Action::ReserveVersion => {
            view.version = Some(VersionFile {
                job: view.job.id.clone(),
                version: 1,
            });
        }
        Action::Publish => *published += 1,
        Action::Report => view.reported = Some((view.job.phase, view.job.version)),
        Action::Advance(advance) => {
            assert_eq!(
                advance.from, view.job.phase,
                "a step from where the job is not"
            );
            let (from, to) = (advance.from, advance.to);
            assert!(ARROWS.contains(&(from, to)), "a step from {from} to {to}");
            for task in &advance.add {
                if !view.has(&task.kind) {
                    let state = if task.after.is_empty() {
                        TaskState::Open
                    } else {
                        TaskState::Blocked
                    };
                    view.tasks.push(TaskView {
                        kind: task.kind.clone(),
                        state,
                        frames: 0,
                        failure: None,
                    });
                }
            }
            view.job.phase = advance.to;
            view.job.failure = advance.failure.clone();
        }
    }
}

/// Decides and performs until there is nothing to do.
fn settle(view: &mut JobView, published: &mut u32) {
    for _ in 0..20 {
        let actions = decide(view);
        if actions.is_empty() {
            return;
        }
        for action in &actions {
            perform(view, action, published);
        }
    }
    panic!("never comes to rest: {view:?}");
}

fn finish(view: &mut JobView, kind: &TaskKind) {
    let task = view.tasks.iter_mut().find(|task| task.kind == *kind);
    task.unwrap_or_else(|| panic!("{kind:?} was not added"))
        .state = TaskState::Done;
}

fn life(qc: qc::Action, review: Option<ReviewAnswer>) -> (JobView, u32) {
    let (mut view, mut published) = (new_view(), 0);
    settle(&mut view, &mut published);
    finish(&mut view, &TaskKind::Probe);
    settle(&mut view, &mut published);
    assert_eq!(view.job.phase, Phase::Processing);
    finish(&mut view, &TaskKind::Audio { index: 0 });
    view.verdict = Some(verdict(qc));
    finish(&mut view, &TaskKind::Qc);
    settle(&mut view, &mut published);
    if view.job.phase == Phase::Review && review.is_some() {
        view.review = review;
        settle(&mut view, &mut published);
    }
    if view.job.phase == Phase::Packaging {
        assert_eq!(published, 0, "published before it was verified");
        finish(&mut view, &TaskKind::Package);
        settle(&mut view, &mut published);
        assert_eq!(published, 0, "published before it was verified");
        finish(&mut view, &TaskKind::Verify);
        settle(&mut view, &mut published);
    }
    (view, published)
}

#[test]
fn what_passes_is_published_once_and_reported() {
    let (view, published) = life(qc::Action::Pass, None);
    assert_eq!((view.job.phase, published), (Phase::Published, 1));
    assert_eq!(view.reported, Some((Phase::Published, 1)));
}

#[test]
fn a_second_end_in_the_same_phase_is_reported_anew() {
    let job = JobRecord {
        phase: Phase::Failed,
        version: 7,
        ..new_view().job
    };
    let reported = |version| JobView {
        job: job.clone(),
        reported: Some((Phase::Failed, version)),
        ..new_view()
    };
    assert_eq!(decide(&reported(5)), [Action::Report]);
    assert_eq!(decide(&reported(7)), []);
}

#[test]
fn what_is_flagged_waits_for_a_person() {
    assert_eq!(life(qc::Action::Flag, None).0.job.phase, Phase::Review);
    let (view, published) = life(qc::Action::Flag, Some(ReviewAnswer::Approve));
    assert_eq!((view.job.phase, published), (Phase::Published, 1));
    let (view, published) = life(qc::Action::Flag, Some(ReviewAnswer::Reject));
    assert_eq!((view.job.phase, published), (Phase::Rejected, 0));
    assert_eq!(view.job.failure.unwrap().kind, FailureKind::Policy);
}

#[test]
fn what_is_rejected_is_never_packaged() {
    let (view, published) = life(qc::Action::Reject, None);
    assert_eq!((view.job.phase, published), (Phase::Rejected, 0));
    assert!(!view.has(&TaskKind::Package));
}

#[test]
fn a_dead_task_fails_the_job_with_its_failure() {
    let (mut view, mut published) = (new_view(), 0);
    settle(&mut view, &mut published);
    view.tasks[0].state = TaskState::Dead;
    let failure = Failure::new(FailureKind::BadInput, "probe", "moov is missing");
    view.tasks[0].failure = Some(failure.clone());
    settle(&mut view, &mut published);
    assert_eq!(
        (view.job.phase, view.job.failure),
        (Phase::Failed, Some(failure))
    );
}

#[test]
fn a_plan_that_is_there_is_used_without_a_probe() {
    let mut view = JobView {
        plan: Some(Arc::new(a_plan())),
        ..new_view()
    };
    settle(&mut view, &mut 0);
    assert_eq!(view.job.phase, Phase::Processing);
    assert!(!view.has(&TaskKind::Probe));
}

#[test]
fn quality_control_waits_for_everything_and_images_for_the_lead_group() {
    let tasks = of_plan(&a_plan());
    let qc = tasks.iter().find(|task| task.kind == TaskKind::Qc).unwrap();
    assert_eq!(qc.after.len(), tasks.len() - 1);
    assert!(
        tasks
            .iter()
            .all(|task| task.kind == TaskKind::Probe || !task.builds.is_empty())
    );
}

#[test]
fn what_storage_lost_ends_the_job_with_its_name() {
    let job = JobRecord {
        phase: Phase::Processing,
        ..new_view().job
    };
    let mut view = JobView { job, ..new_view() };
    settle(&mut view, &mut 0);
    assert_eq!(view.job.phase, Phase::Failed);
    assert!(view.job.failure.unwrap().message.contains("plan.json"));
}

/// Something that happens to a job from outside.
#[derive(Debug, Clone)]
enum Event {
    Done(usize),
    Dead(usize),
    Cancelled,
    Answered(ReviewAnswer),
    Looked,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => any::<usize>().prop_map(Event::Done),
        1 => any::<usize>().prop_map(Event::Dead),
        1 => Just(Event::Cancelled),
        2 => Just(Event::Answered(ReviewAnswer::Approve)),
        1 => Just(Event::Answered(ReviewAnswer::Reject)),
        3 => Just(Event::Looked),
    ]
}

fn happen(view: &mut JobView, event: &Event) {
    match event {
        Event::Done(index) | Event::Dead(index) if !view.tasks.is_empty() => {
            let index = index % view.tasks.len();
            let task = &mut view.tasks[index];
            if task.state != TaskState::Done {
                let dead = matches!(event, Event::Dead(_));
                task.state = if dead {
                    TaskState::Dead
                } else {
                    TaskState::Done
                };
            }
        }
        Event::Cancelled if !view.job.phase.is_final() => view.job.phase = Phase::Cancelled,
        Event::Answered(answer) if view.job.phase == Phase::Review => view.review = Some(*answer),
        _ => {}
    }
}

proptest! {
    #[test]
    fn whatever_happens_every_step_is_legal_and_a_repetition_changes_nothing(
        events in proptest::collection::vec(any_event(), 0..60),
        action in prop_oneof![
            Just(qc::Action::Pass), Just(qc::Action::Flag), Just(qc::Action::Reject)
        ],
    ) {
        let (mut view, mut published) = (new_view(), 0);
        view.verdict = Some(verdict(action));
        for event in &events {
            let before = view.job.phase;
            settle(&mut view, &mut published);
            if before.is_final() {
                prop_assert_eq!(before, view.job.phase);
            }
            let rested = view.clone();
            settle(&mut view, &mut published);
            prop_assert_eq!(&rested, &view);
            happen(&mut view, event);
        }
        prop_assert!(published <= 1);
        prop_assert_eq!(published == 1, view.job.phase == Phase::Published);
    }

    #[test]
    fn a_job_whose_tasks_get_done_always_reaches_an_end(order in any::<u64>()) {
        let (mut view, mut published) = (new_view(), 0);
        view.verdict = Some(verdict(qc::Action::Flag));
        let mut seed = order;
        for _ in 0..40 {
            settle(&mut view, &mut published);
            view.review = Some(ReviewAnswer::Approve);
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let open: Vec<usize> = (0..view.tasks.len())
                .filter(|&index| view.tasks[index].state != TaskState::Done)
                .collect();
            if !open.is_empty() {
                view.tasks[open[seed as usize % open.len()]].state = TaskState::Done;
            }
        }
        prop_assert_eq!(view.job.phase, Phase::Published);
        prop_assert_eq!(view.reported, Some((Phase::Published, 1)));
    }
}
