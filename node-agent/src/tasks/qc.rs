//! Gathers the facts of a job and evaluates the rules of its profile. The evaluation is the
//! pipeline's, and pure; no byte of the source is looked at again, unless facts were damaged since.

use super::committed::{Committed, Depth};
use super::context::Context;
use super::single::Outcome;
use crate::agent::{Attempt, Stop};
use model::facts::AudioFacts;
use std::collections::BTreeMap;

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let from = Committed {
        context,
        attempt,
        loaded: &loaded,
    };
    let mut committed = BTreeMap::new();
    let mut pictures = Vec::new();
    if let Some(video) = &plan.video {
        pictures = from.pictures(video).await?;
        for group in &video.groups {
            let all = from.segments(video, group).await?;
            for (rendition, facts) in group.renditions.iter().zip(all) {
                let frames = facts.iter().map(|facts| u64::from(facts.frames)).sum();
                committed.insert(rendition.id.clone(), frames);
            }
        }
    }
    let mut audio: Vec<AudioFacts> = Vec::new();
    for track in &plan.audio {
        audio.extend(from.sound(track, Depth::Facts).await?);
    }
    let verdict = pipeline::qc::evaluate(plan, &pictures, &committed, &audio);
    Ok(Outcome::write(context, attempt, &verdict, false).await?)
}
