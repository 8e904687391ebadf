//! Media playlists. Durations are exact to the microsecond and do not drift: each is the difference
//! of two rounded borders, so that their sum is the rounded end.
//!
//! The encoder delay of sound counts: players set the sum of durations against `tfdt` when they start
//! in the middle, and apply the edit list once more. Without it, sound is early by the delay.

use super::VERSION;
use crate::manifest::{
    INIT_FILE, Span, TextTrack, Track, VideoRendition, segment_file, text_segment_file,
};
use std::fmt::Write;

/// The media playlist of pictures or sound, to be placed in the track's folder.
pub fn media_playlist(track: &Track) -> String {
    let mut playlist = head(track, "");
    write_map(&mut playlist);
    for (index, span) in track.decoded().into_iter().enumerate() {
        write_segment(&mut playlist, track, span, &segment_file(index + 1));
    }
    playlist + "#EXT-X-ENDLIST\n"
}

/// The I-frame playlist of a rendition: the first picture of each segment, as a byte range from the
/// start of the file to the end of the picture. `None` unless all segments know where that is.
pub fn iframe_playlist(rendition: &VideoRendition) -> Option<String> {
    let track = &rendition.track;
    if track.segments.iter().any(|segment| segment.key_bytes == 0) {
        return None;
    }
    let mut playlist = head(track, "#EXT-X-I-FRAMES-ONLY\n");
    write_map(&mut playlist);
    for (index, span) in track.decoded().into_iter().enumerate() {
        let range = track.segments[index].key_bytes;
        write_duration(&mut playlist, track, span);
        push(
            &mut playlist,
            format_args!("#EXT-X-BYTERANGE:{range}@0\n{}\n", segment_file(index + 1)),
        );
    }
    Some(playlist + "#EXT-X-ENDLIST\n")
}

/// The media playlist of segmented WebVTT.
pub fn text_playlist(text: &TextTrack) -> String {
    let mut playlist = head(&text.track, "");
    for (index, span) in text.track.decoded().into_iter().enumerate() {
        write_segment(
            &mut playlist,
            &text.track,
            span,
            &text_segment_file(index + 1),
        );
    }
    playlist + "#EXT-X-ENDLIST\n"
}

fn head(track: &Track, extra: &str) -> String {
    let target = track.target_duration();
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n\
         #EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAYLIST-TYPE:VOD\n{extra}#EXT-X-INDEPENDENT-SEGMENTS\n"
    )
}

fn write_map(playlist: &mut String) {
    push(playlist, format_args!("#EXT-X-MAP:URI=\"{INIT_FILE}\"\n"));
}

fn write_segment(playlist: &mut String, track: &Track, span: Span, file: &str) {
    write_duration(playlist, track, span);
    push(playlist, format_args!("{file}\n"));
}

fn write_duration(playlist: &mut String, track: &Track, span: Span) {
    let microseconds = |ticks: u64| {
        let timescale = u128::from(track.timescale.max(1));
        (2_000_000 * u128::from(ticks) + timescale) / (2 * timescale)
    };
    let length = microseconds(span.end) - microseconds(span.start);
    push(
        playlist,
        format_args!(
            "#EXTINF:{}.{:06},\n",
            length / 1_000_000,
            length % 1_000_000
        ),
    );
}

fn push(playlist: &mut String, line: std::fmt::Arguments<'_>) {
    playlist
        .write_fmt(line)
        .expect("writing to a string cannot fail");
}
