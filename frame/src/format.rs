//! The planar layouts that decoders give us, named as the world writes them (`yuv420p10`). Packed
//! and RGB layouts are not here: no decoder of the farm gives them.
//!
//! Chroma planes of odd pictures are rounded *up*, as in every decoder.

use std::fmt;

/// A planar pixel layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// 8-bit luma only.
    Gray8,
    /// 8-bit 4:1:0, chroma a quarter in both directions.
    Yuv410p8,
    /// 8-bit 4:1:1, chroma a quarter of the width.
    Yuv411p8,
    /// 8-bit 4:2:0.
    Yuv420p8,
    /// 8-bit 4:2:2.
    Yuv422p8,
    /// 8-bit 4:4:4.
    Yuv444p8,
    /// 10-bit 4:2:0.
    Yuv420p10,
    /// 10-bit 4:2:2.
    Yuv422p10,
    /// 10-bit 4:4:4.
    Yuv444p10,
    /// 12-bit 4:2:0.
    Yuv420p12,
    /// 12-bit 4:2:2.
    Yuv422p12,
    /// 12-bit 4:4:4.
    Yuv444p12,
}

impl PixelFormat {
    /// Every format.
    pub const ALL: [Self; 12] = [
        Self::Gray8,
        Self::Yuv410p8,
        Self::Yuv411p8,
        Self::Yuv420p8,
        Self::Yuv422p8,
        Self::Yuv444p8,
        Self::Yuv420p10,
        Self::Yuv422p10,
        Self::Yuv444p10,
        Self::Yuv420p12,
        Self::Yuv422p12,
        Self::Yuv444p12,
    ];

    /// Bits per sample: 8, 10 or 12. Deeper samples lie in the low bits of 16.
    pub const fn bit_depth(self) -> u8 {
        match self {
            Self::Gray8
            | Self::Yuv410p8
            | Self::Yuv411p8
            | Self::Yuv420p8
            | Self::Yuv422p8
            | Self::Yuv444p8 => 8,
            Self::Yuv420p10 | Self::Yuv422p10 | Self::Yuv444p10 => 10,
            Self::Yuv420p12 | Self::Yuv422p12 | Self::Yuv444p12 => 12,
        }
    }

    /// log2 of how much narrower and lower the chroma planes are: (horizontal, vertical).
    pub const fn chroma_shifts(self) -> (u8, u8) {
        match self {
            Self::Yuv410p8 => (2, 2),
            Self::Yuv411p8 => (2, 0),
            Self::Yuv420p8 | Self::Yuv420p10 | Self::Yuv420p12 => (1, 1),
            Self::Yuv422p8 | Self::Yuv422p10 | Self::Yuv422p12 => (1, 0),
            Self::Gray8 | Self::Yuv444p8 | Self::Yuv444p10 | Self::Yuv444p12 => (0, 0),
        }
    }

    /// Number of planes: 1 or 3 (Y, Cb, Cr).
    pub const fn planes(self) -> usize {
        if matches!(self, Self::Gray8) { 1 } else { 3 }
    }

    /// Width and height of plane `index` in a picture of `width` by `height`.
    pub const fn plane_size(self, index: usize, width: u32, height: u32) -> (u32, u32) {
        if index == 0 {
            return (width, height);
        }
        let (horizontal, vertical) = self.chroma_shifts();
        (
            width.div_ceil(1 << horizontal),
            height.div_ceil(1 << vertical),
        )
    }

    /// The name in messages, such as `yuv422p10`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gray8 => "gray8",
            Self::Yuv410p8 => "yuv410p8",
            Self::Yuv411p8 => "yuv411p8",
            Self::Yuv420p8 => "yuv420p8",
            Self::Yuv422p8 => "yuv422p8",
            Self::Yuv444p8 => "yuv444p8",
            Self::Yuv420p10 => "yuv420p10",
            Self::Yuv422p10 => "yuv422p10",
            Self::Yuv444p10 => "yuv444p10",
            Self::Yuv420p12 => "yuv420p12",
            Self::Yuv422p12 => "yuv422p12",
            Self::Yuv444p12 => "yuv444p12",
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which codes mean black and white (ITU-T H.273 VideoFullRangeFlag).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Range {
    /// Luma 16..=235, chroma 16..=240 at 8 bits.
    #[default]
    Video,
    /// All codes.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_pictures_round_their_chroma_up() {
        assert_eq!(PixelFormat::Yuv420p8.plane_size(1, 1, 1), (1, 1));
        assert_eq!(PixelFormat::Yuv420p10.plane_size(2, 1919, 1079), (960, 540));
        assert_eq!(PixelFormat::Yuv422p8.plane_size(1, 7, 5), (4, 5));
        assert_eq!(PixelFormat::Yuv410p8.plane_size(1, 9, 9), (3, 3));
        assert_eq!(PixelFormat::Yuv444p12.plane_size(1, 7, 5), (7, 5));
    }

    #[test]
    fn a_name_tells_the_depth() {
        for format in PixelFormat::ALL {
            assert!(
                format.as_str().ends_with(&format.bit_depth().to_string()),
                "{format}"
            );
        }
    }
}
