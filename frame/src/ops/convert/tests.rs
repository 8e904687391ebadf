//! Known answers, limits, and independence of everything but the position.

use super::Converter;
use crate::{Error, Picture, PixelFormat, Plane, Range, Samples, Size};

fn converted(source: &Picture, to: PixelFormat) -> Picture {
    let mut target = Picture::new(PixelFormat::Gray8, 1, 1).unwrap();
    let mut converter = Converter::new(source.format(), source.range(), to).unwrap();
    converter.convert(source, &mut target).unwrap();
    target
}

/// A picture whose samples are all `codes[plane]`.
fn flat(format: PixelFormat, size: Size, range: Range, codes: [u16; 3]) -> Picture {
    let planes = (0..format.planes()).map(|index| {
        let (width, height) = format.plane_size(index, size.width, size.height);
        let count = (width * height) as usize;
        let samples = match format.bit_depth() {
            8 => Samples::U8(vec![codes[index] as u8; count]),
            _ => Samples::U16(vec![codes[index]; count]),
        };
        Plane::from_samples(width, height, samples).unwrap()
    });
    Picture::from_planes(format, size, range, planes.collect()).unwrap()
}

fn codes(picture: &Picture, plane: usize) -> Vec<u16> {
    match picture.planes()[plane].samples() {
        Samples::U8(data) => data.iter().map(|&code| u16::from(code)).collect(),
        Samples::U16(data) => data.clone(),
    }
}

#[test]
fn flat_pictures_of_every_format_keep_their_codes() {
    for format in PixelFormat::ALL {
        for (width, height) in [(1, 1), (2, 2), (7, 5), (33, 19), (64, 36)] {
            let shift = format.bit_depth() - 8;
            let video = [16 << shift, 90 << shift, 240 << shift];
            let source = flat(format, Size::new(width, height), Range::Video, video);
            for (to, up) in [(PixelFormat::Yuv420p8, 0), (PixelFormat::Yuv420p10, 2)] {
                let target = converted(&source, to);
                assert_eq!(target.size(), source.size());
                for plane in 0..3 {
                    let gray = format == PixelFormat::Gray8 && plane > 0;
                    let expected = if gray { 128 } else { [16, 90, 240][plane] } << up;
                    assert!(
                        codes(&target, plane).iter().all(|&code| code == expected),
                        "{format} {width}x{height} to {to}, plane {plane}"
                    );
                }
            }
        }
    }
}

#[test]
fn full_range_limits_become_video_limits() {
    for (format, top) in [(PixelFormat::Yuv444p8, 255), (PixelFormat::Yuv420p12, 4095)] {
        let middle = 1 << (format.bit_depth() - 1);
        let make = |luma, blue| flat(format, Size::new(8, 8), Range::Full, [luma, blue, middle]);
        let black = converted(&make(0, 0), PixelFormat::Yuv420p8);
        let white = converted(&make(top, top), PixelFormat::Yuv420p8);
        assert_eq!(black.range(), Range::Video);
        assert_eq!((codes(&black, 0)[0], codes(&black, 2)[0]), (16, 128));
        assert_eq!((codes(&white, 0)[0], codes(&white, 1)[0]), (235, 240));
        assert!((15..=16).contains(&codes(&black, 1)[0]));
    }
}

#[test]
fn codes_beyond_their_depth_are_clamped() {
    for range in [Range::Video, Range::Full] {
        for format in [
            PixelFormat::Yuv420p10,
            PixelFormat::Yuv444p10,
            PixelFormat::Yuv422p12,
        ] {
            converted(
                &flat(format, Size::new(9, 9), range, [u16::MAX; 3]),
                PixelFormat::Yuv420p8,
            );
        }
    }
    let source = flat(
        PixelFormat::Yuv420p10,
        Size::new(4, 4),
        Range::Video,
        [u16::MAX; 3],
    );
    assert_eq!(
        codes(&converted(&source, PixelFormat::Yuv420p8), 0),
        [255; 16]
    );
}

#[test]
fn dithering_keeps_the_mean_and_knows_only_the_position() {
    for code in 600..=640 {
        let source = flat(
            PixelFormat::Yuv420p10,
            Size::new(16, 16),
            Range::Video,
            [code; 3],
        );
        let luma = codes(&converted(&source, PixelFormat::Yuv420p8), 0);
        let sum: u32 = luma.iter().map(|&code| u32::from(code)).sum();
        assert_eq!(sum * 4, u32::from(code) * 256, "{code}");
        assert!(
            luma.chunks(16)
                .all(|row| row[..4] == row[4..8] && row[..8] == row[8..])
        );
    }
}

#[test]
fn chroma_rows_become_their_mean() {
    let mut source = flat(
        PixelFormat::Yuv422p8,
        Size::new(4, 4),
        Range::Video,
        [16, 0, 128],
    );
    let chroma = source.planes_mut()[1].as_u8_mut().unwrap();
    chroma.copy_from_slice(&[10, 20, 11, 23, 100, 200, 100, 201]);
    assert_eq!(
        codes(&converted(&source, PixelFormat::Yuv420p8), 1),
        [11, 22, 100, 201]
    );
}

#[test]
fn chroma_columns_are_weighed_around_the_luma_column() {
    let mut source = flat(
        PixelFormat::Yuv444p8,
        Size::new(5, 1),
        Range::Video,
        [16, 0, 128],
    );
    source.planes_mut()[1]
        .as_u8_mut()
        .unwrap()
        .copy_from_slice(&[80, 40, 0, 100, 8]);
    // (80 + 160 + 40) / 4, (40 + 0 + 100) / 4, (100 + 16 + 8) / 4
    assert_eq!(
        codes(&converted(&source, PixelFormat::Yuv420p8), 1),
        [70, 35, 31]
    );
}

#[test]
fn quarter_width_chroma_is_interpolated() {
    let mut source = flat(
        PixelFormat::Yuv411p8,
        Size::new(8, 2),
        Range::Video,
        [16, 0, 128],
    );
    source.planes_mut()[1]
        .as_u8_mut()
        .unwrap()
        .copy_from_slice(&[10, 30, 10, 30]);
    assert_eq!(
        codes(&converted(&source, PixelFormat::Yuv420p8), 1),
        [10, 20, 30, 30]
    );
}

#[test]
fn what_was_not_agreed_is_refused() {
    assert!(matches!(
        Converter::new(PixelFormat::Gray8, Range::Video, PixelFormat::Yuv422p8),
        Err(Error::Format { .. })
    ));
    let from = PixelFormat::Yuv422p8;
    let mut converter = Converter::new(from, Range::Video, PixelFormat::Yuv420p8).unwrap();
    let source = flat(from, Size::new(2, 2), Range::Full, [0; 3]);
    let mut target = source.clone();
    assert!(matches!(
        converter.convert(&source, &mut target),
        Err(Error::Shape { .. })
    ));
}
