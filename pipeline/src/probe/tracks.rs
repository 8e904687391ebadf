//! Which tracks a source has, in the words of the model.

use super::scan::Scan;
use libav::{StreamInfo, StreamKind, TextDecoder};
use model::Rational;
use model::source::{AudioTrack, TextOrigin, TextTrack};
use package::language::bcp47;

/// The video track that is processed: the default one, else the one with most pixels. Others and
/// attached pictures are noted.
pub(super) fn choose_video<'a>(
    streams: &'a [StreamInfo],
    notes: &mut Vec<String>,
) -> Option<&'a StreamInfo> {
    let (covers, films): (Vec<_>, Vec<_>) = streams
        .iter()
        .filter(|stream| stream.kind == StreamKind::Video)
        .partition(|stream| stream.disposition.attached_picture);
    let pixels = |stream: &StreamInfo| u64::from(stream.width) * u64::from(stream.height);
    // The first of equals, which `max_by_key` alone would not give.
    let chosen = films.iter().copied().rev().max_by_key(|stream| {
        let is_known = stream.codec != "unknown_codec";
        (is_known, stream.disposition.is_default, pixels(stream))
    });
    for stream in covers {
        notes.push(format!(
            "stream {}: an attached picture is left alone",
            stream.index
        ));
    }
    for stream in films {
        if chosen.is_some_and(|chosen| chosen.index != stream.index) {
            notes.push(format!(
                "stream {}: a further video track is left alone",
                stream.index
            ));
        }
    }
    for stream in streams
        .iter()
        .filter(|stream| stream.kind == StreamKind::Data)
    {
        notes.push(format!(
            "stream {}: data ({}) is left alone",
            stream.index, stream.codec
        ));
    }
    chosen
}

/// Sound tracks that have sound.
pub(super) fn audio(
    streams: &[StreamInfo],
    scan: &Scan,
    notes: &mut Vec<String>,
) -> Vec<AudioTrack> {
    let mut tracks = Vec::new();
    for stream in streams
        .iter()
        .filter(|stream| stream.kind == StreamKind::Audio)
    {
        let span = scan
            .sound
            .get(&stream.index)
            .filter(|span| span.is_audible());
        let Some(span) = span else {
            notes.push(format!(
                "stream {}: no sound decodes from {}",
                stream.index, stream.codec
            ));
            continue;
        };
        let start = span.start.or(stream.start).unwrap_or_default();
        let ticks = span.end.map_or(0, |end| end.saturating_sub(start)).max(0);
        tracks.push(AudioTrack {
            stream: stream.index,
            codec: stream.codec.clone(),
            sample_rate: span.sample_rate,
            channels: span.channels,
            layout: stream.layout.clone(),
            language: bcp47(stream.language.as_deref().unwrap_or_default()),
            title: stream.title.clone().unwrap_or_default(),
            is_default: stream.disposition.is_default,
            start: seconds(start, stream.time_base),
            duration: seconds(ticks, stream.time_base),
        });
    }
    tracks
}

/// Text tracks that are text; pictures of text are noted.
pub(super) fn text(streams: &[StreamInfo], notes: &mut Vec<String>) -> Vec<TextTrack> {
    let mut tracks = Vec::new();
    for stream in streams
        .iter()
        .filter(|stream| stream.kind == StreamKind::Text)
    {
        if let Err(error) = TextDecoder::open(stream) {
            notes.push(format!("stream {}: {error}", stream.index));
            continue;
        }
        tracks.push(TextTrack {
            origin: TextOrigin::Stream(stream.index),
            codec: stream.codec.clone(),
            language: bcp47(stream.language.as_deref().unwrap_or_default()),
            title: stream.title.clone().unwrap_or_default(),
            forced: stream.disposition.forced,
            hearing_impaired: stream.disposition.hearing_impaired,
        });
    }
    tracks
}

fn seconds(ticks: i64, time_base: Rational) -> Rational {
    Rational::whole(ticks)
        .checked_mul(time_base)
        .unwrap_or(Rational::ZERO)
}
