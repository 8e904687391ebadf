//! Makes sprites and poster from the tiles that the encode task left behind.

use super::allowance::Allowance;
use super::claims;
use super::context::{Context, in_order};
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::transfer::{digest, digest_aside};
use crate::worker::message::Work;
use bytes::Bytes;
use futures::FutureExt;
use model::facts::{ImageFacts, ImageFile, PictureFacts};
use model::plan::{Plan, VideoPlan};
use model::{Failure, FailureKind, content_key, layout};

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let video = plan
        .video
        .as_ref()
        .ok_or_else(|| Failure::new(FailureKind::Bug, "images", "the plan has no pictures"))?;
    let key = content_key::of_images(plan, video);
    let planned = |facts: &ImageFacts| claims::planned_images(facts, plan, video);
    if let Some(found) = reuse::find(context, &key, planned).await? {
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
    let mut sent = Vec::new();
    while let Some((_, bytes)) = running.piece(attempt).await? {
        sent.push(bytes);
    }
    let made: ImageFacts = running.parsed(attempt).await?;
    planned(&made).map_err(wrong)?;
    check(&made, &key, &sent).await?;
    for (file, bytes) in reuse::files(&made).zip(sent) {
        let name = (key.as_str(), file.sha256.as_str());
        context.pieces.put_hashed(name, "jpg", bytes).await?;
    }
    reuse::keep(context, &made, planned).await?;
    Ok(Outcome::write(context, attempt, &made, false).await?)
}

/// The facts must be of exactly the pictures that came, in order.
async fn check(made: &ImageFacts, key: &str, sent: &[Bytes]) -> Result<(), Failure> {
    let files: Vec<&ImageFile> = reuse::files(made).collect();
    if made.key != key || files.len() != sent.len() {
        return Err(wrong("facts do not name the pictures that came".to_owned()));
    }
    for (file, bytes) in files.into_iter().zip(sent) {
        claims::picture(file, bytes).map_err(wrong)?;
        let sha256 = digest_aside(bytes.clone()).await?;
        if sha256 != file.sha256 {
            return Err(wrong(format!(
                "facts name {}, sent was {sha256}",
                file.sha256
            )));
        }
    }
    Ok(())
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::NodeFault, "images", message)
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
