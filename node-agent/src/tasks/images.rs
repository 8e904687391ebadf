//! Makes sprites and poster from the tiles that the encode task left behind.

use super::allowance::Allowance;
use super::claims;
use super::committed::Committed;
use super::context::Context;
use super::reuse;
use super::single::Outcome;
use super::work::{Given, Running};
use crate::agent::{Attempt, Stop};
use crate::transfer::digest_aside;
use crate::worker::message::Work;
use bytes::Bytes;
use model::facts::{ImageFacts, ImageFile};
use model::{Failure, FailureKind, content_key};

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let (facts, reused) = make(context, attempt).await?;
    Ok(Outcome::write(context, attempt, &facts, reused).await?)
}

/// Finds or makes the pictures of a title; says whether they were found.
pub(super) async fn make(context: &Context, attempt: &Attempt) -> Result<(ImageFacts, bool), Stop> {
    let loaded = context.pinned_plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let video = plan
        .video
        .as_ref()
        .ok_or_else(|| Failure::new(FailureKind::Bug, "images", "the plan has no pictures"))?;
    let key = content_key::of_images(plan, video);
    let planned = |facts: &ImageFacts| claims::planned_images(facts, plan, video);
    if let Some(found) = reuse::find(context, &key, planned).await? {
        return Ok((found, true));
    }
    let committed = Committed {
        context,
        attempt,
        loaded: &loaded,
    };
    let followers = committed.tiles(video).await?;
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
    Ok((made, false))
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
