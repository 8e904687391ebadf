//! Time per frame and bytes per second of every operation, on one core. A plain program:
//! `cargo bench -p frame`. Bytes are those read and written once, as a kernel would count them.

#![allow(clippy::print_stdout, reason = "a bench is for reading")]

use frame::ops::convert::Converter;
use frame::ops::deinterlace::{FieldOrder, deinterlace};
use frame::ops::luma_stats::{BLACK_MAX, luma_histogram, luma_stats};
use frame::ops::orient::{Mirror, Turn, orient};
use frame::ops::scale::Scaler;
use frame::ops::tonemap::{HdrTransfer, ToneMapper};
use frame::ops::{CpuLevel, tile};
use frame::{Picture, PixelFormat, Range, Result, Size, thumb};
use std::hint::black_box;
use std::time::{Duration, Instant};

const RUNGS: [Size; 4] = [
    Size::new(1280, 720),
    Size::new(854, 480),
    Size::new(640, 360),
    Size::new(426, 240),
];

/// Prints the best of several rounds, which is the one that nothing disturbed.
fn measure(name: &str, bytes: usize, mut operation: impl FnMut()) {
    operation();
    let round = |operation: &mut dyn FnMut()| {
        let start = Instant::now();
        (0..5).for_each(|_| operation());
        start.elapsed() / 5
    };
    let best = (0..15)
        .map(|_| round(&mut operation))
        .min()
        .unwrap_or(Duration::MAX);
    let rate = bytes as f64 / best.as_secs_f64() / 1e9;
    println!("{name:44} {:>10} ns/frame {rate:8.2} GB/s", best.as_nanos());
}

fn noise(format: PixelFormat, size: Size) -> Result<Picture> {
    let mut picture = Picture::new(format, size.width, size.height)?;
    let mut state = 1u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    let mask = (1 << format.bit_depth()) - 1;
    for plane in picture.planes_mut() {
        if let Some(data) = plane.as_u8_mut() {
            data.fill_with(|| next() as u8);
        } else if let Some(data) = plane.as_u16_mut() {
            data.fill_with(|| next() as u16 & mask);
        }
    }
    Ok(picture)
}

fn scaling(source: &Picture) -> Result<()> {
    for level in CpuLevel::ALL {
        if !level.is_available() {
            println!("scale {level:?}: skipped, this processor has it not");
            continue;
        }
        let ladders = RUNGS.iter().map(std::slice::from_ref).chain([&RUNGS[..]]);
        for rungs in ladders {
            let mut scaler = Scaler::new(source.size(), rungs, level)?;
            let mut targets = vec![Picture::new(PixelFormat::Gray8, 1, 1)?; rungs.len()];
            scaler.scale(source, &mut targets)?;
            let bytes = source.byte_len() + targets.iter().map(Picture::byte_len).sum::<usize>();
            let name = match rungs {
                [rung] => format!("scale 1080p to {rung} ({level:?})"),
                _ => format!("scale 1080p to all rungs ({level:?})"),
            };
            measure(&name, bytes, || {
                black_box(scaler.scale(black_box(source), &mut targets)).ok();
            });
        }
    }
    Ok(())
}

fn converting(size: Size) -> Result<()> {
    for (format, range) in [
        (PixelFormat::Yuv422p10, Range::Video),
        (PixelFormat::Yuv422p10, Range::Full),
        (PixelFormat::Yuv420p10, Range::Video),
        (PixelFormat::Yuv444p12, Range::Video),
        (PixelFormat::Yuv422p8, Range::Video),
        (PixelFormat::Yuv420p8, Range::Full),
    ] {
        let mut source = noise(format, size)?;
        source.set_range(range);
        let mut target = Picture::new(PixelFormat::Yuv420p8, size.width, size.height)?;
        let mut converter = Converter::new(format, range, PixelFormat::Yuv420p8)?;
        let bytes = source.byte_len() + target.byte_len();
        measure(
            &format!("convert 1080p {format} {range:?} to yuv420p8"),
            bytes,
            || {
                black_box(converter.convert(black_box(&source), &mut target)).ok();
            },
        );
    }
    Ok(())
}

fn mapping(size: Size) -> Result<()> {
    let source = noise(PixelFormat::Yuv420p10, size)?;
    let mut target = Picture::new(PixelFormat::Yuv420p8, size.width, size.height)?;
    for transfer in [HdrTransfer::Pq, HdrTransfer::Hlg] {
        let start = Instant::now();
        let mut mapper = ToneMapper::new(transfer, 1_000);
        let made = start.elapsed().as_micros();
        let bytes = source.byte_len() + target.byte_len();
        let name = format!("tonemap 1080p {transfer:?} (tables: {made} µs)");
        measure(&name, bytes, || {
            black_box(mapper.map(black_box(&source), &mut target)).ok();
        });
    }
    Ok(())
}

fn main() -> Result<()> {
    let size = Size::new(1920, 1080);
    let source = noise(PixelFormat::Yuv420p8, size)?;
    let mut target = source.clone();
    let bytes = source.byte_len();
    let luma = bytes * 2 / 3;
    scaling(&source)?;
    converting(size)?;
    mapping(size)?;
    for turn in [Turn::Quarter, Turn::Half] {
        measure(&format!("orient 1080p {turn:?}"), 2 * bytes, || {
            black_box(orient(black_box(&source), turn, Mirror::None, &mut target)).ok();
        });
    }
    let (before, after) = (
        source.clone(),
        noise(PixelFormat::Yuv420p8, Size::new(1920, 1080))?,
    );
    measure("deinterlace 1080i", 4 * bytes, || {
        let order = FieldOrder::TopFirst;
        black_box(deinterlace(
            Some(&before),
            &source,
            Some(&after),
            order,
            &mut target,
        ))
        .ok();
    });
    measure("luma_stats 1080p", 2 * luma, || {
        black_box(luma_stats(black_box(&source), Some(&before), BLACK_MAX)).ok();
    });
    measure("luma_stats 1080p histogram", luma, || {
        black_box(luma_histogram(black_box(&source))).ok();
    });
    let mut fitter = tile::Fitter::new(size, size, CpuLevel::Best)?;
    measure("tile 1080p", bytes, || {
        black_box(fitter.fit(black_box(&source), &mut target)).ok();
    });
    measure("thumb 1080p", luma, || {
        black_box(thumb(black_box(&source)));
    });
    Ok(())
}
