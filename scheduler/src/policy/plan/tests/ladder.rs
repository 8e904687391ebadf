//! Sizes and rates.

use super::{fraction, planned, rounded, source, video};
use model::Rational;
use model::plan::Plan;
use model::source::{Orientation, VideoTrack};
use proptest::prelude::{prop_assert, proptest};

fn track(width: u32, height: u32) -> VideoTrack {
    video(
        width,
        height,
        &rounded(250, Rational::whole(25), 90_000),
        90_000,
    )
}

fn plan(track: VideoTrack, profile: &str) -> Plan {
    planned(profile, &source(Some(track), Vec::new())).unwrap()
}

fn sizes(track: VideoTrack) -> Vec<(u32, u32)> {
    let plan = plan(track, "web");
    let renditions = &plan.video.unwrap().groups[0].renditions;
    renditions
        .iter()
        .map(|rendition| (rendition.width, rendition.height))
        .collect()
}

#[test]
fn rungs_end_at_the_source() {
    let full_hd = [
        (426, 240),
        (640, 360),
        (854, 480),
        (1280, 720),
        (1920, 1080),
    ];
    assert_eq!(sizes(track(1920, 1080)), full_hd);
    assert_eq!(
        sizes(track(1920, 1079)),
        sizes(track(1280, 720))[..3]
            .iter()
            .copied()
            .map(|(_, h)| (even(1920.0 * f64::from(h) / 1079.0), h))
            .chain([(1282, 720)])
            .collect::<Vec<_>>()
    );
    assert_eq!(sizes(track(1280, 720)), full_hd[..4]);
}

fn even(edge: f64) -> u32 {
    ((edge / 2.0).round() * 2.0) as u32
}

#[test]
fn portrait_gets_the_rungs_of_landscape() {
    assert_eq!(sizes(track(1080, 1920))[4], (1080, 1920));
    let turned = Orientation {
        quarter_turns: 1,
        mirrored: false,
    };
    assert_eq!(
        sizes(VideoTrack {
            orientation: turned,
            ..track(1920, 1080)
        }),
        sizes(track(1080, 1920))
    );
}

#[test]
fn anamorphic_pictures_get_square_samples() {
    let pal = VideoTrack {
        sample_aspect: fraction(64, 45),
        ..track(720, 576)
    };
    assert_eq!(sizes(pal).last(), Some(&(854, 480)));
}

#[test]
fn a_source_below_the_ladder_gets_one_rung_of_its_own_size() {
    assert_eq!(sizes(track(320, 180)), [(320, 180)]);
    assert_eq!(sizes(track(101, 75)), [(100, 74)]);
    assert_eq!(sizes(track(2, 2)), [(16, 16)]);
    assert_eq!(sizes(track(4_000, 16)), [(4_000, 16)]);
    let plan = plan(track(320, 180), "web");
    assert_eq!(plan.video.unwrap().groups[0].renditions[0].id, "h264-180p");
}

#[test]
fn caps_follow_pixels_rate_and_codec() {
    let cap = |track: VideoTrack, profile: &str, group: usize| {
        let plan = plan(track, profile);
        let rate = plan.video.unwrap().groups[group]
            .renditions
            .last()
            .unwrap()
            .rate;
        assert_eq!(rate.buffer_bits, 2 * rate.maxrate_bps);
        rate
    };
    assert_eq!(cap(track(1920, 1080), "web", 0).maxrate_bps, 6_500_000);
    assert_eq!(
        cap(track(1080, 1080), "web", 0).maxrate_bps,
        6_500_000 * 9 / 16
    );
    let fast = video(
        1920,
        1080,
        &rounded(500, Rational::whole(50), 90_000),
        90_000,
    );
    assert_eq!(cap(fast, "web", 0).maxrate_bps, 9_750_000);
    let hevc = cap(track(1920, 1080), "hevc", 1);
    assert_eq!((hevc.maxrate_bps, hevc.quality_centi), (4_550_000, 2_600));
    let av1 = cap(track(1920, 1080), "av1", 3);
    assert_eq!((av1.maxrate_bps, av1.quality_centi), (3_900_000, 10_000));
}

proptest! {
    #[test]
    fn every_size_is_even_in_proportion_and_never_larger_than_the_source(
        width in 1_u32..8_000,
        height in 1_u32..8_000,
    ) {
        let (long, short) = (width.max(height), width.min(height));
        for (out_width, out_height) in sizes(track(width, height)) {
            prop_assert!(out_width % 2 == 0 && out_height % 2 == 0);
            prop_assert!(out_width >= 16 && out_height >= 16);
            prop_assert!(out_width <= width.max(16) && out_height <= height.max(16));
            if short >= 16 {
                let (out_long, out_short) =
                    (out_width.max(out_height), out_width.min(out_height));
                let exact = f64::from(out_short) * f64::from(long) / f64::from(short);
                // An odd short edge moves the long one by up to its own ratio.
                prop_assert!((f64::from(out_long) - exact).abs() <= 2.0, "{out_long} {exact}");
            }
        }
    }
}
