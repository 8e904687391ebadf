//! Takes the full-size pictures of a segment, gives its picture facts and sprite tiles; holds the
//! picture before, for the difference.

use super::Shared;
use crate::error::{InStage, Result};
use crate::output::sha256;
use frame::ops::luma_stats::{BLACK_MAX, luma_stats};
use frame::ops::tile::{Fitter, TILE};
use frame::{Picture, PixelFormat, Size, Thumb, thumb};
use model::content_key;
use model::facts::{FrameFacts, PictureFacts};
use model::plan::{Plan, VideoPlan};

const STAGE: &str = "measure";

/// Looks at the pictures of one segment after another.
pub(crate) struct Measure<'a> {
    plan: &'a Plan,
    video: &'a VideoPlan,
    fitter: Option<(Size, Fitter)>,
    tile: Picture,
    before: Option<Shared>,
    frames: Vec<FrameFacts>,
    first_thumb: Option<Thumb>,
    tiles: Vec<u32>,
    tile_bytes: Vec<u8>,
}

impl<'a> Measure<'a> {
    /// Measures for a plan.
    pub(crate) fn new(plan: &'a Plan, video: &'a VideoPlan) -> Result<Self> {
        Ok(Self {
            plan,
            video,
            fitter: None,
            tile: Picture::black(PixelFormat::Yuv420p8, TILE.width, TILE.height).in_stage(STAGE)?,
            before: None,
            frames: Vec::new(),
            first_thumb: None,
            tiles: Vec::new(),
            tile_bytes: Vec::new(),
        })
    }

    /// Looks at the picture of an output frame.
    pub(crate) fn push(&mut self, output: u32, picture: &Shared) -> Result<()> {
        let is_repeated = self
            .before
            .as_ref()
            .is_some_and(|before| before.is(picture));
        let facts = match self.frames.last() {
            Some(last) if is_repeated => FrameFacts {
                difference: Some(0),
                ..*last
            },
            _ => self.statistics(picture)?,
        };
        self.frames.push(facts);
        if self.first_thumb.is_none() {
            self.first_thumb = Some(thumb(picture));
        }
        if self.plan.tile_frames > 0 && output.is_multiple_of(self.plan.tile_frames) {
            self.fit(picture)?;
            self.tiles.push(output);
        }
        self.before = Some(picture.clone());
        Ok(())
    }

    /// What was seen in a segment; the next picture begins another.
    pub(crate) fn finish(&mut self, segment: u32) -> (PictureFacts, Vec<u8>) {
        let hex_of = |thumb: Option<Thumb>| thumb.map(hex::encode).unwrap_or_default();
        let last_thumb = self.before.take().map(|last| thumb(&last));
        let tile_bytes = std::mem::take(&mut self.tile_bytes);
        let facts = PictureFacts {
            key: content_key::of_pictures(self.plan, self.video, segment),
            first_frame: self.video.grid.segment(segment).start,
            frames: std::mem::take(&mut self.frames),
            first_thumb: hex_of(self.first_thumb.take()),
            last_thumb: hex_of(last_thumb),
            tiles: std::mem::take(&mut self.tiles),
            tiles_sha256: if tile_bytes.is_empty() {
                String::new()
            } else {
                sha256(&tile_bytes)
            },
        };
        (facts, tile_bytes)
    }

    fn statistics(&self, picture: &Picture) -> Result<FrameFacts> {
        let before = self.before.as_deref();
        let stats = luma_stats(picture, before, BLACK_MAX).in_stage(STAGE)?;
        let narrow = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
        Ok(FrameFacts {
            mean: narrow(stats.mean_256),
            min: stats.min,
            max: stats.max,
            black: narrow(stats.black_65536),
            difference: stats.mean_abs_diff_256.map(narrow),
        })
    }

    fn fit(&mut self, picture: &Picture) -> Result<()> {
        let fitter = match &mut self.fitter {
            Some((size, fitter)) if *size == picture.size() => fitter,
            place => {
                let (width, height) = self.video.track.display_size();
                let display = Size::new(width, height);
                let fitter = Fitter::new(picture.size(), display, crate::cpu::level());
                &mut place.insert((picture.size(), fitter.in_stage(STAGE)?)).1
            }
        };
        fitter.fit(picture, &mut self.tile).in_stage(STAGE)?;
        for plane in self.tile.planes() {
            self.tile_bytes.extend(plane.as_u8().unwrap_or_default());
        }
        Ok(())
    }
}
