//! Makes all outputs of a sound track.

use super::allowance::Allowance;
use super::context::Context;
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::worker::message::Work;
use model::facts::AudioFacts;
use model::plan::{AudioPlan, Plan};
use model::{Failure, FailureKind, content_key};
use std::collections::BTreeMap;

pub(super) async fn run(context: &Context, attempt: &Attempt, index: u32) -> Result<Outcome, Stop> {
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
    if let Some(found) = found(context, &keys).await? {
        return Ok(Outcome::write(context, attempt, &found, true).await?);
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
    let mut put: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    while let Some((output, bytes)) = running.piece(attempt).await? {
        let key = keys
            .iter()
            .find(|(id, _)| *id == output)
            .map(|(_, key)| key);
        let key = key.ok_or_else(|| wrong(format!("worker made an unknown output {output}")))?;
        let size = bytes.len() as u64;
        let sha256 = context.pieces.put_bytes(key, "m4s", bytes).await?;
        put.entry(output).or_default().push((sha256, size));
    }
    let made: Vec<AudioFacts> = running.parsed(attempt).await?;
    check(&made, &keys, &put)?;
    for facts in &made {
        context.pieces.put_facts(&facts.key, facts).await?;
    }
    Ok(Outcome::write(context, attempt, &made, false).await?)
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
) -> Result<Option<Vec<AudioFacts>>, Failure> {
    let mut all = Vec::with_capacity(keys.len());
    for (_, key) in keys {
        match reuse::audio(context, key).await? {
            Some(facts) => all.push(facts),
            None => return Ok(None),
        }
    }
    Ok(Some(all))
}

/// The facts must name exactly what was sent, in order, under the keys of the plan.
fn check(
    made: &[AudioFacts],
    keys: &[(String, String)],
    put: &BTreeMap<String, Vec<(String, u64)>>,
) -> Result<(), Failure> {
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
        let named = facts
            .segments
            .iter()
            .map(|segment| (&segment.sha256, segment.size_bytes));
        let sent = put.get(&facts.id).into_iter().flatten();
        if !named.eq(sent.map(|(sha256, size)| (sha256, *size))) {
            return Err(wrong(format!(
                "facts of {} do not name the segments that came",
                facts.id
            )));
        }
    }
    Ok(())
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::NodeFault, "audio", message)
}
