//! Text cues of every text format.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;

use libav::{StreamKind, TextCue, TextDecoder};
use std::path::Path;

const SUBRIP: &str = "1\n00:00:00,500 --> 00:00:01,500\n<i>Hello</i>, R&D\nsecond line\n\n\
                      2\n00:00:02,000 --> 00:00:04,250\nTschüss & 3\n\n";

/// Cues with times in milliseconds.
fn cues(path: &Path) -> Vec<(i64, i64, String)> {
    let mut demuxer = media::open(path);
    let stream = demuxer
        .streams()
        .iter()
        .find(|s| s.kind == StreamKind::Text)
        .unwrap()
        .clone();
    let mut decoder = TextDecoder::open(&stream).unwrap();
    let millisecond = model::Rational::new(1, 1000).unwrap();
    let scale = |ticks| model::time::rescale(ticks, stream.time_base, millisecond);
    let packets = media::packets(&mut demuxer);
    let decoded: Vec<TextCue> = packets
        .iter()
        .flat_map(|packet| decoder.decode(packet).unwrap())
        .collect();
    decoded
        .into_iter()
        .filter(|cue| !cue.text.is_empty())
        .map(|cue| (scale(cue.start), scale(cue.duration.unwrap()), cue.text))
        .collect()
}

#[test]
fn subrip_webvtt_mov_text_and_ass_give_the_same_cues() {
    let folder = tempfile::tempdir().unwrap();
    let subrip = folder.path().join("a.srt");
    std::fs::write(&subrip, SUBRIP).unwrap();
    let expected = [
        (500, 1000, "<i>Hello</i>, R&amp;D\nsecond line".to_owned()),
        (2000, 2250, "Tschüss &amp; 3".to_owned()),
    ];
    assert_eq!(cues(&subrip), expected);
    for (name, arguments) in [
        ("a.vtt", "-c:s webvtt"),
        ("a.mp4", "-c:s mov_text"),
        ("a.mkv", "-c:s srt"),
        ("b.mkv", "-c:s ass"),
        ("c.mkv", "-c:s webvtt"),
    ] {
        let path = media::make(
            folder.path(),
            name,
            &format!("-i {} {arguments}", subrip.display()),
        );
        assert_eq!(cues(&path), expected, "{name}");
    }
}

#[test]
fn pictures_of_text_are_unsupported() {
    let folder = tempfile::tempdir().unwrap();
    let path = media::make(
        folder.path(),
        "a.mkv",
        "-f lavfi -i color=s=64x48:d=1 -f lavfi -i color=s=64x48:d=1 -c:v libx264 -map 0",
    );
    let mut stream = media::open(&path).streams()[0].clone();
    stream.kind = StreamKind::Text;
    let error = TextDecoder::open(&stream).err().unwrap();
    assert_eq!(error.kind(), model::FailureKind::Unsupported);
}
