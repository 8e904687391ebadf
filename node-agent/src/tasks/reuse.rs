//! Output that is there already. Found means: facts under the content key, and every object that they
//! name, read again and hashed. Facts without their bytes are no output, and a damaged object is made
//! anew by whoever finds it so.

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

/// A segment of a rendition.
pub(super) async fn segment(context: &Context, key: &str) -> Result<Option<SegmentFacts>, Failure> {
    let facts: Option<SegmentFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let path = layout::bytes(key, &facts.sha256, "m4s");
    let whole = context.pieces.is_whole(&path, &facts.sha256).await?;
    Ok(whole.then_some(facts))
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
    let whole = context.pieces.is_whole(&path, &facts.tiles_sha256).await?;
    Ok(whole.then_some(facts))
}

/// One output of a sound track.
pub(super) async fn audio(context: &Context, key: &str) -> Result<Option<AudioFacts>, Failure> {
    let facts: Option<AudioFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let whole = facts.segments.iter().map(|segment| {
        let path = layout::bytes(key, &segment.sha256, "m4s");
        async move { context.pieces.is_whole(&path, &segment.sha256).await }.boxed()
    });
    let whole = in_order(whole).await?.into_iter().all(|whole| whole);
    Ok(whole.then_some(facts))
}

/// A text track.
pub(super) async fn text(context: &Context, key: &str) -> Result<Option<TextFacts>, Failure> {
    let facts: Option<TextFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    let path = layout::bytes(key, &facts.sha256, "vtt");
    let whole = context.pieces.is_whole(&path, &facts.sha256).await?;
    Ok(whole.then_some(facts))
}

/// Sprites and poster.
pub(super) async fn images(context: &Context, key: &str) -> Result<Option<ImageFacts>, Failure> {
    let facts: Option<ImageFacts> = context.pieces.find_json(&layout::facts(key)).await?;
    let Some(facts) = facts else { return Ok(None) };
    for file in facts.sheets.iter().chain(&facts.poster) {
        let path = layout::bytes(key, &file.sha256, "jpg");
        if !context.pieces.is_whole(&path, &file.sha256).await? {
            return Ok(None);
        }
    }
    Ok(Some(facts))
}
