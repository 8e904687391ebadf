//! Colour in rav1e's words. Code points that AV1 does not know become unspecified.

use model::hdr::{self, MasteringDisplay};
use model::source::Color;
use rav1e::prelude::{
    ChromaticityPoint, ColorDescription, ColorPrimaries as Primaries, ContentLight,
    MatrixCoefficients as Matrix, PixelRange, TransferCharacteristics as Transfer,
};

/// What a decoder has to assume about the samples.
pub(super) fn description(color: &Color) -> ColorDescription {
    ColorDescription {
        color_primaries: primaries(color.primaries),
        transfer_characteristics: transfer(color.transfer),
        matrix_coefficients: matrix(color.matrix),
    }
}

/// Video or full range.
pub(super) fn range(color: &Color) -> PixelRange {
    if color.full_range {
        PixelRange::Full
    } else {
        PixelRange::Limited
    }
}

/// A mastering display in AV1's fixed point (AV1 specification 6.7.4): chromaticities with 16 fractional bits,
/// the highest luminance with 8, the lowest with 14.
pub(super) fn mastering(display: MasteringDisplay) -> rav1e::prelude::MasteringDisplay {
    let coordinate = |value: u16| {
        let scaled = (u32::from(value) * 65_536 + 25_000) / 50_000;
        u16::try_from(scaled).unwrap_or(u16::MAX)
    };
    let point = |[x, y]: [u16; 2]| ChromaticityPoint {
        x: coordinate(x),
        y: coordinate(y),
    };
    let luminance = |value: u32, bits: u32| {
        let scaled = ((u64::from(value) << bits) + 5_000) / 10_000;
        u32::try_from(scaled).unwrap_or(u32::MAX)
    };
    rav1e::prelude::MasteringDisplay {
        primaries: display.primaries.map(point),
        white_point: point(display.white),
        max_luminance: luminance(display.luminance_max, 8),
        min_luminance: luminance(display.luminance_min, 14),
    }
}

/// Content light levels.
pub(super) const fn content_light(light: hdr::ContentLight) -> ContentLight {
    ContentLight {
        max_content_light_level: light.pixel_max,
        max_frame_average_light_level: light.mean_max,
    }
}

fn primaries(code_point: u8) -> Primaries {
    [
        Primaries::BT709,
        Primaries::BT470M,
        Primaries::BT470BG,
        Primaries::BT601,
        Primaries::SMPTE240,
        Primaries::GenericFilm,
        Primaries::BT2020,
        Primaries::XYZ,
        Primaries::SMPTE431,
        Primaries::SMPTE432,
        Primaries::EBU3213,
    ]
    .into_iter()
    .find(|value| *value as u8 == code_point)
    .unwrap_or(Primaries::Unspecified)
}

fn transfer(code_point: u8) -> Transfer {
    [
        Transfer::BT709,
        Transfer::BT470M,
        Transfer::BT470BG,
        Transfer::BT601,
        Transfer::SMPTE240,
        Transfer::Linear,
        Transfer::Log100,
        Transfer::Log100Sqrt10,
        Transfer::IEC61966,
        Transfer::BT1361,
        Transfer::SRGB,
        Transfer::BT2020_10Bit,
        Transfer::BT2020_12Bit,
        Transfer::SMPTE2084,
        Transfer::SMPTE428,
        Transfer::HLG,
    ]
    .into_iter()
    .find(|value| *value as u8 == code_point)
    .unwrap_or(Transfer::Unspecified)
}

fn matrix(code_point: u8) -> Matrix {
    // Not `Identity`: it is for 4:4:4 only (AV1 specification 6.4.2).
    [
        Matrix::BT709,
        Matrix::FCC,
        Matrix::BT470BG,
        Matrix::BT601,
        Matrix::SMPTE240,
        Matrix::YCgCo,
        Matrix::BT2020NCL,
        Matrix::BT2020CL,
        Matrix::SMPTE2085,
        Matrix::ChromatNCL,
        Matrix::ChromatCL,
        Matrix::ICtCp,
    ]
    .into_iter()
    .find(|value| *value as u8 == code_point)
    .unwrap_or(Matrix::Unspecified)
}
