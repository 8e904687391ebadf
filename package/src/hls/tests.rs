//! Playlists against the RFC and read back by an independent parser.

use super::attributes::quotable;
use super::*;
use crate::manifest::tests::support::{audio, presentation};
use crate::manifest::{Presentation, Segment};
use m3u8_rs::{AlternativeMediaType, MasterPlaylist, MediaPlaylist, MediaPlaylistType};

fn master(presentation: &Presentation) -> MasterPlaylist {
    let text = multivariant(presentation);
    let (rest, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
    assert!(rest.is_empty(), "left over: {rest:?}");
    playlist
}

fn media(text: &str) -> MediaPlaylist {
    m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap().1
}

#[test]
fn every_rendition_is_offered_with_every_sound_group() {
    let presentation = presentation();
    let playlist = master(&presentation);
    assert_eq!(playlist.version, Some(6));
    assert!(playlist.independent_segments);
    let streams: Vec<_> = playlist
        .variants
        .iter()
        .filter(|it| !it.is_i_frame)
        .collect();
    let pairs: Vec<_> = streams
        .iter()
        .map(|it| {
            (
                it.uri.as_str(),
                it.audio.as_deref().unwrap(),
                it.codecs.as_deref().unwrap(),
            )
        })
        .collect();
    let (aac, ac3) = ("audio-mp4a-40-2-2", "audio-ac-3-6");
    assert_eq!(
        pairs,
        [
            ("media/h264-360p/media.m3u8", aac, "avc1.64001e,mp4a.40.2"),
            ("media/h264-360p/media.m3u8", ac3, "avc1.64001e,ac-3"),
        ]
    );
    assert_eq!(streams[0].frame_rate, Some(29.97));
    assert_eq!(streams[0].resolution.unwrap().width, 640);
}

#[test]
fn bandwidth_is_the_sum_of_the_peaks() {
    let presentation = presentation();
    let playlist = master(&presentation);
    // 2 s segments: 100,000 bytes of pictures and 30,000 of sound at most.
    assert_eq!(playlist.variants[0].bandwidth, 400_000 + 120_000);
    assert!(playlist.variants[0].average_bandwidth.unwrap() < playlist.variants[0].bandwidth);
}

#[test]
fn each_group_has_one_default_and_distinct_names() {
    let mut presentation = presentation();
    presentation.audio.push(audio("aac-again", "mp4a.40.2", 2));
    let playlist = master(&presentation);
    let of_group = |id: &str| {
        let all = playlist.alternatives.iter();
        all.filter(|it| it.group_id == id)
            .cloned()
            .collect::<Vec<_>>()
    };
    let group = of_group("audio-mp4a-40-2-2");
    assert_eq!(group.len(), 2);
    assert_eq!(group.iter().filter(|it| it.default).count(), 1);
    assert_ne!(group[0].name, group[1].name);
    let text = &of_group("subtitles")[0];
    assert_eq!(text.media_type, AlternativeMediaType::Subtitles);
    assert_eq!(text.name, "He said 'no'");
}

#[test]
fn titles_without_pictures_offer_their_sound() {
    let mut presentation = presentation();
    presentation.video.clear();
    presentation.text.clear();
    presentation.audio.truncate(1);
    let playlist = master(&presentation);
    assert!(playlist.alternatives.is_empty());
    assert_eq!(playlist.variants.len(), 1);
    assert_eq!(playlist.variants[0].uri, "media/aac-en/media.m3u8");
    assert_eq!(playlist.variants[0].codecs.as_deref(), Some("mp4a.40.2"));
    assert_eq!(playlist.variants[0].resolution, None);
    presentation.audio.push(audio("aac-de", "mp4a.40.2", 2));
    let playlist = master(&presentation);
    assert_eq!(playlist.variants.len(), 1);
    let uris: Vec<_> = playlist
        .alternatives
        .iter()
        .map(|it| it.uri.as_deref())
        .collect();
    assert_eq!(uris, [None, Some("media/aac-de/media.m3u8")]);
}

#[test]
fn durations_are_exact_and_do_not_drift() {
    let mut track = presentation().video[0].track.clone();
    // A third of a second can not be written in decimals.
    track.timescale = 3;
    track.segments = vec![
        Segment {
            duration: 4,
            size_bytes: 1,
            key_bytes: 1
        };
        3000
    ];
    let text = media_playlist(&track);
    let microseconds: u64 = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:"))
        .map(|line| {
            line.trim_end_matches(',')
                .replace('.', "")
                .parse::<u64>()
                .unwrap()
        })
        .sum();
    assert_eq!(microseconds, 4_000_000_000);
    assert!(text.contains("#EXTINF:1.333333,\n") && text.contains("#EXTINF:1.333334,\n"));
}

#[test]
fn media_playlists_are_finished_and_have_a_map() {
    let track = &presentation().video[0].track;
    let playlist = media(&media_playlist(track));
    assert!(playlist.end_list && playlist.independent_segments);
    assert_eq!(playlist.playlist_type, Some(MediaPlaylistType::Vod));
    assert_eq!(playlist.target_duration, 2);
    assert_eq!(playlist.segments[0].map.as_ref().unwrap().uri, "init.mp4");
    let uris: Vec<_> = playlist.segments.iter().map(|it| it.uri.as_str()).collect();
    assert_eq!(uris, ["00001.m4s", "00002.m4s", "00003.m4s"]);
}

#[test]
fn durations_of_sound_are_those_of_the_media() {
    let playlist = media_playlist(&presentation().audio[0].track);
    assert!(
        playlist.contains("#EXTINF:2.000000,\n00001.m4s"),
        "{playlist}"
    );
}

#[test]
fn iframe_playlists_point_at_the_first_picture() {
    let mut presentation = presentation();
    let text = iframe_playlist(&presentation.video[0]).unwrap();
    let playlist = media(&text);
    assert!(playlist.i_frames_only);
    let range = playlist.segments[0].byte_range.as_ref().unwrap();
    assert_eq!((range.length, range.offset), (9000, Some(0)));
    presentation.video[0].track.segments[1].key_bytes = 0;
    assert_eq!(iframe_playlist(&presentation.video[0]), None);
    assert!(!multivariant(&presentation).contains("I-FRAME-STREAM-INF"));
}

#[test]
fn text_playlists_have_no_map() {
    let text = text_playlist(&presentation().text[0]);
    assert!(
        text.contains("00003.vtt\n#EXT-X-ENDLIST\n") && !text.contains("MAP"),
        "{text}"
    );
}

#[test]
fn names_cannot_write_tags() {
    assert_eq!(quotable("a\"b\r\n#EXT\u{2028}c\u{85}"), "a'b  #EXT c ");
}
