//! HDR sources: what they say is read, and their light is mapped as `frame`'s reference says.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use frame::ops::tonemap::HdrTransfer as Transfer;
use frame::ops::tonemap::reference::{self, LUMA_709, LUMINANCE_2020};
use model::hdr::{ContentLight, HdrTransfer, MasteringDisplay};
use model::plan::ToneMap;
use model::rendition::EncoderFamily;
use model::{FailureKind, Rational};
use pipeline::Output;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{chunk, plan, rendition};
use tempfile::TempDir;

/// A sprite tile's size, so that the tile is the picture.
const WIDTH: usize = 128;
const HEIGHT: usize = 72;
const FRAMES: usize = 10;

/// Signals of red, green and blue in the four quarters: white, a grey, a red and a green.
const QUARTERS: [[f64; 3]; 4] = [
    [0.58, 0.58, 0.58],
    [0.3, 0.3, 0.3],
    [0.6, 0.35, 0.3],
    [0.4, 0.62, 0.3],
];

const MASTERING: &str = "master-display=G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)\
                         L(10000000,50):max-cll=900,400";

fn codes([red, green, blue]: [f64; 3]) -> [u16; 3] {
    let luma = LUMINANCE_2020[0] * red + LUMINANCE_2020[1] * green + LUMINANCE_2020[2] * blue;
    let (cb, cr) = ((blue - luma) / 1.8814, (red - luma) / 1.4746);
    [64.0 + 876.0 * luma, 512.0 + 896.0 * cb, 512.0 + 896.0 * cr].map(|code| code.round() as u16)
}

/// What codes stand for. Their rounding counts: dark components of strong colours are steep.
fn signals(codes: [u16; 3]) -> [f64; 3] {
    let [luma, cb, cr] = codes.map(f64::from);
    let (luma, cb, cr) = (
        (luma - 64.0) / 876.0,
        (cb - 512.0) / 896.0,
        (cr - 512.0) / 896.0,
    );
    let (red, blue) = (luma + 1.4746 * cr, luma + 1.8814 * cb);
    let green = (luma - LUMINANCE_2020[0] * red - LUMINANCE_2020[2] * blue) / LUMINANCE_2020[1];
    [red, green, blue]
}

/// The patches as raw 4:2:0 in ten bits.
fn picture() -> Vec<u8> {
    let mut bytes = Vec::new();
    for plane in 0..3 {
        let shift = usize::from(plane > 0);
        for y in 0..HEIGHT >> shift {
            for x in 0..WIDTH >> shift {
                let quarter = usize::from(x >= WIDTH >> shift >> 1)
                    + 2 * usize::from(y >= HEIGHT >> shift >> 1);
                bytes.extend(codes(QUARTERS[quarter])[plane].to_le_bytes());
            }
        }
    }
    bytes
}

/// Writes the patches without loss as a file of HEVC in ten bits.
fn patches(folder: &TempDir, name: &str, transfer: &str, more: &str) -> PathBuf {
    let path = folder.path().join(name);
    let parameters = format!("log-level=error:lossless=1:{more}");
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut child = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-y", "-f", "rawvideo"])
        .args([
            "-pix_fmt",
            "yuv420p10le",
            "-r",
            "25",
            "-s",
            &size,
            "-i",
            "pipe:0",
        ])
        .args([
            "-c:v",
            "libx265",
            "-color_primaries",
            "bt2020",
            "-color_trc",
            transfer,
        ])
        .args([
            "-colorspace",
            "bt2020nc",
            "-color_range",
            "tv",
            "-x265-params",
            &parameters,
        ])
        .arg(&path)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for _ in 0..FRAMES {
        input.write_all(&picture()).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success());
    path
}

fn probe(path: &Path) -> model::source::SourceInfo {
    pipeline::probe(support::source(path)).unwrap()
}

/// The first sprite tile of what a plan makes of a source: the picture, since it has that size.
fn tile(path: &Path, tonemap: ToneMap) -> Vec<u8> {
    let rate = Rational::whole(25);
    let rung = rendition(EncoderFamily::X264, WIDTH as u32, HEIGHT as u32, rate);
    let mut plan = plan(&probe(path), rate, FRAMES as u32, &[rung]);
    plan.tile_frames = 100;
    plan.video.as_mut().unwrap().filters.tonemap = Some(tonemap);
    let outputs = chunk(&plan, "main", path, &[0]).unwrap();
    let tiles = outputs.into_iter().find_map(|output| match output {
        Output::Pictures { tiles, .. } => Some(tiles.to_vec()),
        _ => None,
    });
    tiles.unwrap()
}

/// The mean code of a plane in a quarter, away from its edges.
fn mean(tile: &[u8], plane: usize, quarter: usize) -> f64 {
    let shift = usize::from(plane > 0);
    let (width, height) = (WIDTH >> shift, HEIGHT >> shift);
    let start = [0, WIDTH * HEIGHT, WIDTH * HEIGHT * 5 / 4][plane];
    let (left, top) = (quarter % 2 * width / 2, quarter / 2 * height / 2);
    let mut sum = 0;
    for y in top + 4..top + 12 {
        let row = start + y * width + left + 8;
        sum += tile[row..row + 16]
            .iter()
            .map(|&code| u32::from(code))
            .sum::<u32>();
    }
    f64::from(sum) / 128.0
}

#[test]
fn patches_come_out_as_the_reference_says() {
    let folder = TempDir::new().unwrap();
    for (transfer, name, of_frame, peak_nits) in [
        (HdrTransfer::Pq, "smpte2084", Transfer::Pq, 1_000),
        (HdrTransfer::Pq, "smpte2084", Transfer::Pq, 4_000),
        (HdrTransfer::Hlg, "arib-std-b67", Transfer::Hlg, 1_000),
    ] {
        let path = patches(&folder, "patches.mp4", name, "");
        let tile = tile(
            &path,
            ToneMap {
                transfer,
                peak_nits,
            },
        );
        let peak = f64::from(peak_nits) / reference::WHITE_NITS;
        for (quarter, patch) in QUARTERS.into_iter().enumerate() {
            let [red, green, blue] = reference::map(of_frame, signals(codes(patch)), peak);
            let luma = LUMA_709[0] * red + LUMA_709[1] * green + LUMA_709[2] * blue;
            let (cb, cr) = ((blue - luma) / 1.8556, (red - luma) / 1.5748);
            let wanted = [16.0 + 219.0 * luma, 128.0 + 224.0 * cb, 128.0 + 224.0 * cr];
            for (plane, wanted) in wanted.into_iter().enumerate() {
                let found = mean(&tile, plane, quarter);
                assert!(
                    (found - wanted).abs() < 1.0,
                    "{name} {peak_nits}: plane {plane} of {patch:?} is {found}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn what_the_source_says_of_its_light_is_read() {
    let folder = TempDir::new().unwrap();
    let said = patches(&folder, "said.mp4", "smpte2084", MASTERING);
    let track = probe(&said).video.unwrap();
    assert_eq!(track.hdr_transfer(), Some(HdrTransfer::Pq));
    assert_eq!(
        (track.bit_depth, track.color.primaries, track.color.matrix),
        (10, 9, 9)
    );
    let mastering = MasteringDisplay {
        primaries: [[35_400, 14_600], [8_500, 39_850], [6_550, 2_300]],
        white: [15_635, 16_450],
        luminance_max: 10_000_000,
        luminance_min: 50,
    };
    let light = ContentLight {
        pixel_max: 900,
        mean_max: 400,
    };
    assert_eq!(
        (track.hdr.mastering, track.hdr.light),
        (Some(mastering), Some(light))
    );
    let silent = patches(&folder, "silent.mp4", "arib-std-b67", "");
    let track = probe(&silent).video.unwrap();
    assert_eq!(track.hdr_transfer(), Some(HdrTransfer::Hlg));
    assert!(track.hdr.is_empty(), "{:?}", track.hdr);
}

#[test]
fn hdr_of_other_colours_is_unsupported_and_named() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ictcp.mp4");
    let status = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-nostdin",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x64:d=0.2",
        ])
        .args([
            "-pix_fmt",
            "yuv420p10le",
            "-c:v",
            "libx265",
            "-color_trc",
            "smpte2084",
        ])
        .args([
            "-x265-params",
            "log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=ictcp",
        ])
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success());
    let error = pipeline::probe(support::source(&path)).unwrap_err();
    assert_eq!(error.kind(), FailureKind::Unsupported);
    assert!(error.to_string().contains("matrix 14"), "{error}");
}
