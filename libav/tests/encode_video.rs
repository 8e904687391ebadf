//! Segments of x264 and x265: one IDR, equal parameter sets, right timing and colour.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;

use frame::{Picture, PixelFormat};
use libav::{EncodedPacket, VideoEncoder, VideoEncoderKind, VideoEncoderSettings};
use model::Rational;
use model::source::Color;
use std::path::{Path, PathBuf};

fn settings(kind: VideoEncoderKind) -> VideoEncoderSettings {
    VideoEncoderSettings {
        kind,
        width: 192,
        height: 108,
        format: PixelFormat::Yuv420p8,
        frame_rate: Rational::new(30_000, 1_001).unwrap(),
        quality_centi: 2300,
        maxrate_bps: 600_000,
        buffer_bits: 1_200_000,
        preset: "veryfast".to_owned(),
        threads: 1,
        key_pictures: 0,
        segment_pictures: None,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        profile: None,
        level: None,
        extra: Vec::new(),
    }
}

/// A moving pattern with a hard cut every `shot` pictures.
fn picture(settings: &VideoEncoderSettings, index: usize, shot: usize) -> Picture {
    let mut picture = Picture::black(settings.format, settings.width, settings.height).unwrap();
    let (width, scene) = (settings.width as usize, index / shot);
    let shift = settings.format.bit_depth() - 8;
    let value = |x: usize, y: usize| -> u8 {
        let texture = (x * (scene * 7 + 3) + y * (scene * 5 + 1) + index * 2) % 97;
        (40 + texture + scene * 53 % 100).min(235) as u8
    };
    let plane = &mut picture.planes_mut()[0];
    if let Some(samples) = plane.as_u8_mut() {
        for (position, sample) in samples.iter_mut().enumerate() {
            *sample = value(position % width, position / width);
        }
    } else if let Some(samples) = plane.as_u16_mut() {
        for (position, sample) in samples.iter_mut().enumerate() {
            *sample = u16::from(value(position % width, position / width)) << shift;
        }
    }
    picture
}

struct Segment {
    packets: Vec<EncodedPacket>,
    extradata: Vec<u8>,
}

fn encode(settings: &VideoEncoderSettings, first: usize, count: usize) -> Segment {
    let mut encoder = VideoEncoder::open(settings).unwrap();
    let mut packets = Vec::new();
    for index in 0..count {
        let picture = picture(settings, first + index, 11);
        encoder.send(Some(&picture), index as i64).unwrap();
        drop(picture);
        while let Some(packet) = encoder.receive().unwrap() {
            packets.push(packet);
        }
    }
    encoder.send(None, 0).unwrap();
    while let Some(packet) = encoder.receive().unwrap() {
        packets.push(packet);
    }
    Segment {
        packets,
        extradata: encoder.extradata(),
    }
}

const KINDS: [VideoEncoderKind; 2] = [VideoEncoderKind::X264, VideoEncoderKind::X265];

/// Types of the network abstraction layer units of an Annex B stream.
fn unit_types(kind: VideoEncoderKind, bytes: &[u8]) -> Vec<u8> {
    let starts = bytes.windows(4).filter(|window| window[..3] == [0, 0, 1]);
    starts
        .map(|window| match kind {
            VideoEncoderKind::X264 => window[3] & 31,
            VideoEncoderKind::X265 => window[3] >> 1 & 63,
        })
        .collect()
}

#[test]
fn a_segment_has_one_idr_at_its_start_and_every_picture_once() {
    for kind in KINDS {
        for count in [1, 2, 3, 60, 300] {
            let segment = encode(&settings(kind), 0, count);
            let packets = &segment.packets;
            assert_eq!(packets.len(), count, "{kind:?}");
            let mut pts: Vec<i64> = packets.iter().map(|packet| packet.pts).collect();
            pts.sort_unstable();
            assert_eq!(pts, (0..count as i64).collect::<Vec<_>>(), "{kind:?}");
            assert!(
                packets.windows(2).all(|pair| pair[1].dts > pair[0].dts),
                "{kind:?}"
            );
            assert!(
                packets.iter().all(|packet| packet.dts <= packet.pts),
                "{kind:?}"
            );
            let keys = packets.iter().position(|packet| packet.key);
            assert_eq!(keys, Some(0), "{kind:?}");
            let is_idr = |unit: &u8| match kind {
                VideoEncoderKind::X264 => *unit == 5,
                VideoEncoderKind::X265 => matches!(*unit, 16..=21),
            };
            let access_points: Vec<usize> = (0..count)
                .filter(|index| unit_types(kind, &packets[*index].data).iter().any(is_idr))
                .collect();
            assert_eq!(access_points, [0], "{kind:?}, {count} pictures");
        }
    }
}

#[test]
fn parameter_sets_are_equal_in_every_segment_and_at_another_quality() {
    for kind in KINDS {
        let settings = settings(kind);
        let first = encode(&settings, 0, 60);
        let second = encode(&settings, 500, 17);
        let worse = VideoEncoderSettings {
            quality_centi: 2400,
            ..settings.clone()
        };
        let third = encode(&worse, 0, 60);
        assert!(!first.extradata.is_empty());
        assert_eq!(first.extradata, second.extradata, "{kind:?}");
        assert_eq!(first.extradata, third.extradata, "{kind:?}");
        assert_ne!(first.packets, third.packets, "{kind:?}");
        let in_band = first
            .packets
            .iter()
            .flat_map(|packet| unit_types(kind, &packet.data));
        let is_parameter_set = |unit: u8| match kind {
            VideoEncoderKind::X264 => matches!(unit, 7 | 8),
            VideoEncoderKind::X265 => matches!(unit, 32..=34),
        };
        assert_eq!(
            in_band.filter(|unit| is_parameter_set(*unit)).count(),
            0,
            "{kind:?}"
        );
    }
}

#[test]
fn equal_pictures_and_settings_give_equal_bytes() {
    for kind in KINDS {
        for threads in [1, 3] {
            let settings = VideoEncoderSettings {
                threads,
                ..settings(kind)
            };
            let first = encode(&settings, 0, 80);
            assert_eq!(
                first.packets,
                encode(&settings, 0, 80).packets,
                "{kind:?} {threads}"
            );
        }
    }
}

/// Writes a segment as a raw stream.
fn write(folder: &Path, kind: VideoEncoderKind, segment: &Segment) -> PathBuf {
    let name = match kind {
        VideoEncoderKind::X264 => "a.h264",
        VideoEncoderKind::X265 => "a.hevc",
    };
    let path = folder.join(name);
    let mut bytes = segment.extradata.clone();
    bytes.extend(
        segment
            .packets
            .iter()
            .flat_map(|packet| packet.data.iter().copied()),
    );
    std::fs::write(&path, bytes).unwrap();
    path
}

fn probe(kind: VideoEncoderKind, segment: &Segment, entries: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), kind, segment);
    let arguments = [
        "-v",
        "error",
        "-count_frames",
        "-show_entries",
        entries,
        "-of",
        "default=nw=1",
        path.to_str().unwrap(),
    ];
    String::from_utf8(media::output_of("ffprobe", &arguments)).unwrap()
}

/// The value of a syntax element of the parameter sets, as ffmpeg's parser reads it.
fn syntax_element(path: &Path, name: &str) -> u64 {
    let arguments = ["-nostdin", "-i", path.to_str().unwrap(), "-c", "copy"];
    let output = std::process::Command::new("ffmpeg")
        .args(arguments)
        .args(["-bsf:v", "trace_headers", "-f", "null", "-"])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = log.lines().find(|line| line.contains(name)).unwrap();
    line.rsplit('=').next().unwrap().trim().parse().unwrap()
}

#[test]
fn the_time_of_a_picture_is_exact_in_the_parameter_sets() {
    for kind in KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = write(folder.path(), kind, &encode(&settings(kind), 0, 3));
        // H.264 counts in fields (ITU-T H.264 E.2.1), H.265 in pictures.
        let ticks_per_picture = match kind {
            VideoEncoderKind::X264 => 2,
            VideoEncoderKind::X265 => 1,
        };
        let ticks = syntax_element(&path, "num_units_in_tick") * ticks_per_picture;
        let scale = syntax_element(&path, "time_scale");
        assert_eq!(ticks * 30_000, scale * 1_001, "{kind:?}: {ticks}/{scale}");
    }
}

#[test]
fn colour_is_written_into_the_stream() {
    for kind in KINDS {
        let segment = encode(&settings(kind), 0, 30);
        let facts = probe(
            kind,
            &segment,
            "stream=color_range,color_space,color_transfer,color_primaries,\
             nb_read_frames,width,height,sample_aspect_ratio",
        );
        for fact in [
            "color_range=tv",
            "color_space=bt709",
            "color_transfer=bt709",
            "color_primaries=bt709",
            "nb_read_frames=30",
            "width=192",
            "height=108",
            "sample_aspect_ratio=1:1",
        ] {
            assert!(
                facts.lines().any(|line| line == fact),
                "{kind:?}: {fact} is not in\n{facts}"
            );
        }
    }
}

#[test]
fn ten_bits_and_other_colours_are_encoded() {
    for kind in KINDS {
        let color = Color {
            primaries: 9,
            transfer: 14,
            matrix: 9,
            full_range: true,
        };
        let format = PixelFormat::Yuv420p10;
        let settings = VideoEncoderSettings {
            format,
            color,
            ..settings(kind)
        };
        let segment = encode(&settings, 0, 5);
        let facts = probe(kind, &segment, "stream=pix_fmt,color_range,color_primaries");
        for fact in [
            "pix_fmt=yuv420p10le",
            "color_range=pc",
            "color_primaries=bt2020",
        ] {
            assert!(
                facts.lines().any(|line| line == fact),
                "{kind:?}: {fact} is not in\n{facts}"
            );
        }
    }
}

#[test]
fn the_cap_bounds_what_flows_into_the_buffer() {
    for kind in KINDS {
        let settings = VideoEncoderSettings {
            quality_centi: 100,
            ..settings(kind)
        };
        let segment = encode(&settings, 0, 300);
        let bits: usize = segment
            .packets
            .iter()
            .map(|packet| packet.data.len() * 8)
            .sum();
        let seconds = 300.0 * 1001.0 / 30_000.0;
        let bound = settings.maxrate_bps as f64 * seconds + settings.buffer_bits as f64;
        assert!(
            (bits as f64) < bound,
            "{kind:?}: {bits} bits, bound {bound}"
        );
    }
}

#[test]
fn a_wrong_picture_or_parameter_is_refused() {
    let settings = settings(VideoEncoderKind::X264);
    let mut encoder = VideoEncoder::open(&settings).unwrap();
    let other = Picture::black(PixelFormat::Yuv420p8, 64, 64).unwrap();
    assert_eq!(
        encoder.send(Some(&other), 0).unwrap_err().kind(),
        model::FailureKind::Bug
    );
    let odd = VideoEncoderSettings {
        width: 191,
        ..settings.clone()
    };
    assert_eq!(
        VideoEncoder::open(&odd).err().unwrap().kind(),
        model::FailureKind::Unsupported
    );
    let preset = VideoEncoderSettings {
        preset: "swift".to_owned(),
        ..settings
    };
    assert!(VideoEncoder::open(&preset).is_err());
}

#[test]
fn the_builds_of_the_libraries_are_named() {
    let ids = libav::build_ids();
    eprintln!("{ids:?}");
    assert_eq!(ids.libavcodec.split('.').count(), 3);
    assert!(ids.x264.as_ref().unwrap().starts_with("core "), "{ids:?}");
    assert!(ids.x265.as_ref().unwrap().starts_with("(build "), "{ids:?}");
}
