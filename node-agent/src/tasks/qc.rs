//! Gathers the facts of a job and evaluates the rules of its profile. The evaluation is the
//! pipeline's, and pure; no byte of the source is looked at again.

use super::context::{Context, in_order};
use super::images::all_pictures;
use super::single::Outcome;
use crate::agent::{Attempt, Stop};
use futures::FutureExt;
use model::facts::{AudioFacts, SegmentFacts};
use model::plan::{Plan, RenditionGroup, VideoPlan};
use model::rendition::Rendition;
use model::task::TaskKind;
use model::{Failure, FailureKind, TaskId, TaskName, content_key, layout};
use std::collections::BTreeMap;

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let loaded = context.plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let mut committed = BTreeMap::new();
    let mut pictures = Vec::new();
    if let Some(video) = &plan.video {
        pictures = all_pictures(context, plan, video).await?;
        for group in &video.groups {
            for rendition in &group.renditions {
                let facts = segments(context, plan, video, (group, rendition)).await?;
                let frames = facts.iter().map(|facts| u64::from(facts.frames)).sum();
                committed.insert(rendition.id.clone(), frames);
            }
        }
    }
    let audio: Vec<AudioFacts> = audio(context, plan).await?.into_iter().flatten().collect();
    let verdict = pipeline::qc::evaluate(plan, &pictures, &committed, &audio);
    Ok(Outcome::write(context, attempt, &verdict, false).await?)
}

/// Where a task of the same job wrote its result.
pub(super) fn result_of(plan: &Plan, kind: &TaskKind) -> Result<String, Failure> {
    let name = TaskName::new(kind.name())
        .map_err(|e| Failure::new(FailureKind::Bug, "plan", e.to_string()))?;
    Ok(layout::task_result(&TaskId::new(plan.job.clone(), name)))
}

/// Facts of all segments of a rendition, in order.
pub(super) async fn segments(
    context: &Context,
    plan: &Plan,
    video: &VideoPlan,
    (group, rendition): (&RenditionGroup, &Rendition),
) -> Result<Vec<SegmentFacts>, Failure> {
    let facts = |segment| {
        let key = content_key::of_segment(plan, video, group, rendition, segment);
        let path = layout::facts(&key);
        async move { context.pieces.get_json(&path).await }.boxed()
    };
    in_order((0..video.grid.segments()).map(facts)).await
}

/// Facts of all outputs of each sound track, in the order of the plan.
pub(super) async fn audio(context: &Context, plan: &Plan) -> Result<Vec<Vec<AudioFacts>>, Failure> {
    let mut all = Vec::new();
    for track in &plan.audio {
        let path = result_of(plan, &TaskKind::Audio { index: track.index })?;
        all.push(context.pieces.get_json(&path).await?);
    }
    Ok(all)
}
