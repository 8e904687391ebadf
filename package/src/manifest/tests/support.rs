//! A presentation for the tests of both manifests: one rendition, two sound tracks, captions and
//! thumbnails, six seconds long.

use super::{
    AudioRole, AudioTrack, ImageTrack, Presentation, Segment, TextTrack, Track, VideoRendition,
};
use model::Rational;
use model::source::Color;

fn track(id: &str, codecs: &str, timescale: u32, segments: &[(u64, u64)]) -> Track {
    let segments = segments
        .iter()
        .map(|&(duration, size_bytes)| Segment {
            duration,
            size_bytes,
            key_bytes: 9000,
        })
        .collect();
    Track {
        id: id.to_owned(),
        path: format!("media/{id}"),
        codecs: codecs.to_owned(),
        timescale,
        skip: 0,
        segments,
    }
}

/// Sound with an encoder delay of 1024 samples.
pub(crate) fn audio(id: &str, codecs: &str, channels: u32) -> AudioTrack {
    let segments = [(96_000, 20_000), (96_000, 30_000), (97_024, 20_000)];
    AudioTrack {
        track: Track {
            skip: 1024,
            ..track(id, codecs, 48_000, &segments)
        },
        language: "en".to_owned(),
        name: String::new(),
        is_default: true,
        channels,
        sample_rate: 48_000,
        role: AudioRole::Main,
    }
}

pub(crate) fn presentation() -> Presentation {
    let pictures = [(60_000, 50_000), (60_000, 100_000), (60_000, 50_000)];
    Presentation {
        title: "test".to_owned(),
        duration: Rational::whole(6),
        video: vec![VideoRendition {
            track: track("h264-360p", "avc1.64001e", 30_000, &pictures),
            width: 640,
            height: 360,
            frame_rate: Rational::new(30_000, 1001).unwrap(),
            color: Color::BT709,
        }],
        audio: vec![audio("aac-en", "mp4a.40.2", 2), audio("ac3-en", "ac-3", 6)],
        text: vec![TextTrack {
            track: track("text-en", "wvtt", 30_000, &pictures),
            language: "en".to_owned(),
            name: "He said \"no\"".to_owned(),
            forced: false,
            hearing_impaired: true,
            whole_bytes: 900,
        }],
        images: vec![ImageTrack {
            id: "images".to_owned(),
            path: "media/images".to_owned(),
            tile_width: 160,
            tile_height: 90,
            columns: 2,
            rows: 2,
            tile_seconds: Rational::ONE,
            sheet_bytes: vec![4000, 4000],
        }],
    }
}
