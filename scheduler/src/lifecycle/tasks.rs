//! The tasks of a job, made from its plan alone: the same plan always gives the same tasks, so adding
//! them twice changes nothing.

use model::node::builds_digest;
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::EncoderFamily;
use model::task::{NewTask, TaskKind};
use model::{JobId, TaskId, TaskName};

/// Expected seconds of small tasks; only ever compared with those of others.
const SMALL_SECONDS: f64 = 2.0;

/// How much faster than real time sound is decoded, measured and encoded twice.
const AUDIO_SPEED: f64 = 40.0;

/// How much faster than real time a title's bytes are copied or read back.
const COPY_SPEED: f64 = 200.0;

/// The task that reads what the source is. Any node may do it; the plan pins that node's builds.
pub fn probe(job: &JobId) -> NewTask {
    NewTask {
        id: task_id(job, &TaskKind::Probe),
        kind: TaskKind::Probe,
        after: Vec::new(),
        units: 1,
        chunks: std::iter::once(0..1).collect(),
        unit_seconds: SMALL_SECONDS,
        cost_class: String::new(),
        builds: String::new(),
        slot_bytes: 0,
    }
}

/// Everything up to quality control.
pub fn of_plan(plan: &Plan) -> Vec<NewTask> {
    let mut tasks: Vec<NewTask> = Vec::new();
    if let Some(video) = &plan.video {
        let mut groups: Vec<&RenditionGroup> = video.groups.iter().collect();
        // What takes longest is begun first: chunks are granted in the order of their tasks.
        groups.sort_by(|one, other| frame_seconds(other).total_cmp(&frame_seconds(one)));
        tasks.extend(groups.iter().map(|group| encode(plan, video, group)));
    }
    let seconds = plan.duration.as_f64();
    let audio = plan.audio.iter().map(|track| {
        single(
            plan,
            TaskKind::Audio { index: track.index },
            seconds / AUDIO_SPEED,
            &[],
        )
    });
    tasks.extend(audio);
    let text = plan.text.iter().map(|track| {
        single(
            plan,
            TaskKind::Text { index: track.index },
            SMALL_SECONDS,
            &[],
        )
    });
    tasks.extend(text);
    if let Some(lead) = plan.video.as_ref().and_then(|video| video.groups.first()) {
        let lead = TaskKind::Encode {
            group: lead.name.clone(),
        };
        tasks.push(single(plan, TaskKind::Images, SMALL_SECONDS, &[lead]));
    }
    let before: Vec<TaskKind> = tasks.iter().map(|task| task.kind.clone()).collect();
    tasks.push(single(plan, TaskKind::Qc, SMALL_SECONDS, &before));
    tasks
}

/// What makes a version of what passed quality control.
pub fn of_version(plan: &Plan) -> Vec<NewTask> {
    let seconds = plan.duration.as_f64() / COPY_SPEED;
    vec![
        single(plan, TaskKind::Package, seconds, &[TaskKind::Qc]),
        single(plan, TaskKind::Verify, seconds, &[TaskKind::Package]),
    ]
}

fn encode(plan: &Plan, video: &VideoPlan, group: &RenditionGroup) -> NewTask {
    let kind = TaskKind::Encode {
        group: group.name.clone(),
    };
    let frames = f64::from(video.grid.segment_frames);
    NewTask {
        id: task_id(&plan.job, &kind),
        kind,
        after: Vec::new(),
        units: video.grid.segments(),
        chunks: video.chunks.clone(),
        unit_seconds: frames * frame_seconds(group),
        cost_class: cost_class(video, group),
        builds: builds_digest(&plan.builds),
        slot_bytes: model::memory::of_group(video, group),
    }
}

/// What decides how long a segment takes, but for its pictures and the node.
fn cost_class(video: &VideoPlan, group: &RenditionGroup) -> String {
    let track = &video.track;
    let (width, height, frames) = (track.width, track.height, video.grid.segment_frames);
    let mut class = format!("{frames} of {width}x{height} {}", track.codec);
    for one in &group.renditions {
        let family = one.family.as_str();
        class += &format!(" {}x{} {family} {}", one.width, one.height, one.preset);
    }
    class
}

/// Expected seconds for one frame of all renditions of a group on one core: samples by the speed of
/// the family at its usual preset. Right within a factor of three, which is enough to rank chunks.
fn frame_seconds(group: &RenditionGroup) -> f64 {
    let one = |rendition: &model::rendition::Rendition| {
        let samples_per_second = match rendition.family {
            EncoderFamily::X264 => 40e6,
            EncoderFamily::X265 => 8e6,
            EncoderFamily::Rav1e => 7e6,
        };
        f64::from(rendition.width) * f64::from(rendition.height) / samples_per_second
    };
    group.renditions.iter().map(one).sum()
}

fn single(plan: &Plan, kind: TaskKind, seconds: f64, after: &[TaskKind]) -> NewTask {
    NewTask {
        id: task_id(&plan.job, &kind),
        after: after.iter().map(|kind| task_id(&plan.job, kind)).collect(),
        kind,
        units: 1,
        chunks: std::iter::once(0..1).collect(),
        unit_seconds: seconds.max(0.1),
        cost_class: String::new(),
        builds: builds_digest(&plan.builds),
        slot_bytes: 0,
    }
}

fn task_id(job: &JobId, kind: &TaskKind) -> TaskId {
    let name = TaskName::new(kind.name()).expect("names of kinds and codecs are identifiers");
    TaskId::new(job.clone(), name)
}
