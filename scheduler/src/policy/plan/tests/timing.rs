//! Rates and frame maps.

use super::{fraction, rounded, table};
use crate::policy::plan::{Timing, timing};
use model::source::FrameTable;
use model::{FailureKind, Rational};
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

const MILLISECONDS: i64 = 1_000;

fn of(pts: &[i64], ticks_per_second: i64, nominal: Option<Rational>) -> Timing {
    timing(
        &table(pts),
        fraction(1, ticks_per_second),
        nominal,
        Rational::whole(60),
    )
    .unwrap()
}

fn shown(timing: &Timing) -> Vec<u32> {
    timing.map.sources(0..timing.map.len())
}

#[test]
fn rounded_time_stamps_give_the_exact_rate_and_every_frame_once() {
    let cases = [
        (Rational::whole(25), MILLISECONDS),
        (fraction(30_000, 1_001), MILLISECONDS),
        (fraction(24_000, 1_001), MILLISECONDS),
        (fraction(60_000, 1_001), MILLISECONDS),
        (fraction(25, 2), MILLISECONDS),
        (Rational::whole(10), MILLISECONDS),
        (Rational::whole(15), MILLISECONDS),
        (fraction(30_000, 1_001), 90_000),
        (Rational::whole(24), 600),
        (Rational::whole(50), 25 * 512),
        (Rational::whole(25), 25),
    ];
    for (rate, ticks_per_second) in cases {
        let frames = 900;
        let timing = of(
            &rounded(frames, rate, ticks_per_second),
            ticks_per_second,
            None,
        );
        assert_eq!(
            timing.rate, rate,
            "in 1/{ticks_per_second}: {}",
            timing.reason
        );
        assert_eq!(shown(&timing), (0..frames as u32).collect::<Vec<_>>());
    }
}

#[test]
fn matroska_at_29_97_is_30000_over_1001() {
    let timing = of(
        &[0, 33, 67, 100, 133, 167, 200, 234, 267, 300],
        MILLISECONDS,
        None,
    );
    // Ten frames fit 30 as well; what the container says decides.
    let ntsc = fraction(30_000, 1_001);
    assert!(timing.rate == ntsc || timing.rate == Rational::whole(30));
    assert_eq!(
        of(&rounded(10, ntsc, MILLISECONDS), MILLISECONDS, Some(ntsc)).rate,
        ntsc
    );
}

#[test]
fn milliseconds_in_a_finer_container_are_still_rounding() {
    let rate = fraction(30_000, 1_001);
    let pts: Vec<i64> = rounded(600, rate, MILLISECONDS)
        .iter()
        .map(|ms| ms * 90)
        .collect();
    assert_eq!(of(&pts, 90_000, None).rate, rate);
}

#[test]
fn a_rate_that_is_no_standard_is_found_exactly() {
    for rate in [
        fraction(2_997, 100),
        fraction(18, 1),
        fraction(175, 6),
        fraction(7, 3),
    ] {
        let timing = of(&rounded(3_000, rate, 90_000), 90_000, None);
        assert_eq!(timing.rate, rate, "{}", timing.reason);
    }
}

#[test]
fn a_lost_frame_is_not_taken_for_rounding() {
    let mut pts = rounded(250, Rational::whole(25), 25);
    pts.remove(100);
    let timing = of(&pts, 25, Some(Rational::whole(25)));
    assert_eq!(timing.rate, Rational::whole(25));
    let sources = shown(&timing);
    assert_eq!(sources.len(), 250);
    assert_eq!(
        sources[98..103],
        [98, 99, 99, 100, 101],
        "{}",
        timing.reason
    );
    assert!(
        timing.reason.contains("1 frames repeated, 0 dropped"),
        "{}",
        timing.reason
    );
}

#[test]
fn a_jittering_phone_is_laid_on_the_rate_that_it_means() {
    let pts: Vec<i64> = (0..300).map(|n| n * 3_000 + (n * 7_919) % 500).collect();
    let timing = of(&pts, 90_000, None);
    assert_eq!(timing.rate, fraction(30_000, 1_001));
    let frames = i64::from(timing.map.len());
    assert!((299..=300).contains(&frames), "{frames}");
}

#[test]
fn a_screen_recording_repeats_the_frame_that_is_on_screen() {
    // Twenty frames a second, a pause of two seconds, and again.
    let pts: Vec<i64> = (0..20)
        .map(|n| n * 50)
        .chain((0..20).map(|n| 3_000 + n * 51))
        .collect();
    let timing = of(&pts, MILLISECONDS, None);
    assert_eq!(timing.rate, Rational::whole(20));
    let sources = shown(&timing);
    assert!(
        sources[20..58].iter().all(|&source| source == 19),
        "{sources:?}"
    );
}

#[test]
fn one_frame_is_a_still_of_one_frame() {
    let timing = of(&[1_234], MILLISECONDS, None);
    assert_eq!(
        (timing.rate, shown(&timing)),
        (Rational::whole(25), vec![0])
    );
}

#[test]
fn two_frames_are_two_frames() {
    let timing = of(&[0, 40], MILLISECONDS, None);
    assert_eq!(
        (timing.rate, shown(&timing)),
        (Rational::whole(25), vec![0, 1])
    );
}

#[test]
fn faster_sources_are_halved_until_they_fit() {
    let timing = of(&rounded(1_001, Rational::whole(240), 90_000), 90_000, None);
    assert_eq!(timing.rate, Rational::whole(60));
    assert_eq!(shown(&timing), (0..1_001).step_by(4).collect::<Vec<u32>>());
}

#[test]
fn a_slide_show_is_laid_on_a_rate_that_segments_can_have() {
    let timing = of(&[0, 20_000, 40_000], MILLISECONDS, None);
    assert_eq!(timing.rate, Rational::whole(10));
    assert_eq!(timing.map.len(), 600);
}

#[test]
fn time_stamps_that_cannot_be_are_bad_input() {
    let base = fraction(1, MILLISECONDS);
    let rate_max = Rational::whole(60);
    let cases = [
        FrameTable::default(),
        FrameTable::new(&[0, 40, 30], Vec::new(), 80),
        FrameTable::new(&[0, 40, i64::MAX / 8], Vec::new(), i64::MAX),
        FrameTable::new(&[i64::MIN / 8, 0, 40], Vec::new(), 80),
        FrameTable::new(&[i64::MIN, i64::MAX], Vec::new(), i64::MAX),
    ];
    for table in cases {
        let failure = timing(&table, base, None, rate_max).unwrap_err();
        assert_eq!(failure.kind, FailureKind::BadInput, "{table:?}");
    }
    let fine = FrameTable::new(&[0, 40], Vec::new(), 80);
    assert!(timing(&fine, Rational::ZERO, None, rate_max).is_err());
}

fn any_steps() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(0_i64..2_000, 1..300)
}

proptest! {
    #[test]
    fn whatever_the_time_stamps_frames_go_forwards_and_the_length_is_kept(
        steps in any_steps(),
        first in -5_000_i64..5_000,
    ) {
        let pts: Vec<i64> = std::iter::once(first)
            .chain(steps.iter().scan(first, |at, step| { *at += step; Some(*at) }))
            .collect();
        let timing = of(&pts, MILLISECONDS, None);
        let sources = shown(&timing);
        prop_assert!(!sources.is_empty());
        prop_assert!(sources.windows(2).all(|pair| pair[0] <= pair[1]));
        prop_assert!(sources.iter().all(|&source| (source as usize) < pts.len()));
        let frames = Rational::whole(i64::from(timing.map.len()));
        let length = frames.checked_div(timing.rate).unwrap().as_f64();
        let end = table(&pts).end_pts;
        let expected = (end - first).max(1) as f64 / 1_000.0;
        let frame = timing.rate.recip().unwrap().as_f64();
        // A constant source ends one frame after its last time stamp, whatever the container says.
        prop_assert!((length - expected).abs() <= 2.1 * frame + 0.002, "{length} {expected}");
    }

    #[test]
    fn every_constant_rate_survives_rounding_to_milliseconds(
        index in 0_usize..super::super::timing::STANDARD.len(),
        frames in 2_i64..4_000,
        first in 0_i64..100_000,
    ) {
        let (num, den) = super::super::timing::STANDARD[index];
        let rate = fraction(num, den);
        let pts: Vec<i64> =
            rounded(frames, rate, MILLISECONDS).iter().map(|pts| pts + first).collect();
        let timing = timing(&table(&pts), fraction(1, 1_000), Some(rate), Rational::whole(120));
        let timing = timing.unwrap();
        prop_assert_eq!(timing.rate, rate);
        prop_assert_eq!(timing.map.len() as i64, frames);
    }
}
