//! What a presentation refuses, and its times.

pub(crate) mod support;

use super::*;

fn track(skip: u64, segments: &[(u64, u64)]) -> Track {
    let segments = segments
        .iter()
        .map(|&(duration, size_bytes)| Segment {
            duration,
            size_bytes,
            key_bytes: 0,
        })
        .collect();
    Track {
        id: "a".to_owned(),
        path: "audio/a".to_owned(),
        codecs: "mp4a.40.2".to_owned(),
        timescale: 1000,
        skip,
        segments,
    }
}

#[test]
fn the_edit_list_shortens_the_first_segment() {
    let presented = track(100, &[(4000, 1), (4000, 1), (1000, 1)]).presented();
    let spans: Vec<_> = presented
        .iter()
        .map(|span| (span.start, span.end))
        .collect();
    assert_eq!(spans, [(0, 3900), (3900, 7900), (7900, 8900)]);
    let decoded = track(100, &[(4000, 1), (4000, 1)]).decoded();
    assert_eq!(
        decoded[1],
        Span {
            start: 4000,
            end: 8000
        }
    );
}

#[test]
fn an_edit_longer_than_a_segment_reaches_into_the_next() {
    let presented = track(1500, &[(1000, 1), (1000, 1)]).presented();
    let spans: Vec<_> = presented
        .iter()
        .map(|span| (span.start, span.end))
        .collect();
    assert_eq!(spans, [(0, 0), (0, 500)]);
}

#[test]
fn a_short_last_segment_is_no_peak_of_its_own() {
    let track = track(0, &[(4000, 4000), (4000, 5000), (40, 4000)]);
    assert_eq!(
        track.peak_bps(),
        ((5000 + 4000) * 8 * 1000_u64).div_ceil(4040)
    );
    assert_eq!(track.average_bps(), (13_000 * 8 * 1000_u64).div_ceil(8040));
}

#[test]
fn a_peak_is_not_below_the_average() {
    // One segment, of which an edit list hides the first second.
    let primed = track(1000, &[(5000, 5000)]);
    assert_eq!(primed.average_bps(), 10_000);
    assert_eq!(primed.peak_bps(), 10_000);
}

#[test]
fn the_delivery_rate_of_a_steady_track_is_its_rate() {
    assert_eq!(track(0, &[(4000, 4000); 20]).delivery_bps(4000), 8000);
    assert_eq!(
        track(0, &[(4000, 4000), (4000, 8000), (4000, 4000)]).delivery_bps(4000),
        16_000
    );
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    for path in [
        "", "/a", "a//b", "../a", "a/..", "a/./b", "a b", "a?b", "http://x", "a/$b",
    ] {
        assert!(!is_plain_path(path), "{path:?}");
    }
    assert!(is_plain_path("video/h264-720p.v1"));
}

#[test]
fn a_presentation_without_media_is_refused() {
    let mut presentation = Presentation {
        title: "t".to_owned(),
        duration: Rational::whole(8),
        video: Vec::new(),
        audio: Vec::new(),
        text: Vec::new(),
        images: Vec::new(),
    };
    assert!(presentation.validate().is_err());
    let audio = AudioTrack {
        track: track(0, &[(4000, 1)]),
        language: "en".to_owned(),
        name: String::new(),
        is_default: true,
        channels: 2,
        sample_rate: 48_000,
        role: AudioRole::Main,
    };
    presentation.audio = vec![audio.clone()];
    assert_eq!(presentation.validate(), Ok(()));
    presentation.audio.push(audio);
    assert!(presentation.validate().is_err());
}
