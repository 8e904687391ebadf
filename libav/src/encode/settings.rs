//! What a video encoder is set to. Everything here may change bytes, so all of it is pinned by the
//! plan; nothing is taken from the machine.

use crate::error::{Error, Result};
use crate::sys::ffi;
use frame::PixelFormat;
use model::Rational;
use model::hdr::HdrMetadata;
use model::rendition::{EncoderFamily, Rendition};
use model::source::Color;
use std::ffi::CStr;

/// Which library encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VideoEncoderKind {
    /// H.264 by libx264.
    X264,
    /// HEVC by libx265.
    X265,
}

impl VideoEncoderKind {
    /// libav's name of the encoder.
    pub(crate) const fn name(self) -> &'static CStr {
        match self {
            Self::X264 => c"libx264",
            Self::X265 => c"libx265",
        }
    }
}

/// Settings of a video encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoEncoderSettings {
    /// Which library encodes.
    pub kind: VideoEncoderKind,
    /// Width in samples, even.
    pub width: u32,
    /// Height in samples, even.
    pub height: u32,
    /// Format of the pictures: `Yuv420p8` or `Yuv420p10`.
    pub format: PixelFormat,
    /// Pictures per second.
    pub frame_rate: Rational,
    /// CRF in hundredths.
    pub quality_centi: u32,
    /// Highest rate into the decoder's buffer.
    pub maxrate_bps: u64,
    /// Size of the decoder's buffer.
    pub buffer_bits: u64,
    /// The library's own name of a preset, such as `medium`.
    pub preset: String,
    /// Threads; changes the bytes.
    pub threads: u32,
    /// Every so many pictures there is an IDR picture; 0 for the first only.
    pub key_pictures: u32,
    /// Pictures of the segment. Those that are sent after them are only looked at, as the next
    /// segment's: the first is an IDR picture, and no packets come out for them. `None` when every picture is
    /// of the segment.
    pub segment_pictures: Option<u32>,
    /// Colour that is signalled in the VUI.
    pub color: Color,
    /// HDR metadata that is signalled in SEI messages, by HEVC alone.
    pub hdr: HdrMetadata,
    /// The library's own name of a profile, such as `high`; `None` for the least that fits.
    pub profile: Option<String>,
    /// Level, such as `4.1`; `None` for the least that fits.
    pub level: Option<String>,
    /// Further parameters in the library's own words; they come last and so win.
    pub extra: Vec<(String, String)>,
}

impl VideoEncoderSettings {
    /// What libav is told about a picture: to be a key picture, or nothing.
    pub(crate) fn picture_type(&self, index: i64) -> ffi::AVPictureType {
        let distance = i64::from(self.key_pictures);
        let place = match self.segment_pictures.map(i64::from) {
            Some(border) if index >= border => index - border,
            _ => index,
        };
        if place == 0 || (distance > 0 && place % distance == 0) {
            ffi::AVPictureType::AV_PICTURE_TYPE_I
        } else {
            ffi::AVPictureType::AV_PICTURE_TYPE_NONE
        }
    }

    /// The settings of a rendition.
    pub fn of(rendition: &Rendition) -> Result<Self> {
        let kind = match rendition.family {
            EncoderFamily::X264 => VideoEncoderKind::X264,
            EncoderFamily::X265 => VideoEncoderKind::X265,
            EncoderFamily::Rav1e => {
                return Err(Error::unsupported(
                    "encoder rav1e: it is not one of libav's",
                ));
            }
        };
        let format = match rendition.bit_depth {
            8 => PixelFormat::Yuv420p8,
            10 => PixelFormat::Yuv420p10,
            depth => return Err(Error::unsupported(format!("{depth} bits per component"))),
        };
        Ok(Self {
            kind,
            width: rendition.width,
            height: rendition.height,
            format,
            frame_rate: rendition.frame_rate,
            quality_centi: rendition.rate.quality_centi,
            maxrate_bps: rendition.rate.maxrate_bps,
            buffer_bits: rendition.rate.buffer_bits,
            preset: rendition.preset.clone(),
            threads: rendition.threads,
            key_pictures: 0,
            segment_pictures: None,
            color: rendition.color,
            hdr: rendition.hdr,
            profile: None,
            level: None,
            extra: Vec::new(),
        })
    }
}
