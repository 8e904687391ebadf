//! Makes sprites and poster from the tiles that the encode task left behind.

use super::allowance::Allowance;
use super::context::{Context, in_order};
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::transfer::digest;
use crate::worker::message::Work;
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{ImageFacts, PictureFacts};
use model::plan::{Plan, VideoPlan};
use model::{Failure, FailureKind, content_key, layout};
use std::collections::BTreeSet;

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let video = plan
        .video
        .as_ref()
        .ok_or_else(|| Failure::new(FailureKind::Bug, "images", "the plan has no pictures"))?;
    let key = content_key::of_images(plan, video);
    if let Some(found) = reuse::images(context, &key).await? {
        return Ok(Outcome::write(context, attempt, &found, true).await?);
    }
    let followers = tiles(context, plan, video).await?;
    let segments = u32::try_from(followers.len()).unwrap_or(u32::MAX);
    let source = Some(context.planned_source(plan).await?);
    let given = Given {
        plan: loaded.json.clone(),
        source,
        followers,
        allowance: Allowance::of_images(&plan.profile.images, video.grid.frames, plan.tile_frames),
    };
    let mut running = Running::start(context, attempt, Work::Images { segments }, given).await?;
    let mut put = BTreeSet::new();
    while let Some((_, bytes)) = running.piece(attempt).await? {
        let size = bytes.len() as u64;
        put.insert((context.pieces.put_bytes(&key, "jpg", bytes).await?, size));
    }
    let made: ImageFacts = running.parsed(attempt).await?;
    let named = made.sheets.iter().chain(&made.poster);
    let named: BTreeSet<_> = named
        .map(|file| (file.sha256.clone(), file.size_bytes))
        .collect();
    if made.key != key || named != put {
        let message = "facts do not name the pictures that came";
        return Err(Failure::new(FailureKind::NodeFault, "images", message).into());
    }
    context.pieces.put_facts(&key, &made).await?;
    Ok(Outcome::write(context, attempt, &made, false).await?)
}

/// Facts of all segments, in order.
pub(super) async fn all_pictures(
    context: &Context,
    plan: &Plan,
    video: &VideoPlan,
) -> Result<Vec<PictureFacts>, Failure> {
    let facts = |segment| {
        let path = layout::facts(&content_key::of_pictures(plan, video, segment));
        async move { context.pieces.get_json(&path).await }.boxed()
    };
    in_order((0..video.grid.segments()).map(facts)).await
}

/// Facts and tiles of all segments, in order. A tile takes 14 KB: a three-hour title with a tile every
/// ten seconds 15 MB.
async fn tiles(
    context: &Context,
    plan: &Plan,
    video: &VideoPlan,
) -> Result<Vec<(PictureFacts, Bytes)>, Failure> {
    let facts = all_pictures(context, plan, video).await?;
    in_order(
        facts
            .into_iter()
            .map(|facts| with_tiles(context, facts).boxed()),
    )
    .await
}

async fn with_tiles(
    context: &Context,
    facts: PictureFacts,
) -> Result<(PictureFacts, Bytes), Failure> {
    if facts.tiles.is_empty() {
        return Ok((facts, Bytes::new()));
    }
    let path = layout::bytes(&facts.key, &facts.tiles_sha256, "tiles");
    let bytes = context.pieces.get(&path).await?;
    if digest(&bytes) == facts.tiles_sha256 {
        return Ok((facts, bytes));
    }
    let message = format!("{path} is not what its name says");
    Err(Failure::new(FailureKind::Storage, "images", message))
}
