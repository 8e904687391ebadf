//! Whole plans.

use super::{audio, builds, fraction, planned, rounded, source, text, ticket, video};
use crate::policy::plan::{left_out, plan};
use model::hdr::{ContentLight, HdrTransfer};
use model::plan::{AudioCodec, Sidecar, ToneMap};
use model::source::{AccessPoint, Color, FieldOrder, VideoTrack};
use model::{FailureKind, Rational};

fn film(seconds: i64) -> VideoTrack {
    let rate = fraction(24_000, 1_001);
    video(1920, 1080, &rounded(seconds * 24, rate, 24_000), 24_000)
}

#[test]
fn the_same_source_always_gives_the_same_plan() {
    let source = source(
        Some(film(100)),
        vec![audio(2, Rational::ZERO, Rational::whole(100))],
    );
    assert_eq!(planned("web", &source), planned("web", &source));
}

#[test]
fn chunks_cover_every_segment_once_and_start_near_access_points() {
    let mut track = film(600);
    // An access point every 250 frames, as x264 writes them; segments have 144.
    track.frames.access_points = (0..track.frames.len())
        .step_by(250)
        .map(|frame| AccessPoint { frame, dts: 0 })
        .collect();
    let plan = planned("web", &source(Some(track), Vec::new())).unwrap();
    let video = plan.video.unwrap();
    assert_eq!(video.grid.segment_frames, 144);
    let units: Vec<u32> = video.chunks.iter().cloned().flatten().collect();
    assert_eq!(units, (0..video.grid.segments()).collect::<Vec<_>>());
    assert_eq!(video.chunks.len(), 4, "one for each slot");
    for chunk in &video.chunks {
        assert!(chunk.len() >= 2, "{chunk:?}");
        let wasted = (chunk.start * 144) % 250;
        assert!(
            wasted <= 30,
            "chunk at {} decodes {wasted} frames for nothing",
            chunk.start
        );
    }
}

#[test]
fn a_title_of_one_frame_is_one_segment_and_one_chunk() {
    let track = video(640, 360, &[7], 1_000);
    let plan = planned("web", &source(Some(track), Vec::new())).unwrap();
    let video = plan.video.unwrap();
    assert_eq!((video.grid.frames, video.grid.segments()), (1, 1));
    assert_eq!((video.chunks.len(), video.chunks[0].clone()), (1, 0..1));
    assert_eq!(plan.duration, fraction(1, 25));
    assert_eq!(plan.audio_borders, [fraction(1, 25)]);
}

#[test]
fn keyframes_divide_segments_where_they_can() {
    let plan = planned("web", &source(Some(film(20)), Vec::new())).unwrap();
    assert_eq!(plan.video.unwrap().groups[0].keyframe_frames, 48);
    let odd = video(640, 360, &rounded(250, fraction(151, 6), 151_000), 151_000);
    let plan = planned("web", &source(Some(odd), Vec::new())).unwrap();
    let video = plan.video.unwrap();
    assert_eq!(
        (video.grid.segment_frames, video.groups[0].keyframe_frames),
        (151, 50)
    );
}

#[test]
fn sound_starts_where_pictures_start_and_ends_where_they_end() {
    let rate = Rational::whole(25);
    let pts: Vec<i64> = rounded(250, rate, 1_000)
        .iter()
        .map(|pts| pts + 1_400)
        .collect();
    let track = video(640, 360, &pts, 1_000);
    let sound = vec![
        audio(2, fraction(13, 10), Rational::whole(11)),
        audio(8, Rational::ZERO, Rational::ONE),
    ];
    let plan = planned("web", &source(Some(track), sound)).unwrap();
    assert!(plan.audio.iter().all(|track| track.zero == fraction(7, 5)));
    assert_eq!(
        plan.audio_borders,
        [Rational::whole(6), Rational::whole(10)]
    );
    let ids = |index: usize| {
        plan.audio[index]
            .outputs
            .iter()
            .map(|o| (o.id.as_str(), o.channels))
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(0), [("audio-0-aac2", 2)]);
    assert_eq!(ids(1), [("audio-1-aac2", 2), ("audio-1-aac6", 6)]);
}

#[test]
fn surround_follows_the_profile() {
    let mut ticket = ticket("web");
    ticket.profile.audio.surround = model::profile::Surround::Ac3;
    let source = source(None, vec![audio(6, Rational::ZERO, Rational::whole(9))]);
    let plan = plan(&ticket, &source, &builds(&[]), 1).unwrap();
    let surround = &plan.audio[0].outputs[1];
    assert_eq!(
        (surround.id.as_str(), surround.codec),
        ("audio-0-ac36", AudioCodec::Ac3)
    );
}

#[test]
fn a_title_of_sound_alone_lasts_as_long_as_its_longest_track() {
    let sound = vec![
        audio(2, fraction(1, 2), Rational::whole(9)),
        audio(1, fraction(1, 4), Rational::whole(5)),
    ];
    let plan = planned("web", &source(None, sound)).unwrap();
    assert_eq!(plan.duration, fraction(37, 4));
    assert_eq!(plan.audio[0].zero, fraction(1, 4));
    assert_eq!(plan.audio_borders, [Rational::whole(6), fraction(37, 4)]);
    assert!(plan.video.is_none());
}

#[test]
fn text_is_kept_and_bitmaps_are_named() {
    let mut source = source(Some(film(4)), Vec::new());
    source.text = vec![text("hdmv_pgs_subtitle"), text("mov_text")];
    let mut ticket = ticket("web");
    ticket.sidecars = vec![Sidecar {
        url: "file:///a.SRT".to_owned(),
        language: String::new(),
        forced: true,
        hearing_impaired: false,
    }];
    let plan = plan(&ticket, &source, &builds(&["x264"]), 1).unwrap();
    let tracks: Vec<_> = plan
        .text
        .iter()
        .map(|t| (t.index, t.track.codec.as_str(), t.track.language.as_str()))
        .collect();
    assert_eq!(tracks, [(0, "mov_text", "en"), (1, "subrip", "und")]);
    assert!(left_out(&source)[0].contains("hdmv_pgs_subtitle"));
}

#[test]
fn colour_is_signalled_and_guessed_by_size() {
    let color = |track: VideoTrack| {
        planned("web", &source(Some(track), Vec::new()))
            .unwrap()
            .video
            .unwrap()
            .groups[0]
            .renditions[0]
            .color
    };
    let at = |width, height| VideoTrack {
        width,
        height,
        ..film(4)
    };
    assert_eq!(color(at(1920, 1080)), Color::BT709);
    assert_eq!(color(at(720, 576)).matrix, 5);
    assert_eq!(color(at(720, 480)).matrix, 6);
    let full = Color {
        primaries: 1,
        transfer: 13,
        matrix: 0,
        full_range: true,
    };
    let out = color(VideoTrack {
        color: full,
        ..at(1920, 1080)
    });
    assert_eq!(
        out,
        Color {
            primaries: 1,
            transfer: 13,
            matrix: 1,
            full_range: false
        }
    );
}

#[test]
fn interlaced_pictures_are_made_progressive() {
    let track = VideoTrack {
        field_order: FieldOrder::BottomFirst,
        ..film(4)
    };
    let plan = planned("web", &source(Some(track), Vec::new())).unwrap();
    assert_eq!(
        plan.video.unwrap().filters.deinterlace,
        Some(FieldOrder::BottomFirst)
    );
}

#[test]
fn hdr_is_mapped_and_signalled_as_what_it_becomes() {
    for (transfer, name) in [(16, HdrTransfer::Pq), (18, HdrTransfer::Hlg)] {
        let mut track = film(4);
        track.color = Color {
            primaries: 9,
            transfer,
            matrix: 9,
            full_range: false,
        };
        track.hdr.light = Some(ContentLight {
            pixel_max: 700,
            mean_max: 0,
        });
        let plan = planned("web", &source(Some(track), Vec::new())).unwrap();
        let video = plan.video.unwrap();
        let tonemap = ToneMap {
            transfer: name,
            peak_nits: 700,
        };
        assert_eq!(video.filters.tonemap, Some(tonemap));
        let mut renditions = video.groups.iter().flat_map(|group| &group.renditions);
        assert!(renditions.all(|rendition| rendition.color == Color::BT709));
    }
}

#[test]
fn what_cannot_be_done_is_said_with_its_class() {
    let cases = [
        (source(None, Vec::new()), FailureKind::BadInput),
        (
            source(None, vec![audio(2, Rational::ZERO, Rational::ZERO)]),
            FailureKind::BadInput,
        ),
        (
            source(Some(video(0, 0, &[0], 25)), Vec::new()),
            FailureKind::BadInput,
        ),
    ];
    for (source, kind) in cases {
        assert_eq!(planned("web", &source).unwrap_err().kind, kind);
    }
    let source = source(Some(film(4)), Vec::new());
    let failure = plan(&ticket("hevc"), &source, &builds(&["x264"]), 1).unwrap_err();
    assert_eq!(failure.kind, FailureKind::Unsupported);
    assert!(failure.message.contains("x265"), "{failure}");
}

#[test]
fn tiles_are_cut_at_whole_frames() {
    let plan = planned("web", &source(Some(film(20)), Vec::new())).unwrap();
    assert_eq!(plan.tile_frames, 48);
}

#[test]
fn only_an_encoder_that_makes_use_of_it_is_shown_what_follows_a_segment() {
    let lookahead = |profile: &str| -> Vec<(String, u32)> {
        let plan = planned(profile, &source(Some(film(20)), Vec::new())).unwrap();
        let groups = plan.video.unwrap().groups.into_iter();
        groups
            .map(|group| (group.name, group.lookahead_frames))
            .collect()
    };
    assert_eq!(
        lookahead("web"),
        [("h264".to_owned(), 40)],
        "x264 at its preset medium"
    );
    assert_eq!(lookahead("hevc").last(), Some(&("hevc".to_owned(), 0)));
    let av1 = lookahead("av1");
    let av1 = av1.iter().filter(|(name, _)| name.starts_with("av1"));
    assert!(av1.clone().count() > 0 && av1.clone().all(|(_, frames)| *frames == 0));
}

#[test]
fn large_pictures_of_a_slow_encoder_are_groups_of_their_own() {
    let groups = |profile: &str, width: u32, height: u32| -> Vec<Vec<String>> {
        let track = VideoTrack {
            width,
            height,
            ..film(20)
        };
        let plan = planned(profile, &source(Some(track), Vec::new())).unwrap();
        let groups = plan.video.unwrap().groups.into_iter();
        groups
            .map(|group| {
                let ids = group.renditions.into_iter().map(|one| one.id);
                std::iter::once(group.name).chain(ids).collect()
            })
            .collect()
    };
    let av1 = |width, height| {
        let mut all = groups("av1", width, height);
        all.retain(|group| group[0].starts_with("av1"));
        all
    };
    let large = av1(3840, 2160);
    assert_eq!(large.len(), 3);
    assert_eq!(large[0].last().unwrap(), "av1-1080p");
    assert_eq!(large[1], ["av1-1440p"; 2]);
    assert_eq!(large[2], ["av1-2160p"; 2]);
    let usual = av1(1920, 1080);
    assert_eq!(usual[0], ["av1", "av1-240p", "av1-360p", "av1-480p"]);
    assert_eq!(usual[1..], [["av1-720p"; 2], ["av1-1080p"; 2]]);
    assert_eq!(av1(854, 480).len(), 1, "not worth a decode");
    assert_eq!(groups("web", 3840, 2160).len(), 1);
}
