//! Text tracks: those of the source that are text, then the files beside it.

use model::Rational;
use model::plan::{Sidecar, TextPlan};
use model::source::{SourceInfo, TextOrigin, TextTrack};

/// libav's names of the text codecs that become WebVTT. Bitmap subtitles would need recognition of
/// their letters and are left out.
const CODECS: [&str; 6] = ["mov_text", "subrip", "srt", "webvtt", "ass", "ssa"];

/// The codec of a text file beside a source, by its ending; `None` for what cannot be read.
pub fn sidecar_codec(url: &str) -> Option<&'static str> {
    let (_, ending) = url.rsplit_once('.')?;
    match ending.to_ascii_lowercase().as_str() {
        "vtt" => Some("webvtt"),
        "srt" => Some("subrip"),
        "ass" | "ssa" => Some("ass"),
        _ => None,
    }
}

pub(super) fn plan(source: &SourceInfo, sidecars: &[Sidecar], zero: Rational) -> Vec<TextPlan> {
    let inside = source
        .text
        .iter()
        .filter(|track| is_text(track))
        .map(|track| (track.clone(), zero));
    let beside = sidecars.iter().filter_map(|sidecar| {
        let track = TextTrack {
            origin: TextOrigin::Sidecar(sidecar.url.clone()),
            codec: sidecar_codec(&sidecar.url)?.to_owned(),
            language: language(&sidecar.language),
            title: String::new(),
            forced: sidecar.forced,
            hearing_impaired: sidecar.hearing_impaired,
        };
        Some((track, Rational::ZERO))
    });
    (0..)
        .zip(inside.chain(beside))
        .map(|(index, (track, zero))| TextPlan { index, track, zero })
        .collect()
}

fn is_text(track: &TextTrack) -> bool {
    CODECS.contains(&track.codec.as_str())
}

fn language(tag: &str) -> String {
    if tag.is_empty() {
        "und".to_owned()
    } else {
        tag.to_owned()
    }
}

/// What of a source does not reach the title, for people.
pub fn left_out(source: &SourceInfo) -> Vec<String> {
    let bitmaps = source
        .text
        .iter()
        .filter(|track| !is_text(track))
        .map(|track| {
            format!(
                "subtitles in {} ({}) are not text and were left out",
                track.codec, track.language
            )
        });
    bitmaps.chain(source.notes.iter().cloned()).collect()
}
