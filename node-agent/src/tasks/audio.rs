//! Makes all outputs of a sound track.

use super::allowance::Allowance;
use super::claims::{self, Claim};
use super::context::Context;
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::worker::message::Work;
use model::facts::{AudioFacts, AudioSegment};
use model::plan::{AudioPlan, Plan};
use model::{Failure, FailureKind, content_key};
use std::collections::BTreeMap;

pub(super) async fn run(context: &Context, attempt: &Attempt, index: u32) -> Result<Outcome, Stop> {
    let (facts, reused) = make(context, attempt, index).await?;
    Ok(Outcome::write(context, attempt, &facts, reused).await?)
}

/// Finds or makes the outputs of a track; says whether they were found.
pub(super) async fn make(
    context: &Context,
    attempt: &Attempt,
    index: u32,
) -> Result<(Vec<AudioFacts>, bool), Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let track = plan
        .audio
        .iter()
        .find(|track| track.index == index)
        .ok_or_else(|| {
            Failure::new(
                FailureKind::Bug,
                "audio",
                format!("the plan has no sound track {index}"),
            )
        })?;
    let keys = keys(plan, track);
    let planned = |facts: &AudioFacts| check_planned(facts, track, plan);
    if let Some(found) = found(context, &keys, planned).await? {
        return Ok((found, true));
    }
    let source = Some(context.planned_source(plan).await?);
    let given = Given {
        plan: loaded.json.clone(),
        source,
        allowance: Allowance::of_sound(&track.outputs, plan.audio_borders.len(), plan.duration),
        ..Given::default()
    };
    let work = Work::Audio { index };
    let mut running = Running::start(context, attempt, work, given).await?;
    let mut sent = Sent::new();
    while let Some((output, bytes)) = running.piece(attempt).await? {
        let key = keys
            .iter()
            .find(|(id, _)| *id == output)
            .map(|(_, key)| key);
        let key = key.ok_or_else(|| wrong(format!("worker made an unknown output {output:?}")))?;
        let before = sent.entry(output).or_default();
        let segment = claims::sound_segment(due(before), &bytes).map_err(wrong)?;
        let sha256 = context.pieces.put_bytes(key, "m4s", bytes).await?;
        before.push(AudioSegment { sha256, ..segment });
    }
    let made: Vec<AudioFacts> = running.parsed(attempt).await?;
    check(&made, &keys, &sent)?;
    made.iter().try_for_each(planned).map_err(wrong)?;
    for facts in &made {
        reuse::keep(context, facts, planned).await?;
    }
    Ok((made, false))
}

/// Segments of each output as they were read from the bytes that came.
type Sent = BTreeMap<String, Vec<AudioSegment>>;

/// Start and number of the next segment.
fn due(before: &[AudioSegment]) -> (u64, u64) {
    let end = before
        .last()
        .map_or(0, |last| last.base_decode_time + last.duration);
    (end, before.len() as u64 + 1)
}

fn keys(plan: &Plan, track: &AudioPlan) -> Vec<(String, String)> {
    let key = |output| content_key::of_audio(plan, track, output);
    track
        .outputs
        .iter()
        .map(|output| (output.id.clone(), key(output)))
        .collect()
}

async fn found(
    context: &Context,
    keys: &[(String, String)],
    planned: impl Fn(&AudioFacts) -> Claim,
) -> Result<Option<Vec<AudioFacts>>, Failure> {
    let mut all = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        match reuse::find(context, key, &planned).await? {
            Some(facts) => all.push(facts),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// The facts must be of exactly what was sent, in order, under the keys of the plan.
fn check(made: &[AudioFacts], keys: &[(String, String)], sent: &Sent) -> Result<(), Failure> {
    let said: Vec<(&str, &str)> = made
        .iter()
        .map(|facts| (facts.id.as_str(), facts.key.as_str()))
        .collect();
    let planned: Vec<(&str, &str)> = keys
        .iter()
        .map(|(id, key)| (id.as_str(), key.as_str()))
        .collect();
    if said != planned {
        return Err(wrong(format!(
            "worker made {said:?}, planned are {planned:?}"
        )));
    }
    for facts in made {
        if sent.get(&facts.id) != Some(&facts.segments) {
            return Err(wrong(format!(
                "facts of {} do not name the segments that came",
                facts.id
            )));
        }
        claims::sound(facts).map_err(wrong)?;
    }
    Ok(())
}

/// The facts must be of an output that the plan asks for.
pub(super) fn check_planned(facts: &AudioFacts, track: &AudioPlan, plan: &Plan) -> Claim {
    let bounds = (plan.duration, plan.audio_borders.len());
    let mut outputs = track.outputs.iter();
    let output = outputs.find(|output| output.id == facts.id);
    let output = output.ok_or_else(|| format!("no output {:?} is planned", facts.id))?;
    claims::planned_sound(facts, output, bounds)
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::NodeFault, "audio", message)
}
