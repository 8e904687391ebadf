//! Sound: exact counts, exact samples, gapless round trips.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod media;

use libav::{
    AudioCodec, AudioDecoder, AudioEncoder, AudioEncoderSettings, AudioFrame, Channel, Resampler,
    StreamKind,
};
use std::path::Path;

fn decode(path: &Path) -> Vec<AudioFrame> {
    let mut demuxer = media::open(path);
    let stream = demuxer
        .streams()
        .iter()
        .find(|s| s.kind == StreamKind::Audio)
        .unwrap()
        .clone();
    let mut decoder = AudioDecoder::open(&stream).unwrap();
    let mut frames = Vec::new();
    for packet in media::packets(&mut demuxer).iter().map(Some).chain([None]) {
        if packet.is_some_and(|packet| packet.stream() != stream.index) {
            continue;
        }
        assert!(decoder.send(packet).unwrap());
        while let Some(frame) = decoder.receive().unwrap() {
            frames.push(frame);
        }
    }
    frames
}

fn count(frames: &[AudioFrame]) -> usize {
    frames.iter().map(|frame| frame.samples[0].len()).sum()
}

#[test]
fn integer_samples_survive_exactly() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, scale) in [
        ("pcm_s16le", 32_768.0_f64),
        ("pcm_s24le", 8_388_608.0),
        ("flac", 32_768.0),
    ] {
        let extension = if codec == "flac" { "flac" } else { "wav" };
        let path = media::make(
            folder.path(),
            &format!("{codec}.{extension}"),
            &format!("-f lavfi -i sine=f=440:d=0.5:r=48000 -ac 2 -c:a {codec}"),
        );
        let frames = decode(&path);
        assert_eq!(count(&frames), 24_000, "{codec}");
        let raw = media::output_of(
            "ffmpeg",
            &[
                "-v",
                "error",
                "-i",
                path.to_str().unwrap(),
                "-f",
                "s32le",
                "-c:a",
                "pcm_s32le",
                "-",
            ],
        );
        let expected: Vec<f32> = raw
            .chunks_exact(8)
            .map(|pair| i32::from_le_bytes(pair[..4].try_into().unwrap()))
            .map(|value| (f64::from(value) / 2_147_483_648.0) as f32)
            .collect();
        let left: Vec<f32> = frames
            .iter()
            .flat_map(|frame| frame.samples[0].clone())
            .collect();
        assert_eq!(left, expected, "{codec}");
        assert!(
            left.iter()
                .all(|sample| (f64::from(*sample) * scale).fract() == 0.0),
            "{codec}"
        );
    }
}

#[test]
fn channels_are_named_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    use Channel as C;
    let front = [C::FrontLeft, C::FrontRight, C::FrontCenter, C::LowFrequency];
    for (layout, rest) in [
        ("5.1", vec![C::BackLeft, C::BackRight]),
        ("5.1(side)", vec![C::SideLeft, C::SideRight]),
        (
            "7.1",
            vec![C::BackLeft, C::BackRight, C::SideLeft, C::SideRight],
        ),
    ] {
        let source = format!("-f lavfi -i anullsrc=cl={layout}:r=48000:d=0.1 -c:a flac");
        let path = media::make(folder.path(), "a.flac", &source);
        let frames = decode(&path);
        assert_eq!(
            frames[0].channels,
            [front.as_slice(), &rest].concat(),
            "{layout}"
        );
    }
}

#[test]
fn aac_priming_in_an_mp4_is_cut_to_the_sample() {
    let folder = tempfile::tempdir().unwrap();
    let source = "-f lavfi -i sine=f=1000:d=1:r=48000 -c:a aac -b:a 192k";
    let path = media::make(folder.path(), "a.m4a", source);
    let frames = decode(&path);
    assert_eq!(frames[0].pts, Some(0));
    assert_eq!(
        frames[0].samples[0].len(),
        1024,
        "the priming frame is gone"
    );
    // lavfi's sine has an amplitude of 1/8.
    let expected = |index: usize| (index as f32 * std::f32::consts::TAU / 48.0).sin() / 8.0;
    let decoded: Vec<f32> = frames
        .iter()
        .flat_map(|frame| frame.samples[0].clone())
        .collect();
    let errors = (0..40_000).map(|index| (decoded[index] - expected(index)).abs());
    let mean = errors.sum::<f32>() / 40_000.0;
    assert!(mean < 0.005, "one sample off would be 0.01: {mean}");
    // 47 whole frames after the priming; releases of libav differ in cutting the last one.
    assert!(
        (48_000..=48_128).contains(&count(&frames)),
        "{}",
        count(&frames)
    );
}

fn sine(frames: usize, channels: usize, rate: f64) -> Vec<Vec<f32>> {
    let value = |index: usize, channel: usize| {
        let frequency = 300.0 * (channel + 1) as f64;
        (0.3 * (2.0 * std::f64::consts::PI * frequency * index as f64 / rate).sin()) as f32
    };
    (0..channels)
        .map(|channel| (0..frames).map(|index| value(index, channel)).collect())
        .collect()
}

#[test]
fn resampling_is_exact_to_the_sample() {
    for (from, length) in [
        (44_100, 44_100),
        (44_100, 12_345),
        (32_000, 777),
        (96_000, 96_001),
        (8_000, 1),
    ] {
        let input = sine(length, 2, f64::from(from));
        let mut resampler = Resampler::new(from, 48_000, 2).unwrap();
        let mut output = vec![Vec::new(); 2];
        for start in (0..length).step_by(1000) {
            let part: Vec<Vec<f32>> = input
                .iter()
                .map(|plane| plane[start..(start + 1000).min(length)].to_vec())
                .collect();
            for (output, more) in output.iter_mut().zip(resampler.push(&part).unwrap()) {
                output.extend(more);
            }
        }
        for (output, more) in output.iter_mut().zip(resampler.finish().unwrap()) {
            output.extend(more);
        }
        let exact = (length as f64 * 48_000.0 / f64::from(from)).round() as usize;
        assert_eq!(output[0].len(), exact, "{from} {length}");
        assert_eq!(output[1].len(), exact);
        if length > 10_000 {
            let expected = sine(exact, 2, 48_000.0);
            let worst = (500..exact - 500)
                .map(|index| (output[1][index] - expected[1][index]).abs())
                .fold(0.0, f32::max);
            assert!(worst < 0.001, "{from}: {worst}");
        }
    }
}

#[test]
fn equal_rates_pass_samples_unchanged() {
    let input = sine(1000, 6, 48_000.0);
    let mut resampler = Resampler::new(48_000, 48_000, 6).unwrap();
    assert_eq!(resampler.push(&input).unwrap(), input);
    assert!(resampler.finish().unwrap()[0].is_empty());
}

fn encode(
    settings: &AudioEncoderSettings,
    samples: &[Vec<f32>],
) -> (Vec<libav::EncodedPacket>, usize) {
    let mut encoder = AudioEncoder::open(settings).unwrap();
    let (size, length) = (encoder.frame_size(), samples[0].len());
    let mut packets = Vec::new();
    for start in (0..length).step_by(size) {
        let end = (start + size).min(length);
        let part: Vec<Vec<f32>> = samples
            .iter()
            .map(|plane| plane[start..end].to_vec())
            .collect();
        encoder.send(Some(&part)).unwrap();
        while let Some(packet) = encoder.receive().unwrap() {
            packets.push(packet);
        }
    }
    encoder.send(None).unwrap();
    while let Some(packet) = encoder.receive().unwrap() {
        packets.push(packet);
    }
    assert_eq!(
        encoder.extradata().is_empty(),
        settings.codec == AudioCodec::Ac3
    );
    (packets, encoder.initial_padding())
}

#[test]
fn encoded_tracks_start_at_minus_their_padding_and_cover_every_sample() {
    for (codec, size, padding) in [(AudioCodec::Aac, 1024, 1024), (AudioCodec::Ac3, 1536, 256)] {
        for channels in [1, 2, 6] {
            let settings = AudioEncoderSettings {
                codec,
                sample_rate: 48_000,
                channels,
                bitrate_bps: 192_000,
            };
            let samples = sine(50_000, channels as usize, 48_000.0);
            let (packets, initial) = encode(&settings, &samples);
            assert_eq!(initial, padding, "{codec:?}");
            assert_eq!(packets[0].pts, -(padding as i64));
            assert!(
                packets
                    .windows(2)
                    .all(|pair| pair[1].pts - pair[0].pts == size)
            );
            let end = packets.last().unwrap().pts + size;
            assert!(end >= 50_000, "{codec:?}: ends at {end}");
            assert_eq!(
                packets,
                encode(&settings, &samples).0,
                "twice the same bytes"
            );
        }
    }
}

#[test]
fn ac3_decodes_to_what_was_encoded() {
    let settings = AudioEncoderSettings {
        codec: AudioCodec::Ac3,
        sample_rate: 48_000,
        channels: 6,
        bitrate_bps: 448_000,
    };
    let samples = sine(48_000, 6, 48_000.0);
    let (packets, padding) = encode(&settings, &samples);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.ac3");
    std::fs::write(
        &path,
        packets
            .iter()
            .flat_map(|p| p.data.clone())
            .collect::<Vec<u8>>(),
    )
    .unwrap();
    let frames = decode(&path);
    for channel in [0, 1, 2, 4, 5] {
        let decoded: Vec<f32> = frames
            .iter()
            .flat_map(|f| f.samples[channel].clone())
            .collect();
        let error: f32 = (2000..40_000)
            .map(|index| (decoded[index + padding] - samples[channel][index]).abs())
            .sum::<f32>()
            / 38_000.0;
        assert!(error < 0.01, "channel {channel}: mean error {error}");
    }
}

#[test]
fn wrong_shapes_are_refused() {
    let settings = AudioEncoderSettings {
        codec: AudioCodec::Aac,
        sample_rate: 48_000,
        channels: 2,
        bitrate_bps: 128_000,
    };
    let mut encoder = AudioEncoder::open(&settings).unwrap();
    assert!(encoder.send(Some(&sine(1024, 1, 48_000.0))).is_err());
    assert!(encoder.send(Some(&sine(1025, 2, 48_000.0))).is_err());
    let odd = AudioEncoderSettings {
        channels: 3,
        ..settings
    };
    assert_eq!(
        AudioEncoder::open(&odd).err().unwrap().kind(),
        model::FailureKind::Unsupported
    );
}
