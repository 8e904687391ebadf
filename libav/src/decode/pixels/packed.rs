//! Formats with interleaved samples, and RGB. RGB becomes 4:4:4 YCbCr of BT.709 in video range:
//! screen recordings, which is where RGB comes from, carry no matrix of their own, and BT.709 is
//! what the output signals.

use super::row;
use crate::error::Result;
use crate::sys::ffi;
use frame::Picture;
use std::slice;

/// Which chroma sample comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChromaOrder {
    /// Blue difference first (`nv12`).
    CbCr,
    /// Red difference first (`nv21`).
    CrCb,
}

/// Where red, green and blue are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RgbLayout {
    /// `step` bytes per sample, red, green and blue at these offsets.
    Packed { step: usize, offsets: [usize; 3] },
    /// Planes in the order green, blue, red.
    Planar,
    /// Indices into a palette of 256 native-endian ARGB words in plane 1.
    Palette,
}

impl RgbLayout {
    pub(super) const fn packed(step: usize, offsets: [usize; 3]) -> Self {
        Self::Packed { step, offsets }
    }
}

/// # Safety
/// The frame is 4:2:0 with luma in plane 0 and interleaved chroma in plane 1.
pub(super) unsafe fn split_chroma(
    frame: *const ffi::AVFrame,
    order: ChromaOrder,
    picture: &mut Picture,
) -> Result<()> {
    let [luma, cb, cr] = picture.planes_mut() else {
        return Ok(());
    };
    // SAFETY: the caller vouches for the planes.
    unsafe { super::copy_plane(frame, 0, luma)? };
    let (width, height) = (cb.width(), cb.height());
    let (Some(cb), Some(cr)) = (cb.as_u8_mut(), cr.as_u8_mut()) else {
        return Ok(());
    };
    let (first, second) = match order {
        ChromaOrder::CbCr => (cb, cr),
        ChromaOrder::CrCb => (cr, cb),
    };
    for y in 0..height {
        // SAFETY: as above.
        let source = unsafe { row(frame, 1, y, width * 2)? };
        let targets = first[y * width..].iter_mut().zip(&mut second[y * width..]);
        for ((first, second), pair) in targets.zip(source.chunks_exact(2)) {
            (*first, *second) = (pair[0], pair[1]);
        }
    }
    Ok(())
}

/// # Safety
/// The frame's planes are as the layout says.
pub(super) unsafe fn convert_rgb(
    frame: *const ffi::AVFrame,
    layout: RgbLayout,
    picture: &mut Picture,
) -> Result<()> {
    let [luma, cb, cr] = picture.planes_mut() else {
        return Ok(());
    };
    let (width, height) = (luma.width(), luma.height());
    let planes = (luma.as_u8_mut(), cb.as_u8_mut(), cr.as_u8_mut());
    let (Some(luma), Some(cb), Some(cr)) = planes else {
        return Ok(());
    };
    // SAFETY: the caller vouches for the layout; a palette has 256 words.
    let palette = unsafe { palette_of(frame, layout) };
    for y in 0..height {
        let start = y * width;
        // SAFETY: as above.
        let rows = unsafe { rgb_rows(frame, layout, y, width)? };
        for x in 0..width {
            let rgb = match layout {
                RgbLayout::Packed { step, offsets } => offsets.map(|o| rows[0][x * step + o]),
                RgbLayout::Planar => [rows[2][x], rows[0][x], rows[1][x]],
                RgbLayout::Palette => palette[usize::from(rows[0][x])],
            };
            [luma[start + x], cb[start + x], cr[start + x]] = bt709(rgb);
        }
    }
    Ok(())
}

unsafe fn rgb_rows<'a>(
    frame: *const ffi::AVFrame,
    layout: RgbLayout,
    y: usize,
    width: usize,
) -> Result<[&'a [u8]; 3]> {
    // SAFETY: the caller of `convert_rgb` vouches for the planes.
    unsafe {
        Ok(match layout {
            RgbLayout::Packed { step, .. } => [row(frame, 0, y, width * step)?, &[], &[]],
            RgbLayout::Planar => [
                row(frame, 0, y, width)?,
                row(frame, 1, y, width)?,
                row(frame, 2, y, width)?,
            ],
            RgbLayout::Palette => [row(frame, 0, y, width)?, &[], &[]],
        })
    }
}

unsafe fn palette_of(frame: *const ffi::AVFrame, layout: RgbLayout) -> [[u8; 3]; 256] {
    let mut palette = [[0; 3]; 256];
    // SAFETY: the caller vouches for the frame; plane 1 of a palette format has 1024 bytes.
    unsafe {
        let data = (*frame).data[1];
        if layout == RgbLayout::Palette && !data.is_null() {
            let words = slice::from_raw_parts(data, 1024);
            for (color, word) in palette.iter_mut().zip(words.chunks_exact(4)) {
                let argb = u32::from_ne_bytes([word[0], word[1], word[2], word[3]]).to_be_bytes();
                *color = [argb[1], argb[2], argb[3]];
            }
        }
    }
    palette
}

/// Full-range RGB to video-range YCbCr of BT.709 (ITU-T H.273 equations 38 to 40), coefficients in
/// 1/65536, rounded to nearest. The coefficients of each row of chroma sum to zero, so that grey
/// has no colour.
fn bt709([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (r, g, b) = (i32::from(red), i32::from(green), i32::from(blue));
    let half = 1 << 15;
    let luma = 16 + ((11_966 * r + 40_254 * g + 4_064 * b + half) >> 16);
    let cb = 128 + ((-6_596 * r - 22_189 * g + 28_785 * b + half) >> 16);
    let cr = 128 + ((28_785 * r - 26_145 * g - 2_640 * b + half) >> 16);
    // In range by the coefficients: 16..=235 and 16..=240.
    [luma as u8, cb as u8, cr as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rgb_lands_within_one_step_of_the_real_numbers() {
        let (kr, kb) = (0.2126_f64, 0.0722_f64);
        for r in (0..=255).step_by(15) {
            for g in (0..=255).step_by(15) {
                for b in (0..=255).step_by(15) {
                    let [fr, fg, fb] = [r, g, b].map(|v| f64::from(v) / 255.0);
                    let y = kr * fr + (1.0 - kr - kb) * fg + kb * fb;
                    let exact = [
                        16.0 + 219.0 * y,
                        128.0 + 224.0 * (fb - y) / (2.0 * (1.0 - kb)),
                        128.0 + 224.0 * (fr - y) / (2.0 * (1.0 - kr)),
                    ];
                    let got = bt709([r as u8, g as u8, b as u8]);
                    for (exact, got) in exact.iter().zip(got) {
                        assert!((exact - f64::from(got)).abs() < 0.51, "{r} {g} {b}: {got}");
                    }
                }
            }
        }
    }

    #[test]
    fn grey_has_no_colour() {
        for value in 0..=255 {
            assert_eq!(bt709([value; 3])[1..], [128, 128]);
        }
        assert_eq!(bt709([0; 3])[0], 16);
        assert_eq!(bt709([255; 3])[0], 235);
    }
}
