//! Sprites and poster: JPEG files from the tiles that the frame pass cut, and from one decoded frame.

mod jpeg;
mod poster;

use crate::error::{Error, InStage, Result};
use crate::output::{ImageBytes, sha256};
use frame::ops::tile::{TILE, compose};
use frame::{Picture, PixelFormat, Plane, Range, Samples, Size};
use libav::ByteSource;
use model::content_key;
use model::facts::{ImageFacts, ImageFile, PictureFacts};
use model::plan::{Plan, VideoPlan};

pub(crate) const STAGE: &str = "images";

/// Bytes of a tile: 4:2:0 in 8 bits.
const TILE_BYTES: usize = (TILE.width * TILE.height * 3 / 2) as usize;

/// Makes the sheets and the poster. `pictures` and `tiles` hold one entry for each segment, in order.
/// The files come in the order of the sheets, the poster last.
pub fn run_images(
    plan: &Plan,
    pictures: &[PictureFacts],
    tiles: &[Vec<u8>],
    source: Box<dyn ByteSource>,
) -> Result<(ImageFacts, Vec<ImageBytes>)> {
    let video = plan.video.as_ref();
    let video = video.ok_or_else(|| Error::bug(STAGE, "the plan has no pictures"))?;
    let mut tiles = read_tiles(pictures, tiles)?;
    let cut = u32::try_from(tiles.len()).unwrap_or(u32::MAX);
    let (mut files, mut sheets) = (Vec::new(), Vec::new());
    let images = &plan.profile.images;
    let per_sheet = (images.columns * images.rows).max(1) as usize;
    let mut sheet =
        Picture::black(PixelFormat::Yuv420p8, TILE.width, TILE.height).in_stage(STAGE)?;
    fill_last_sheet(&mut tiles, per_sheet, &sheet);
    for part in tiles.chunks(per_sheet) {
        compose(part, images.columns, &mut sheet).in_stage(STAGE)?;
        add(plan, video, &sheet, (&mut sheets, &mut files))?;
    }
    let poster_frame = poster::choose(pictures, video.grid.frame_rate);
    let mut poster = Vec::new();
    if video.grid.frames > 0 {
        let picture = poster::draw(plan, video, poster_frame, source)?;
        add(plan, video, &picture, (&mut poster, &mut files))?;
    }
    let facts = ImageFacts {
        key: content_key::of_images(plan, video),
        sheets,
        tiles: cut,
        poster: poster.pop(),
        poster_frame,
    };
    Ok((facts, files))
}

/// Black tiles after the last one, so that every sheet has the same grid: a manifest states one for all
/// of them (DASH-IF IOP 6.2.6), and players stretch a sheet that is shorter. A lone sheet states its own.
fn fill_last_sheet(tiles: &mut Vec<Picture>, per_sheet: usize, black: &Picture) {
    if tiles.len() > per_sheet {
        tiles.resize(tiles.len().next_multiple_of(per_sheet), black.clone());
    }
}

/// Writes a picture as JPEG and adds it to facts and files.
fn add(
    plan: &Plan,
    video: &VideoPlan,
    picture: &Picture,
    (facts, files): (&mut Vec<ImageFile>, &mut Vec<ImageBytes>),
) -> Result<()> {
    let matrix = jpeg::Matrix::of(video);
    let bytes = jpeg::encode(picture, matrix, plan.profile.images.jpeg_quality)?;
    let sha256 = sha256(&bytes);
    facts.push(ImageFile {
        sha256: sha256.clone(),
        size_bytes: bytes.len() as u64,
        width: picture.width(),
        height: picture.height(),
    });
    files.push(ImageBytes { sha256, bytes });
    Ok(())
}

/// The tiles as pictures; their number must be what the facts say.
fn read_tiles(pictures: &[PictureFacts], tiles: &[Vec<u8>]) -> Result<Vec<Picture>> {
    let expected: usize = pictures.iter().map(|facts| facts.tiles.len()).sum();
    let is_whole = tiles.iter().all(|bytes| bytes.len() % TILE_BYTES == 0);
    let found: usize = tiles.iter().map(|bytes| bytes.len() / TILE_BYTES).sum();
    if !is_whole || found != expected {
        let message = format!("{found} tiles for the {expected} that were cut");
        return Err(Error::bug(STAGE, message));
    }
    let one = |bytes: &[u8]| {
        let (luma, chroma) = bytes.split_at((TILE.width * TILE.height) as usize);
        let (cb, cr) = chroma.split_at(chroma.len() / 2);
        let plane = |width: u32, height: u32, samples: &[u8]| {
            Plane::from_samples(width, height, Samples::U8(samples.to_vec()))
        };
        let (half_width, half_height) = (TILE.width / 2, TILE.height / 2);
        let planes: Vec<Plane> = [
            plane(TILE.width, TILE.height, luma),
            plane(half_width, half_height, cb),
            plane(half_width, half_height, cr),
        ]
        .into_iter()
        .flatten()
        .collect();
        let size = Size::new(TILE.width, TILE.height);
        Picture::from_planes(PixelFormat::Yuv420p8, size, Range::Video, planes).in_stage(STAGE)
    };
    tiles
        .iter()
        .flat_map(|bytes| bytes.chunks_exact(TILE_BYTES))
        .map(one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_several_sheets_is_filled_and_a_lone_one_is_left() {
        let black = Picture::black(PixelFormat::Yuv420p8, TILE.width, TILE.height).unwrap();
        for (cut, filled) in [(0, 0), (3, 3), (4, 4), (5, 8), (8, 8), (9, 12)] {
            let mut tiles = vec![black.clone(); cut];
            fill_last_sheet(&mut tiles, 4, &black);
            assert_eq!(tiles.len(), filled, "{cut} tiles");
        }
    }
}
