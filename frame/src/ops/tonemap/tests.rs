//! Patches against the reference, and the reference against the recommendations.

use super::reference::{self, LUMA_709, LUMINANCE_2020, TO_709};
use super::*;
use crate::{Picture, PixelFormat, Size};
use proptest::prelude::*;

const SIZE: Size = Size::new(16, 16);

/// Y'CbCr codes in 10 bits of signals of BT.2020 (ITU-R BT.2020-2, tables 4 and 5).
fn codes(signals: [f64; 3]) -> [u16; 3] {
    let [red, green, blue] = signals;
    let luma = LUMINANCE_2020[0] * red + LUMINANCE_2020[1] * green + LUMINANCE_2020[2] * blue;
    let (cb, cr) = ((blue - luma) / 1.8814, (red - luma) / 1.4746);
    [64.0 + 876.0 * luma, 512.0 + 896.0 * cb, 512.0 + 896.0 * cr].map(|code| code.round() as u16)
}

/// The signals that codes stand for; the inverse of [`codes`] but for its rounding.
fn signals(codes: [u16; 3]) -> [f64; 3] {
    let [luma, cb, cr] = codes.map(f64::from);
    let (luma, cb, cr) = (
        (luma - 64.0) / 876.0,
        (cb - 512.0) / 896.0,
        (cr - 512.0) / 896.0,
    );
    let (red, blue) = (luma + 1.4746 * cr, luma + 1.8814 * cb);
    let green = (luma - LUMINANCE_2020[0] * red - LUMINANCE_2020[2] * blue) / LUMINANCE_2020[1];
    [red, green, blue].map(|signal| signal.clamp(0.0, 1.0))
}

fn patch(codes: [u16; 3]) -> Picture {
    let mut picture = Picture::new(PixelFormat::Yuv420p10, SIZE.width, SIZE.height).unwrap();
    for (plane, code) in picture.planes_mut().iter_mut().zip(codes) {
        plane.as_u16_mut().unwrap().fill(code);
    }
    picture
}

/// The mean of a patch's codes after mapping: dithering spreads what lies between two codes over them.
fn mapped(mapper: &mut ToneMapper, codes: [u16; 3]) -> [f64; 3] {
    let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
    mapper.map(&patch(codes), &mut target).unwrap();
    assert_eq!(
        (target.format(), target.size()),
        (PixelFormat::Yuv420p8, SIZE)
    );
    let mut means = target.planes().iter().map(|plane| {
        let samples = plane.as_u8().unwrap();
        samples.iter().map(|&code| f64::from(code)).sum::<f64>() / samples.len() as f64
    });
    std::array::from_fn(|_| means.next().unwrap())
}

/// Signals of BT.709 of mean codes in 8 bits.
fn sdr_signals([luma, cb, cr]: [f64; 3]) -> [f64; 3] {
    let (luma, cb, cr) = (
        (luma - 16.0) / 219.0,
        (cb - 128.0) / 224.0,
        (cr - 128.0) / 224.0,
    );
    let (red, blue) = (luma + 1.5748 * cr, luma + 1.8556 * cb);
    let green = (luma - LUMA_709[0] * red - LUMA_709[2] * blue) / LUMA_709[1];
    [red, green, blue]
}

/// CIELAB of BT.709 signals as a BT.1886 display shows them, for D65.
fn lab(signals: [f64; 3]) -> [f64; 3] {
    let light = signals.map(reference::sdr_light);
    let xyz = [
        [0.412_390_8, 0.357_584_3, 0.180_480_8],
        [0.212_639_0, 0.715_168_7, 0.072_192_3],
        [0.019_330_8, 0.119_194_8, 0.950_532_2],
    ]
    .map(|row: [f64; 3]| {
        row.iter()
            .zip(light)
            .map(|(weight, c)| weight * c)
            .sum::<f64>()
    });
    let f = |t: f64| match t > 216.0 / 24_389.0 {
        true => t.cbrt(),
        false => (24_389.0 / 27.0 * t + 16.0) / 116.0,
    };
    let [x, y, z] = [f(xyz[0] / 0.950_456), f(xyz[1]), f(xyz[2] / 1.089_058)];
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// CIEDE2000 (ISO/CIE 11664-6).
fn delta_e(one: [f64; 3], other: [f64; 3]) -> f64 {
    let chroma = |lab: [f64; 3]| lab[1].hypot(lab[2]);
    let mean = f64::midpoint(chroma(one), chroma(other)).powi(7);
    let g = 0.5 * (1.0 - (mean / (mean + 25f64.powi(7))).sqrt());
    let turned = |lab: [f64; 3]| {
        let a = lab[1] * (1.0 + g);
        let hue = lab[2].atan2(a).to_degrees().rem_euclid(360.0);
        (
            lab[0],
            a.hypot(lab[2]),
            if a == 0.0 && lab[2] == 0.0 { 0.0 } else { hue },
        )
    };
    let ((l1, c1, h1), (l2, c2, h2)) = (turned(one), turned(other));
    let grey = c1 * c2 == 0.0;
    let dh = match h2 - h1 {
        _ if grey => 0.0,
        dh if dh > 180.0 => dh - 360.0,
        dh if dh < -180.0 => dh + 360.0,
        dh => dh,
    };
    let d_hue = 2.0 * (c1 * c2).sqrt() * (dh / 2.0).to_radians().sin();
    let hue = match (h1 - h2).abs() <= 180.0 {
        _ if grey => h1 + h2,
        true => f64::midpoint(h1, h2),
        false if h1 + h2 < 360.0 => f64::midpoint(h1, h2) + 180.0,
        false => f64::midpoint(h1, h2) - 180.0,
    };
    let cos = |degrees: f64| degrees.to_radians().cos();
    let t = 1.0 - 0.17 * cos(hue - 30.0) + 0.24 * cos(2.0 * hue) + 0.32 * cos(3.0 * hue + 6.0)
        - 0.20 * cos(4.0 * hue - 63.0);
    let (light, chroma) = (f64::midpoint(l1, l2), f64::midpoint(c1, c2));
    let from_50 = (light - 50.0).powi(2);
    let s_light = 1.0 + 0.015 * from_50 / (20.0 + from_50).sqrt();
    let (s_chroma, s_hue) = (1.0 + 0.045 * chroma, 1.0 + 0.015 * chroma * t);
    let seventh = chroma.powi(7);
    let turn = -2.0
        * (seventh / (seventh + 25f64.powi(7))).sqrt()
        * (60.0 * (-((hue - 275.0) / 25.0).powi(2)).exp())
            .to_radians()
            .sin();
    let (l, c, h) = ((l2 - l1) / s_light, (c2 - c1) / s_chroma, d_hue / s_hue);
    (l * l + c * c + h * h + turn * c * h).max(0.0).sqrt()
}

/// How far a patch is from the reference.
fn distance(mapper: &mut ToneMapper, transfer: HdrTransfer, codes: [u16; 3], peak: f64) -> f64 {
    let wanted = reference::map(transfer, signals(codes), peak / reference::WHITE_NITS);
    let found = sdr_signals(mapped(mapper, codes));
    delta_e(lab(wanted), lab(found))
}

#[test]
fn colour_differences_are_those_of_the_published_pairs() {
    // Sharma, Wu and Dalal, 2005, table 1: pairs 1, 7, 13, 19 and 25.
    for (one, other, known) in [
        ([50.0, 2.6772, -79.7751], [50.0, 0.0, -82.7485], 2.0425),
        ([50.0, 0.0, 0.0], [50.0, -1.0, 2.0], 2.3669),
        ([50.0, -0.0010, 2.4900], [50.0, 0.0010, -2.4900], 4.8045),
        ([50.0, 2.5, 0.0], [50.0, 3.1736, 0.5854], 1.0000),
        (
            [60.2574, -34.0099, 36.2677],
            [60.4626, -34.1751, 39.4387],
            1.2644,
        ),
    ] {
        let found = delta_e(one, other);
        assert!((found - known).abs() < 1e-4, "{one:?} {other:?}: {found}");
    }
}

#[test]
fn patches_are_within_one_delta_e_of_the_reference() {
    let levels = [0.0, 0.08, 0.2, 0.35, 0.5, 0.58, 0.65, 0.75, 0.9, 1.0];
    for (transfer, peak) in [
        (HdrTransfer::Pq, 203),
        (HdrTransfer::Pq, 600),
        (HdrTransfer::Pq, 1_000),
        (HdrTransfer::Pq, 4_000),
        (HdrTransfer::Pq, 10_000),
        (HdrTransfer::Hlg, 1_000),
    ] {
        let mut mapper = ToneMapper::new(transfer, peak);
        let mut worst = (0.0, [0; 3]);
        for red in levels {
            for green in levels {
                for blue in levels {
                    let codes = codes([red, green, blue]);
                    let far = distance(&mut mapper, transfer, codes, f64::from(peak));
                    worst = if far > worst.0 { (far, codes) } else { worst };
                }
            }
        }
        println!(
            "{transfer:?} {peak} cd/m²: at most {:.3} at {:?}",
            worst.0, worst.1
        );
        assert!(worst.0 <= 1.0, "{transfer:?} {peak}: {worst:?}");
    }
}

#[test]
fn greys_stay_grey_and_in_order() {
    for transfer in [HdrTransfer::Pq, HdrTransfer::Hlg] {
        let mut mapper = ToneMapper::new(transfer, 1_000);
        let mut before = 0.0;
        for code in (64..=940).step_by(4) {
            let [luma, cb, cr] = mapped(&mut mapper, [code, 512, 512]);
            assert!(luma >= before, "{transfer:?} {code}: {luma} after {before}");
            assert!(
                (cb - 128.0).abs() < 0.6 && (cr - 128.0).abs() < 0.6,
                "{code}: {cb} {cr}"
            );
            before = luma;
        }
        assert!(
            (234.5..=235.5).contains(&before),
            "{transfer:?} ends at {before}"
        );
    }
}

#[test]
fn diffuse_white_is_bright_and_the_peak_is_white() {
    let mut mapper = ToneMapper::new(HdrTransfer::Pq, 1_000);
    let white = reference::light_to_pq(1.0);
    let [luma, ..] = mapped(&mut mapper, codes([white; 3]));
    assert!((190.0..=215.0).contains(&luma), "203 cd/m² becomes {luma}");
    let peak = reference::light_to_pq(1_000.0 / 203.0);
    let [luma, ..] = mapped(&mut mapper, codes([peak; 3]));
    assert!((234.0..=235.5).contains(&luma), "the peak becomes {luma}");
}

#[test]
fn the_curves_are_those_of_the_recommendations() {
    // SMPTE ST 2084 and BT.2408: 100 cd/m² is a signal of 0.508, 203 of 0.581, 1,000 of 0.752.
    for (nits, signal) in [
        (100.0, 0.508),
        (203.0, 0.581),
        (1_000.0, 0.752),
        (10_000.0, 1.0),
    ] {
        let found = reference::light_to_pq(nits / 203.0);
        assert!((found - signal).abs() < 5e-4, "{nits}: {found}");
        assert!((reference::pq_to_light(found) - nits / 203.0).abs() < 1e-6);
    }
    // BT.2408: diffuse white is at 75 % of HLG, where a display of 1,000 cd/m² shows 203.
    let scene = reference::hlg_to_scene(0.75);
    let shown = scene * reference::hlg_ootf(scene) * 203.0;
    assert!((shown - 203.0).abs() < 1.0, "{shown}");
    // White has the same luminance in both.
    for row in TO_709 {
        assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn other_pictures_are_refused() {
    let mut mapper = ToneMapper::new(HdrTransfer::Pq, 1_000);
    let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
    for format in PixelFormat::ALL {
        let picture = Picture::new(format, 8, 8).unwrap();
        let is_taken = mapper.map(&picture, &mut target).is_ok();
        assert_eq!(is_taken, format == PixelFormat::Yuv420p10, "{format}");
    }
    let mut full = Picture::new(PixelFormat::Yuv420p10, 8, 8).unwrap();
    full.set_range(Range::Full);
    assert!(mapper.map(&full, &mut target).is_err());
}

proptest! {
    #[test]
    fn any_codes_and_odd_sizes_map_to_something(
        width in 1u32..9, height in 1u32..9, seed in any::<u64>(), is_pq in any::<bool>()
    ) {
        let transfer = if is_pq { HdrTransfer::Pq } else { HdrTransfer::Hlg };
        let mut mapper = ToneMapper::new(transfer, 1_000);
        let mut picture = Picture::new(PixelFormat::Yuv420p10, width, height).unwrap();
        let mut state = seed;
        for plane in picture.planes_mut() {
            for sample in plane.as_u16_mut().unwrap() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *sample = (state >> 48) as u16;
            }
        }
        let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
        mapper.map(&picture, &mut target).unwrap();
        prop_assert_eq!(target.size(), picture.size());
    }
}
