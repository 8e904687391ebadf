//! Pictures to JPEG. JFIF knows one colour only: full-range sRGB primaries over BT.601 coefficients. So
//! pictures in video range and mostly BT.709 go through RGB, in integers, and look the same.

use super::STAGE;
use crate::error::{Error, InStage, Result};
use frame::Picture;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use model::plan::VideoPlan;

/// Fixed-point bits of the coefficients.
const BITS: i32 = 16;

/// YCbCr to RGB in video range, in 1/65536: luma, Cr to red, Cb to green, Cr to green, Cb to blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Matrix {
    luma: i32,
    red_cr: i32,
    green_cb: i32,
    green_cr: i32,
    blue_cb: i32,
}

impl Matrix {
    /// BT.709.
    const BT709: Self = Self {
        luma: 76_309,
        red_cr: 117_489,
        green_cb: 13_975,
        green_cr: 34_925,
        blue_cb: 138_438,
    };
    /// BT.601, by the name of SMPTE 170M and BT.470 too.
    const BT601: Self = Self {
        luma: 76_309,
        red_cr: 104_597,
        green_cb: 25_675,
        green_cr: 53_279,
        blue_cb: 132_201,
    };

    /// What the source says; where it says nothing, what its height suggests.
    pub(super) fn of(video: &VideoPlan) -> Self {
        match video.track.color.matrix {
            _ if video.filters.tonemap.is_some() => Self::BT709,
            4..=6 => Self::BT601,
            2 if video.track.height < 720 => Self::BT601,
            _ => Self::BT709,
        }
    }

    fn rgb(self, luma: u8, cb: u8, cr: u8) -> [u8; 3] {
        let y = (i32::from(luma) - 16) * self.luma + (1 << (BITS - 1));
        let (cb, cr) = (i32::from(cb) - 128, i32::from(cr) - 128);
        let code = |value: i32| u8::try_from((value >> BITS).clamp(0, 255)).unwrap_or(u8::MAX);
        [
            code(y + self.red_cr * cr),
            code(y - self.green_cb * cb - self.green_cr * cr),
            code(y + self.blue_cb * cb),
        ]
    }
}

/// The JPEG file of an 8-bit 4:2:0 picture in video range.
pub(super) fn encode(picture: &Picture, matrix: Matrix, quality: u8) -> Result<Vec<u8>> {
    let side = |side: u32| {
        u16::try_from(side).map_err(|_| Error::bug(STAGE, format!("a sheet of {side} samples")))
    };
    let (width, height) = (side(picture.width())?, side(picture.height())?);
    let rgb = to_rgb(picture, matrix);
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.set_optimized_huffman_tables(true);
    encoder
        .encode(&rgb, width, height, ColorType::Rgb)
        .in_stage(STAGE)?;
    Ok(bytes)
}

fn to_rgb(picture: &Picture, matrix: Matrix) -> Vec<u8> {
    let planes = picture.planes();
    let samples = |index: usize| planes[index].as_u8().unwrap_or_default();
    let (luma, cb, cr) = (samples(0), samples(1), samples(2));
    let (width, chroma_width) = (planes[0].width(), planes[1].width());
    let mut rgb = Vec::with_capacity(luma.len() * 3);
    for (y, row) in luma.chunks_exact(width).enumerate() {
        let chroma = y / 2 * chroma_width;
        for (x, &code) in row.iter().enumerate() {
            let at = chroma + x / 2;
            rgb.extend(matrix.rgb(code, cb[at], cr[at]));
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_white_and_primaries_come_out_as_themselves() {
        for matrix in [Matrix::BT601, Matrix::BT709] {
            assert_eq!(matrix.rgb(16, 128, 128), [0, 0, 0]);
            assert_eq!(matrix.rgb(235, 128, 128), [255, 255, 255]);
        }
        // 100 % red of BT.709 is (63, 102, 240).
        let [red, green, blue] = Matrix::BT709.rgb(63, 102, 240);
        assert!(
            red >= 254 && green <= 1 && blue <= 1,
            "{red} {green} {blue}"
        );
        let [red, green, blue] = Matrix::BT601.rgb(81, 90, 240);
        assert!(
            red >= 253 && green <= 1 && blue <= 1,
            "{red} {green} {blue}"
        );
    }
}
