//! Still pictures, moving edges, parity with the plain twin, and the bounds.

use super::*;
use crate::PixelFormat;

fn picture(format: PixelFormat, code: impl Fn(usize, usize) -> u16) -> Picture {
    let mut picture = Picture::new(format, 24, 16).unwrap();
    for plane in picture.planes_mut() {
        let width = plane.width();
        let at = |index: usize| code(index % width, index / width);
        if let Some(data) = plane.as_u8_mut() {
            data.iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v = at(i) as u8);
        } else if let Some(data) = plane.as_u16_mut() {
            data.iter_mut().enumerate().for_each(|(i, v)| *v = at(i));
        }
    }
    picture
}

fn run(previous: &Picture, current: &Picture, next: &Picture, order: FieldOrder) -> Picture {
    let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
    deinterlace(Some(previous), current, Some(next), order, &mut target).unwrap();
    target
}

#[test]
fn a_still_picture_is_kept() {
    for format in [
        PixelFormat::Yuv420p8,
        PixelFormat::Yuv422p10,
        PixelFormat::Gray8,
    ] {
        let still = picture(format, |x, y| ((x * 37 + y * y * 11) % 220) as u16);
        for order in [FieldOrder::TopFirst, FieldOrder::BottomFirst] {
            assert_eq!(run(&still, &still, &still, order), still);
            let mut alone = Picture::new(format, 1, 1).unwrap();
            deinterlace(None, &still, None, order, &mut alone).unwrap();
            assert_eq!(alone, still);
        }
    }
}

#[test]
fn a_moving_edge_is_combed_before_and_not_after() {
    // An edge that moves 8 columns per field: even lines show it at 4 + 16t, odd lines later.
    let at = |time: usize| {
        picture(PixelFormat::Yuv420p8, move |x, y| {
            if x < 16 * time + 8 * (y % 2) { 200 } else { 20 }
        })
    };
    let (previous, current, next) = (at(0), at(1), at(2));
    let comb = |picture: &Picture| {
        let luma = picture.planes()[0].as_u8().unwrap();
        let column = |y: usize| i32::from(luma[y * 24 + 20]);
        (4..12)
            .map(|y| (column(y) - column(y + 1)).abs())
            .max()
            .unwrap()
    };
    assert_eq!(comb(&current), 180);
    assert!(comb(&run(&previous, &current, &next, FieldOrder::TopFirst)) <= 1);
}

#[test]
fn the_first_field_is_never_changed() {
    let noise = |seed: usize| {
        picture(PixelFormat::Yuv420p8, move |x, y| {
            (x * x * 31 + y * 17 * seed) as u16 % 256
        })
    };
    let current = noise(5);
    for (order, kept) in [(FieldOrder::TopFirst, 0), (FieldOrder::BottomFirst, 1)] {
        let target = run(&noise(3), &current, &noise(9), order);
        for (to, from) in target.planes().iter().zip(current.planes()) {
            let width = to.width();
            let rows = to
                .as_u8()
                .unwrap()
                .chunks(width)
                .zip(from.as_u8().unwrap().chunks(width));
            assert!(rows.skip(kept).step_by(2).all(|(to, from)| to == from));
        }
    }
}

#[test]
fn codes_beyond_their_depth_do_no_harm() {
    let wild = |seed: usize| {
        picture(PixelFormat::Yuv420p10, move |x, y| {
            ((x + y * seed) % 2) as u16 * u16::MAX
        })
    };
    let target = run(&wild(1), &wild(0), &wild(3), FieldOrder::TopFirst);
    assert_eq!(target.format(), PixelFormat::Yuv420p10);
}

#[test]
fn tiny_pictures_and_strangers_are_handled() {
    for (width, height) in [(1, 1), (2, 2), (5, 3)] {
        let small = Picture::black(PixelFormat::Yuv420p8, width, height).unwrap();
        assert_eq!(run(&small, &small, &small, FieldOrder::BottomFirst), small);
    }
    let current = Picture::black(PixelFormat::Yuv420p8, 8, 8).unwrap();
    let other = Picture::black(PixelFormat::Yuv420p8, 8, 10).unwrap();
    let mut target = current.clone();
    let order = FieldOrder::TopFirst;
    let refused = deinterlace(Some(&other), &current, None, order, &mut target);
    assert!(matches!(refused, Err(Error::Shape { .. })));
}

/// The target as the plain twin makes it, for pictures whose fields need no line from outside.
fn plainly(pictures: [&Picture; 3], y: usize, x: usize) -> i32 {
    let sample = |picture: &Picture, line: isize| {
        let luma = &picture.planes()[0];
        let index = (y as isize + line) as usize * luma.width() + x;
        match luma.samples() {
            Samples::U8(data) => i32::from(data[index]),
            Samples::U16(data) => i32::from(data[index]),
        }
    };
    let [previous, current, next] = pictures;
    let column = plain::Column {
        before: [-4, -2, 0, 2, 4].map(|line| sample(previous, line)),
        after: [-4, -2, 0, 2, 4].map(|line| sample(current, line)),
        kept: [-3, -1, 1, 3].map(|line| sample(current, line)),
        past: [-1, 1].map(|line| sample(previous, line)),
        future: [-1, 1].map(|line| sample(next, line)),
    };
    plain::make_sample(&column).clamp(0, (1 << current.format().bit_depth()) - 1)
}

#[test]
fn every_line_equals_the_plain_twin() {
    for format in [PixelFormat::Yuv420p8, PixelFormat::Yuv444p12] {
        let limit = 1 << format.bit_depth();
        // Noise around a common picture, so that both small and large motion occur.
        let noisy = |seed: usize, strength: usize| {
            picture(format, move |x, y| {
                let noise = (x * 7919 + y * 104_729 + seed * 1_299_709) % 8191 % strength;
                ((x * 9 + y * 31 + noise) % limit) as u16
            })
        };
        for strength in [1, 2, 5, 60, 4000] {
            let pictures = [noisy(1, strength), noisy(2, strength), noisy(3, strength)];
            let [previous, current, next] = &pictures;
            let target = run(previous, current, next, FieldOrder::TopFirst);
            for (x, y) in (0..24).flat_map(|x| (5..12).step_by(2).map(move |y| (x, y))) {
                let expected = plainly([previous, current, next], y, x);
                let made = match target.planes()[0].samples() {
                    Samples::U8(data) => i32::from(data[y * 24 + x]),
                    Samples::U16(data) => i32::from(data[y * 24 + x]),
                };
                assert_eq!(made, expected, "{format}, noise of {strength}, {x} {y}");
            }
        }
    }
}
