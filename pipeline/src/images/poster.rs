//! The poster: which frame, and the frame itself.

use super::STAGE;
use crate::error::{Error, InStage, Result};
use crate::stages::{Decode, Depths, Filter, Pool};
use frame::ops::scale::Scaler;
use frame::{Picture, PixelFormat, Size};
use libav::ByteSource;
use model::Rational;
use model::facts::{FrameFacts, PictureFacts};
use model::plan::{Plan, VideoPlan};

/// Seconds at both ends that show logos and credits, where the title is long enough to do without.
const MARGIN_SECONDS: i64 = 5;

/// The output frame for the poster, by luma alone. The one with the highest score wins, the earliest
/// of equals; all count when the margins leave less than half of the title. The score is
/// `spread - 2 |mean - 110| - 255 black`, less the difference to the frame before: a wide range of
/// luma, neither dark nor washed out, little black, not in the middle of a cut or a fast pan.
pub(super) fn choose(pictures: &[PictureFacts], frame_rate: Rational) -> u32 {
    let total: usize = pictures.iter().map(|facts| facts.frames.len()).sum();
    let margin = frame_rate.checked_mul(Rational::whole(MARGIN_SECONDS));
    let margin = usize::try_from(margin.map_or(0, Rational::round)).unwrap_or_default();
    let margin = if margin * 4 > total { 0 } else { margin };
    let all = pictures
        .iter()
        .flat_map(|facts| (facts.first_frame..).zip(&facts.frames));
    let inner = all.skip(margin).take(total - 2 * margin);
    let mut best = (0, i64::MIN);
    for (frame, facts) in inner {
        let score = score(facts);
        if score > best.1 {
            best = (frame, score);
        }
    }
    best.0
}

/// In 1/256 of a code.
fn score(facts: &FrameFacts) -> i64 {
    let spread = i64::from(facts.max) - i64::from(facts.min);
    let off = (i64::from(facts.mean) - (110 << 8)).abs();
    let black = 255 * i64::from(facts.black) / 256;
    // The first frame of a segment has no frame before it: as good as a slow pan.
    let moving = i64::from(facts.difference.unwrap_or(4 << 8));
    (spread << 8) - 2 * off - black - moving
}

/// The frame in square samples, its long edge within the profile's limit.
pub(super) fn draw(
    plan: &Plan,
    video: &VideoPlan,
    output: u32,
    source: Box<dyn ByteSource>,
) -> Result<Picture> {
    let frame = video.map.sources(output..output + 1).first().copied();
    let frame = frame.ok_or_else(|| Error::bug(STAGE, format!("no output frame {output}")))?;
    let decode = Decode::open(source, &video.track)?;
    let depths = Depths {
        narrow: true,
        deep: false,
    };
    let filtered = Filter::new(decode, &video.filters, depths, Pool::new(4)).frame(frame)?;
    let picture = filtered.of(8)?;
    let (width, height) = video.track.display_size();
    let size = fit(width, height, plan.profile.images.poster_edge_max);
    let mut target =
        Picture::new(PixelFormat::Yuv420p8, size.width, size.height).in_stage(STAGE)?;
    let mut scaler = Scaler::new(picture.size(), &[size], crate::cpu::level()).in_stage(STAGE)?;
    scaler.scale_one(picture, 0, &mut target).in_stage(STAGE)?;
    Ok(target)
}

/// Even sides within the limit; never larger than shown.
fn fit(width: u32, height: u32, edge_max: u32) -> Size {
    let longest = u64::from(width.max(height)).max(1);
    let edge = u64::from(edge_max).min(longest);
    let scaled = |side: u32| {
        let side = (u64::from(side) * edge * 2 + longest) / (longest * 2);
        u32::try_from(side / 2 * 2).unwrap_or(2).max(2)
    };
    Size::new(scaled(width), scaled(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(mean: u16, min: u8, max: u8, black: u16) -> FrameFacts {
        FrameFacts {
            mean: mean << 8,
            min,
            max,
            black,
            difference: Some(0),
        }
    }

    fn facts(first_frame: u32, frames: Vec<FrameFacts>) -> PictureFacts {
        PictureFacts {
            key: String::new(),
            first_frame,
            frames,
            first_thumb: String::new(),
            last_thumb: String::new(),
            tiles: Vec::new(),
            tiles_sha256: String::new(),
        }
    }

    #[test]
    fn the_poster_is_neither_black_nor_flat_nor_at_the_ends() {
        let good = frame(110, 10, 240, 0);
        let fair = frame(130, 20, 220, 2000);
        let mut frames = vec![frame(16, 16, 16, u16::MAX); 1000];
        frames[10] = good;
        frames[600] = fair;
        frames[700] = frame(110, 108, 112, 0);
        let halves = [
            facts(0, frames[..500].to_vec()),
            facts(500, frames[500..].to_vec()),
        ];
        assert_eq!(choose(&halves, Rational::whole(25)), 600);
        let short = [facts(0, frames[..100].to_vec())];
        assert_eq!(choose(&short, Rational::whole(25)), 10);
        assert_eq!(choose(&[], Rational::whole(25)), 0);
    }

    #[test]
    fn the_poster_keeps_its_aspect_and_never_grows() {
        assert_eq!(fit(1920, 1080, 1280), Size::new(1280, 720));
        assert_eq!(fit(1080, 1920, 1280), Size::new(720, 1280));
        assert_eq!(fit(320, 180, 1280), Size::new(320, 180));
        assert_eq!(fit(1, 1, 1280), Size::new(2, 2));
    }
}
