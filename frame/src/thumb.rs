//! A tiny picture of the luma, to ask whether two pictures show the same: across the border of two
//! segments, or between a source frame and what came out of its encoder.

use crate::{Picture, Samples};

/// Samples per row of a thumb.
pub const THUMB_WIDTH: usize = 32;
/// Rows of a thumb.
pub const THUMB_HEIGHT: usize = 18;

/// The mean luma of 32 by 18 boxes, 8 bits each, row after row.
pub type Thumb = [u8; THUMB_WIDTH * THUMB_HEIGHT];

/// The mean luma of each box of the picture, rounded down; deeper samples count in 8 bits. Boxes of
/// pictures smaller than the thumb overlap.
pub fn thumb(picture: &Picture) -> Thumb {
    let plane = &picture.planes()[0];
    let shift = picture.format().bit_depth() - 8;
    let mut result = [0; THUMB_WIDTH * THUMB_HEIGHT];
    for (index, mean) in result.iter_mut().enumerate() {
        let columns = span(index % THUMB_WIDTH, THUMB_WIDTH, plane.width());
        let rows = span(index / THUMB_WIDTH, THUMB_HEIGHT, plane.height());
        let count = (columns.len() * rows.len()) as u64;
        let sum: u64 = rows
            .map(|y| {
                let row = y * plane.width() + columns.start..y * plane.width() + columns.end;
                match plane.samples() {
                    Samples::U8(data) => data[row].iter().map(|&v| u64::from(v)).sum::<u64>(),
                    Samples::U16(data) => data[row].iter().map(|&v| u64::from(v)).sum(),
                }
            })
            .sum();
        *mean = u8::try_from((sum / count) >> shift).unwrap_or(u8::MAX);
    }
    result
}

/// The part of `length` samples that box `index` of `count` covers; never empty.
fn span(index: usize, count: usize, length: usize) -> std::ops::Range<usize> {
    let start = (index * length / count).min(length - 1);
    start..((index + 1) * length / count).max(start + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PixelFormat;

    #[test]
    fn a_thumb_shows_where_the_light_is() {
        let mut picture = Picture::black(PixelFormat::Yuv420p8, 640, 360).unwrap();
        let luma = picture.planes_mut()[0].as_u8_mut().unwrap();
        for y in 340..360 {
            luma[y * 640..y * 640 + 20].fill(200);
        }
        let thumb = thumb(&picture);
        assert_eq!(thumb[17 * 32], 200);
        assert_eq!(thumb.iter().filter(|&&v| v != 16).count(), 1);
    }

    #[test]
    fn depth_and_size_do_not_change_the_scale() {
        for (width, height) in [(1, 1), (31, 17), (33, 19), (1920, 1)] {
            let picture = Picture::black(PixelFormat::Yuv422p10, width, height).unwrap();
            assert!(thumb(&picture).iter().all(|&v| v == 16), "{width}x{height}");
        }
    }
}
