//! Colour in rav1e's words. Code points that AV1 does not know become unspecified.

use model::source::Color;
use rav1e::prelude::{
    ColorDescription, ColorPrimaries as Primaries, MatrixCoefficients as Matrix, PixelRange,
    TransferCharacteristics as Transfer,
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
