//! Which builds of the libraries run here. Another build may give other bytes, so a plan pins these
//! and a node that has others does not take its tasks.

use crate::encode::{VideoEncoder, VideoEncoderKind, VideoEncoderSettings};
use crate::error::Result;
use crate::sys::{self, ffi};
use frame::{Picture, PixelFormat};
use libc::c_uint;
use model::Rational;
use model::source::Color;
use std::sync::OnceLock;

/// The libraries that are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildIds {
    /// FFmpeg's release with the distributor's suffix, such as `5.1.9-0+deb12u1`.
    pub ffmpeg: String,
    /// Version of libavcodec, such as `59.37.100`.
    pub libavcodec: String,
    /// Version of libavformat.
    pub libavformat: String,
    /// Version of libswresample.
    pub libswresample: String,
    /// x264's core and revision, such as `core 164 r3095 baee400`; `None` without libx264.
    pub x264: Option<String>,
    /// x265's build and version, such as `(build 199) - 3.5+1-f0c1022b6`; `None` without libx265.
    pub x265: Option<String>,
}

/// Which builds run here. Found once per process: the encoders only tell in their output, so one
/// tiny picture is encoded by each.
pub fn build_ids() -> &'static BuildIds {
    static IDS: OnceLock<BuildIds> = OnceLock::new();
    IDS.get_or_init(|| {
        // SAFETY: these functions only return constants of the libraries.
        let (release, avcodec, avformat, swresample) = unsafe {
            (
                sys::text(ffi::av_version_info()),
                ffi::avcodec_version(),
                ffi::avformat_version(),
                ffi::swresample_version(),
            )
        };
        BuildIds {
            ffmpeg: release,
            libavcodec: dotted(avcodec),
            libavformat: dotted(avformat),
            libswresample: dotted(swresample),
            x264: encoder_id(VideoEncoderKind::X264).ok().flatten(),
            x265: encoder_id(VideoEncoderKind::X265).ok().flatten(),
        }
    })
}

fn dotted(version: c_uint) -> String {
    format!(
        "{}.{}.{}",
        version >> 16,
        (version >> 8) & 0xff,
        version & 0xff
    )
}

/// Encodes one picture and reads the user data message in which the encoder names itself.
fn encoder_id(kind: VideoEncoderKind) -> Result<Option<String>> {
    let (start, end, extra) = match kind {
        VideoEncoderKind::X264 => ("x264 - ", " - H.264", Vec::new()),
        VideoEncoderKind::X265 => ("x265 ", ":[", vec![("info".to_owned(), "1".to_owned())]),
    };
    let settings = VideoEncoderSettings {
        kind,
        width: 64,
        height: 64,
        format: PixelFormat::Yuv420p8,
        frame_rate: Rational::whole(25),
        quality_centi: 3000,
        maxrate_bps: 0,
        buffer_bits: 0,
        preset: "ultrafast".to_owned(),
        threads: 1,
        key_pictures: 0,
        segment_pictures: None,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        profile: None,
        level: None,
        extra,
    };
    let mut encoder = VideoEncoder::open(&settings)?;
    let picture = Picture::black(settings.format, settings.width, settings.height)
        .expect("64 is within the bounds of a picture");
    encoder.send(Some(&picture), 0)?;
    encoder.send(None, 1)?;
    let mut bytes = encoder.extradata();
    while let Some(packet) = encoder.receive()? {
        bytes.extend(packet.data);
    }
    Ok(between(&bytes, start, end))
}

fn between(bytes: &[u8], start: &str, end: &str) -> Option<String> {
    let find = |bytes: &[u8], text: &str| {
        bytes
            .windows(text.len())
            .position(|window| window == text.as_bytes())
    };
    let rest = &bytes[find(bytes, start)? + start.len()..];
    let name = &rest[..find(rest, end)?];
    Some(String::from_utf8_lossy(name).into_owned())
}
