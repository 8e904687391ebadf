//! Sprites and poster.

use crate::error::{Error, Result};
use crate::output::ImageBytes;
use libav::ByteSource;
use model::facts::{ImageFacts, PictureFacts};
use model::plan::Plan;

/// Makes the sheets and the poster. `pictures` and `tiles` hold one entry for each segment, in order.
/// The files come in the order of the sheets, the poster last.
pub fn run_images(
    plan: &Plan,
    pictures: &[PictureFacts],
    tiles: &[Vec<u8>],
    source: Box<dyn ByteSource>,
) -> Result<(ImageFacts, Vec<ImageBytes>)> {
    let _ = (plan, pictures, tiles, source);
    Err(Error::bug("images", ""))
}
