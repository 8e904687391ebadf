//! Parity with the plain twin and with `fast_image_resize`, siting, and the bounds.

use super::{Scaler, Siting, Weights, plain};
use crate::ops::CpuLevel;
use crate::{Error, Picture, PixelFormat, Range, Size};
use fast_image_resize as peer;

/// Noise with flat and extreme stretches, the same for the same seed.
fn noise(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let next = |index: usize| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        match (index / 37) % 5 {
            0 => 255 * (state >> 31) as u8,
            1 => 128,
            _ => (state >> 24) as u8,
        }
    };
    (0..count).map(next).collect()
}

fn noisy_picture(size: Size, seed: u32) -> Picture {
    let mut picture = Picture::new(PixelFormat::Yuv420p8, size.width, size.height).unwrap();
    for (seed, plane) in (seed..).zip(picture.planes_mut()) {
        let data = plane.as_u8_mut().unwrap();
        data.copy_from_slice(&noise(data.len(), seed));
    }
    picture
}

/// The same picture in ten bits.
fn deepened(picture: &Picture) -> Picture {
    let size = picture.size();
    let mut deep = Picture::new(PixelFormat::Yuv420p10, size.width, size.height).unwrap();
    for (plane, deep) in picture.planes().iter().zip(deep.planes_mut()) {
        let codes = plane.as_u8().unwrap().iter();
        let deep = deep.as_u16_mut().unwrap();
        for (deep, &code) in deep.iter_mut().zip(codes) {
            *deep = u16::from(code) * 4 + u16::from(code % 4);
        }
    }
    deep
}

fn scaled(source: &Picture, target: Size, level: CpuLevel) -> Picture {
    let mut scaler = Scaler::of(source.format(), source.size(), &[target], level).unwrap();
    let mut targets = [Picture::new(PixelFormat::Gray8, 1, 1).unwrap()];
    scaler.scale(source, &mut targets).unwrap();
    let [target] = targets;
    target
}

const SIZES: [(u32, u32); 14] = [
    (1, 1),
    (2, 2),
    (3, 1),
    (1, 7),
    (15, 17),
    (16, 16),
    (33, 31),
    (64, 36),
    (101, 67),
    (128, 72),
    (320, 180),
    (426, 240),
    (641, 359),
    (1280, 720),
];

#[test]
fn every_cpu_level_equals_the_plain_twin() {
    for level in CpuLevel::ALL {
        if !level.is_available() {
            println!("skipped: this processor has no {level:?}");
            continue;
        }
        for (seed, (width, height)) in (1..).zip(SIZES) {
            let source = noisy_picture(Size::new(width, height), seed);
            let deep = deepened(&source);
            for (width, height) in SIZES {
                let target = Size::new(width, height);
                for source in [&source, &deep] {
                    let plain = scaled(source, target, CpuLevel::None);
                    let vector = scaled(source, target, level);
                    let (format, size) = (source.format(), source.size());
                    assert!(plain == vector, "{level:?}: {format} {size} to {target}");
                }
            }
        }
    }
}

#[test]
fn the_plain_twin_equals_fast_image_resize() {
    // It takes the best instruction set; a lower one can only be asked for in unsafe code.
    let mut resizer = peer::Resizer::new();
    println!("fast_image_resize with {:?}", resizer.cpu_extensions());
    for (seed, (from_width, from_height)) in (1..).zip(SIZES) {
        let source = noise((from_width * from_height) as usize, seed);
        let view =
            peer::images::ImageRef::new(from_width, from_height, &source, peer::PixelType::U8);
        for (width, height) in SIZES {
            let mut expected = peer::images::Image::new(width, height, peer::PixelType::U8);
            resizer
                .resize(view.as_ref().unwrap(), &mut expected, None)
                .unwrap();
            let step = |from: u32, to: u32| f64::from(from) / f64::from(to);
            let weights = |from, to| Weights::new(from, to, step(from, to), Siting::Centred, 8);
            let (horizontal, vertical) = (weights(from_width, width), weights(from_height, height));
            let mut target = vec![0; (width * height) as usize];
            plain::scale_plane(
                &source,
                from_width as usize,
                (&horizontal, &vertical),
                &mut target,
            );
            assert!(
                target == expected.buffer(),
                "{from_width}x{from_height} to {width}x{height}"
            );
        }
    }
}

#[test]
fn ten_bits_say_what_eight_say_but_finer() {
    let source = noisy_picture(Size::new(320, 180), 7);
    for (width, height) in [(213, 120), (160, 90), (640, 360), (33, 31)] {
        let target = Size::new(width, height);
        let narrow = scaled(&source, target, CpuLevel::Best);
        let deep = scaled(&deepened(&source), target, CpuLevel::Best);
        for (narrow, deep) in narrow.planes().iter().zip(deep.planes()) {
            let narrow = narrow.as_u8().unwrap().iter();
            for (&narrow, &deep) in narrow.zip(deep.as_u16().unwrap()) {
                // Each of two passes rounds to one code of eight bits, and the second spreads the first.
                let (low, high) = (i32::from(narrow) * 4 - 8, i32::from(narrow) * 4 + 11);
                assert!(
                    (low..=high).contains(&i32::from(deep)),
                    "{narrow} and {deep}"
                );
            }
        }
    }
}

#[test]
fn samples_beyond_ten_bits_count_as_the_largest() {
    let picture = |code: u16| {
        let mut picture = Picture::new(PixelFormat::Yuv420p10, 50, 40).unwrap();
        for plane in picture.planes_mut() {
            plane.as_u16_mut().unwrap().fill(code);
        }
        picture
    };
    for level in [CpuLevel::None, CpuLevel::Best] {
        let target = Size::new(30, 20);
        let (lie, largest) = (picture(u16::MAX), picture(1023));
        assert!(scaled(&lie, target, level) == scaled(&largest, target, level));
    }
}

#[test]
fn a_flat_picture_stays_flat() {
    for code in [0, 16, 127, 235, 255] {
        let mut source = Picture::new(PixelFormat::Yuv420p8, 350, 197).unwrap();
        for plane in source.planes_mut() {
            plane.as_u8_mut().unwrap().fill(code);
        }
        for (width, height) in [(128, 72), (349, 196), (1, 1), (700, 400)] {
            let target = scaled(&source, Size::new(width, height), CpuLevel::Best);
            for plane in target.planes() {
                assert!(
                    plane.as_u8().unwrap().iter().all(|&v| v == code),
                    "{width}x{height}"
                );
            }
        }
    }
}

#[test]
fn chroma_edges_stay_on_their_luma_edges() {
    // A ramp along x, drawn where left-sited chroma belongs: sample c at luma centre 2c + 0.5.
    let (width, height) = (96, 64);
    let mut source = Picture::new(PixelFormat::Yuv420p8, width, height).unwrap();
    for (index, plane) in source.planes_mut().iter_mut().enumerate() {
        let step = if index == 0 { 1.0 } else { 2.0 };
        let columns = plane.width();
        for (x, sample) in plane.as_u8_mut().unwrap().iter_mut().enumerate() {
            *sample = (16.0 + ((x % columns) as f64 * step + 0.5) * 2.0).round() as u8;
        }
    }
    let target = scaled(&source, Size::new(24, 16), CpuLevel::Best);
    let luma = target.planes()[0].as_u8().unwrap();
    let chroma = target.planes()[1].as_u8().unwrap();
    for x in 4..8 {
        let (on_luma, on_chroma) = (
            i32::from(luma[24 * 8 + 2 * x]),
            i32::from(chroma[12 * 4 + x]),
        );
        assert!(
            (on_luma - on_chroma).abs() <= 1,
            "column {x}: {on_luma} and {on_chroma}"
        );
    }
}

#[test]
fn the_same_size_is_a_copy_and_keeps_the_range() {
    let mut source = noisy_picture(Size::new(77, 45), 5);
    source.set_range(Range::Full);
    assert_eq!(scaled(&source, source.size(), CpuLevel::Best), source);
}

#[test]
fn what_was_not_agreed_is_refused() {
    let size = Size::new(16, 16);
    let mut scaler = Scaler::new(size, &[size], CpuLevel::Best).unwrap();
    let mut target = [Picture::new(PixelFormat::Gray8, 1, 1).unwrap()];
    let deep = Picture::new(PixelFormat::Yuv420p10, 16, 16).unwrap();
    assert!(matches!(
        scaler.scale(&deep, &mut target),
        Err(Error::Format { .. })
    ));
    let other = Picture::new(PixelFormat::Yuv420p8, 16, 18).unwrap();
    assert!(matches!(
        scaler.scale(&other, &mut target),
        Err(Error::Shape { .. })
    ));
    let source = Picture::new(PixelFormat::Yuv420p8, 16, 16).unwrap();
    assert!(matches!(
        scaler.scale(&source, &mut []),
        Err(Error::Shape { .. })
    ));
    assert!(Scaler::new(Size::new(0, 1), &[size], CpuLevel::Best).is_err());
    assert!(Scaler::new(size, &[Size::new(1, 16385)], CpuLevel::Best).is_err());
}

proptest::proptest! {
    #[test]
    fn any_size_to_any_size_equals_the_plain_twin(
        (from_width, from_height) in (1u32..200, 1u32..200),
        (width, height) in (1u32..200, 1u32..200),
        seed: u32,
    ) {
        let source = noisy_picture(Size::new(from_width, from_height), seed);
        let target = Size::new(width, height);
        let plain = scaled(&source, target, CpuLevel::None);
        proptest::prop_assert!(plain == scaled(&source, target, CpuLevel::Best));
    }
}
