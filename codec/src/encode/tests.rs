//! The contract of the encoder seam, held against every family.

use super::{CANDIDATES, EncodeOptions, Encoder, open_encoder};
use crate::{DecodedPicture, DecoderOptions, open_decoder};
use frame::{Picture, PixelFormat};
use libav::{Demuxer, EncodedPacket, MemorySource};
use model::rendition::{EncoderFamily, RateControl, Rendition, VideoCodec};
use model::source::Color;
use model::{FailureKind, Rational};

fn rendition(family: EncoderFamily, bit_depth: u8) -> Rendition {
    let (codec, preset, quality_centi) = match family {
        EncoderFamily::X264 => (VideoCodec::H264, "veryfast", 2300),
        EncoderFamily::X265 => (VideoCodec::Hevc, "ultrafast", 2300),
        EncoderFamily::Rav1e => (VideoCodec::Av1, "10", 10_000),
    };
    Rendition {
        id: format!("{}-72p", codec.as_str()),
        codec,
        family,
        family_reason: "the test asks for it".to_owned(),
        width: 128,
        height: 72,
        frame_rate: Rational::whole(25),
        bit_depth,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        rate: RateControl {
            quality_centi,
            maxrate_bps: 500_000,
            buffer_bits: 1_000_000,
        },
        preset: preset.to_owned(),
        threads: 1,
    }
}

fn picture(rendition: &Rendition, index: usize) -> Picture {
    let (format, shift) = match rendition.bit_depth {
        8 => (PixelFormat::Yuv420p8, 0),
        _ => (PixelFormat::Yuv420p10, 2),
    };
    let mut picture = Picture::black(format, rendition.width, rendition.height).unwrap();
    let width = rendition.width as usize;
    // A gradient that moves, and a hard cut every seven pictures.
    let value = |position: usize| {
        let (x, y) = (position % width, position / width);
        60 + ((x + index * 2) / 2 + y + index / 7 * 40) % 120
    };
    let plane = &mut picture.planes_mut()[0];
    if let Some(samples) = plane.as_u8_mut() {
        samples
            .iter_mut()
            .enumerate()
            .for_each(|(at, sample)| *sample = value(at) as u8);
    } else if let Some(samples) = plane.as_u16_mut() {
        samples
            .iter_mut()
            .enumerate()
            .for_each(|(at, sample)| *sample = (value(at) << shift) as u16);
    }
    picture
}

struct Segment {
    config: Vec<u8>,
    packets: Vec<EncodedPacket>,
}

fn pull_all(encoder: &mut dyn Encoder, packets: &mut Vec<EncodedPacket>) {
    while let Some(packet) = encoder.pull().unwrap() {
        packets.push(packet);
    }
}

fn encode(rendition: &Rendition, options: &EncodeOptions, count: usize) -> Segment {
    let mut encoder = open_encoder(rendition, options).unwrap();
    let mut packets = Vec::new();
    for index in 0..count {
        encoder.push(&picture(rendition, index)).unwrap();
        pull_all(encoder.as_mut(), &mut packets);
    }
    encoder.finish().unwrap();
    pull_all(encoder.as_mut(), &mut packets);
    Segment {
        config: encoder.config(),
        packets,
    }
}

/// Decodes a segment as a raw stream; gives the pictures in presentation order.
fn decode(family: EncoderFamily, segment: &Segment) -> Vec<Picture> {
    let mut bytes = match family {
        EncoderFamily::Rav1e => Vec::new(),
        EncoderFamily::X264 | EncoderFamily::X265 => segment.config.clone(),
    };
    bytes.extend(
        segment
            .packets
            .iter()
            .flat_map(|packet| packet.data.iter().copied()),
    );
    let mut demuxer = Demuxer::open(Box::new(MemorySource(bytes.into()))).unwrap();
    let stream = demuxer.streams()[0].clone();
    let mut decoder = open_decoder(&stream, &DecoderOptions::default()).unwrap();
    assert!(decoder.name().starts_with("libav/"));
    let mut pictures = Vec::new();
    let mut decoded = DecodedPicture::empty();
    loop {
        let packet = demuxer.next_packet().unwrap();
        assert!(decoder.send(packet.as_ref()).unwrap());
        while decoder.receive(&mut decoded).unwrap() {
            pictures.push(decoded.picture.clone());
        }
        if packet.is_none() {
            return pictures;
        }
    }
}

fn luma_error(first: &Picture, second: &Picture) -> f64 {
    let samples = |picture: &Picture| -> Vec<f64> {
        let plane = &picture.planes()[0];
        match (plane.as_u8(), plane.as_u16()) {
            (Some(samples), _) => samples.iter().map(|s| f64::from(*s)).collect(),
            (_, Some(samples)) => samples.iter().map(|s| f64::from(*s) / 4.0).collect(),
            _ => Vec::new(),
        }
    };
    let (first, second) = (samples(first), samples(second));
    assert_eq!(first.len(), second.len());
    let sum: f64 = first.iter().zip(&second).map(|(a, b)| (a - b).abs()).sum();
    sum / first.len() as f64
}

#[test]
fn every_family_gives_back_every_picture_once_and_starts_with_its_only_key() {
    for candidate in CANDIDATES {
        for bit_depth in [8, 10] {
            let rendition = rendition(candidate.family, bit_depth);
            for count in [1, 2, 30] {
                let case = format!("{} {bit_depth} bits, {count} pictures", candidate.name);
                let segment = encode(&rendition, &EncodeOptions::default(), count);
                let keys: Vec<bool> = segment.packets.iter().map(|packet| packet.key).collect();
                assert_eq!(keys.iter().filter(|key| **key).count(), 1, "{case}");
                assert!(keys[0], "{case}");
                let mut pts: Vec<i64> = segment.packets.iter().map(|packet| packet.pts).collect();
                pts.sort_unstable();
                assert_eq!(pts, (0..count as i64).collect::<Vec<_>>(), "{case}");
                assert!(
                    segment
                        .packets
                        .windows(2)
                        .all(|two| two[0].dts < two[1].dts),
                    "{case}"
                );
                let pictures = decode(candidate.family, &segment);
                assert_eq!(pictures.len(), count, "{case}");
                for (index, decoded) in pictures.iter().enumerate() {
                    let error = luma_error(&picture(&rendition, index), decoded);
                    // A picture in the wrong place is off by 20 and more; coding by about 2.
                    assert!(error < 6.0, "{case}: picture {index} is off by {error}");
                }
            }
        }
    }
}

#[test]
fn pictures_past_the_segment_are_seen_and_never_given() {
    for candidate in CANDIDATES {
        let name = candidate.name;
        let mut rendition = rendition(candidate.family, 8);
        if candidate.family == EncoderFamily::X265 {
            // `ultrafast` weighs no picture by what refers to it.
            rendition.preset = "veryfast".to_owned();
        }
        let options = EncodeOptions {
            segment_frames: Some(12),
            ..EncodeOptions::default()
        };
        let alone = encode(&rendition, &options, 12);
        // Few enough to be inside what an encoder holds back, and more than that.
        for seen in [14, 20, 60] {
            let segment = encode(&rendition, &options, seen);
            let mut pts: Vec<i64> = segment.packets.iter().map(|packet| packet.pts).collect();
            pts.sort_unstable();
            assert_eq!(pts, (0..12).collect::<Vec<_>>(), "{name}, {seen} seen");
            let keys = segment.packets.iter().filter(|packet| packet.key).count();
            assert_eq!(keys, 1, "{name}, {seen} seen");
            assert_eq!(segment.config, alone.config, "{name}, {seen} seen");
            let pictures = decode(candidate.family, &segment);
            assert_eq!(
                pictures.len(),
                12,
                "{name}: it needs a picture past its end"
            );
        }
        let again = encode(&rendition, &options, 20);
        assert!(
            again.packets == encode(&rendition, &options, 20).packets,
            "{name}"
        );
        let has_looked = again.packets != alone.packets;
        let should_look = candidate.family == EncoderFamily::X264;
        assert_eq!(
            has_looked, should_look,
            "{name}: the planner says whom it shows more"
        );
    }
}

#[test]
fn bytes_depend_on_nothing_but_rendition_options_and_pictures() {
    for candidate in CANDIDATES {
        let rendition = rendition(candidate.family, 8);
        let first = encode(&rendition, &EncodeOptions::default(), 25);
        let again = encode(&rendition, &EncodeOptions::default(), 25);
        assert_eq!(first.packets, again.packets, "{}", candidate.name);
        let worse = encode(
            &rendition,
            &EncodeOptions {
                quality_added_centi: 200,
                ..EncodeOptions::default()
            },
            25,
        );
        assert_ne!(first.packets, worse.packets, "{}", candidate.name);
        assert_eq!(first.config, worse.config, "{}", candidate.name);
    }
}

#[test]
fn the_configuration_of_av1_is_its_four_fixed_bytes() {
    let rendition = rendition(EncoderFamily::Rav1e, 8);
    let segment = encode(&rendition, &EncodeOptions::default(), 3);
    assert_eq!(segment.config.len(), 4);
    assert_eq!(segment.config[0], 0x81, "marker and version of av1C");
    // Every packet is a temporal unit with its delimiter (AV1 specification 5.6).
    assert!(
        segment
            .packets
            .iter()
            .all(|packet| packet.data[..2] == [0x12, 0x00])
    );
}

#[test]
fn av1_bytes_do_not_depend_on_the_number_of_threads() {
    let one = rendition(EncoderFamily::Rav1e, 8);
    let two = Rendition {
        threads: 2,
        ..one.clone()
    };
    let options = EncodeOptions::default();
    assert_eq!(
        encode(&one, &options, 20).packets,
        encode(&two, &options, 20).packets
    );
}

#[test]
fn what_a_family_does_not_take_is_refused_with_its_name() {
    let refused = |rendition: &Rendition| {
        let error = open_encoder(rendition, &EncodeOptions::default())
            .err()
            .unwrap();
        assert_eq!(error.kind(), FailureKind::Unsupported, "{error}");
        error.to_string()
    };
    for candidate in CANDIDATES {
        let deep = Rendition {
            bit_depth: 12,
            ..rendition(candidate.family, 8)
        };
        assert!(refused(&deep).contains("12 bits"), "{}", candidate.name);
    }
    let mixed = Rendition {
        codec: VideoCodec::Av1,
        ..rendition(EncoderFamily::X264, 8)
    };
    assert!(refused(&mixed).contains("libx264"));
    let preset = Rendition {
        preset: "fast".to_owned(),
        ..rendition(EncoderFamily::Rav1e, 8)
    };
    assert!(refused(&preset).contains("\"fast\""));
}

#[test]
fn a_picture_of_another_shape_is_our_own_bug() {
    for candidate in CANDIDATES {
        let rendition = rendition(candidate.family, 8);
        let mut encoder = open_encoder(&rendition, &EncodeOptions::default()).unwrap();
        let other = Picture::black(PixelFormat::Yuv420p8, 64, 64).unwrap();
        assert_eq!(encoder.push(&other).unwrap_err().kind(), FailureKind::Bug);
    }
}
