//! Output that is there already. Found means: facts under the content key, and every object that they
//! name in its full size. Facts without their bytes are no output.

use super::context::{Context, in_order};
use futures::FutureExt;
use model::facts::{AudioFacts, ImageFacts, PictureFacts, SegmentFacts, TextFacts};
use model::{Failure, layout};

/// Bytes of one sprite tile: 128 x 72 in yuv420p.
pub(super) const TILE_BYTES: u64 = 128 * 72 * 3 / 2;

/// Size of the tiles of a segment.
pub(super) fn tiles_bytes(facts: &PictureFacts) -> u64 {
    facts.tiles.len() as u64 * TILE_BYTES
}

async fn is_whole(context: &Context, path: &str, size_bytes: u64) -> Result<bool, Failure> {
    Ok(context.pieces.size(path).await? == Some(size_bytes))
}

/// A segment of a rendition.
pub(super) async fn segment(context: &Context, key: &str) -> Result<Option<SegmentFacts>, Failure> {
    let facts: Option<SegmentFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let path = layout::bytes(key, &facts.sha256, "m4s");
    Ok(is_whole(context, &path, facts.size_bytes)
        .await?
        .then_some(facts))
}

/// Facts and tiles of a segment.
pub(super) async fn pictures(
    context: &Context,
    key: &str,
) -> Result<Option<PictureFacts>, Failure> {
    let facts: Option<PictureFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    if facts.tiles.is_empty() {
        return Ok(Some(facts));
    }
    let path = layout::bytes(key, &facts.tiles_sha256, "tiles");
    Ok(is_whole(context, &path, tiles_bytes(&facts))
        .await?
        .then_some(facts))
}

/// One output of a sound track.
pub(super) async fn audio(context: &Context, key: &str) -> Result<Option<AudioFacts>, Failure> {
    let facts: Option<AudioFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let whole = facts.segments.iter().map(|segment| {
        let path = layout::bytes(key, &segment.sha256, "m4s");
        let size_bytes = segment.size_bytes;
        async move { is_whole(context, &path, size_bytes).await }.boxed()
    });
    let whole = in_order(whole).await?.into_iter().all(|whole| whole);
    Ok(whole.then_some(facts))
}

/// A text track.
pub(super) async fn text(context: &Context, key: &str) -> Result<Option<TextFacts>, Failure> {
    let facts: Option<TextFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let there = context
        .pieces
        .size(&layout::bytes(key, &facts.sha256, "vtt"))
        .await?;
    Ok(there.is_some().then_some(facts))
}

/// Sprites and poster.
pub(super) async fn images(context: &Context, key: &str) -> Result<Option<ImageFacts>, Failure> {
    let facts: Option<ImageFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    for file in facts.sheets.iter().chain(&facts.poster) {
        let path = layout::bytes(key, &file.sha256, "jpg");
        if !is_whole(context, &path, file.size_bytes).await? {
            return Ok(None);
        }
    }
    Ok(Some(facts))
}
