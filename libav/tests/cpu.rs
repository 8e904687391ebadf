//! Pinned vector code: the same bytes whatever the processor has. One test in a program of its own,
//! because the flags belong to the process.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use libav::{
    AudioCodec, AudioEncoder, AudioEncoderSettings, CpuBaseline, CpuLimit, Resampler,
    limit_cpu_flags, pin_cpu_flags,
};

/// Resamples and encodes noise over a chord; gives every byte.
fn work(codec: AudioCodec) -> Vec<u8> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    let input: Vec<Vec<f32>> = (0..2)
        .map(|_| {
            (0..44_100)
                .map(|i| 0.2 * noise() + 0.4 * (i as f32 * 0.05).sin())
                .collect()
        })
        .collect();
    let mut resampler = Resampler::new(44_100, 48_000, 2).unwrap();
    let samples = resampler.push(&input).unwrap();
    let mut bytes: Vec<u8> = samples
        .iter()
        .flatten()
        .flat_map(|s| s.to_le_bytes())
        .collect();
    let settings = AudioEncoderSettings {
        codec,
        sample_rate: 48_000,
        channels: 2,
        bitrate_bps: 128_000,
    };
    let mut encoder = AudioEncoder::open(&settings).unwrap();
    let size = encoder.frame_size();
    for start in (0..samples[0].len() - size).step_by(size) {
        let part: Vec<Vec<f32>> = samples
            .iter()
            .map(|p| p[start..start + size].to_vec())
            .collect();
        encoder.send(Some(&part)).unwrap();
        while let Some(packet) = encoder.receive().unwrap() {
            bytes.extend(packet.data);
        }
    }
    bytes
}

#[test]
fn pinned_bytes_do_not_depend_on_the_processor() {
    let baseline = CpuBaseline::of_this_architecture();
    for codec in [AudioCodec::Aac, AudioCodec::Ac3] {
        let full = work(codec);
        let pinned: Vec<Vec<u8>> = [CpuLimit::None, CpuLimit::Avx, CpuLimit::Sse42]
            .into_iter()
            .map(|limit| {
                limit_cpu_flags(limit);
                pin_cpu_flags(baseline).unwrap();
                work(codec)
            })
            .collect();
        assert!(pinned.iter().all(|bytes| *bytes == pinned[0]), "{codec:?}");
        eprintln!(
            "{codec:?}: all of this processor equals {}: {}",
            baseline.as_str(),
            full == pinned[0]
        );
        limit_cpu_flags(CpuLimit::None);
        assert!(
            work(codec) == full,
            "lifting the limit brings everything back"
        );
    }
    if baseline == CpuBaseline::Sse42 {
        limit_cpu_flags(CpuLimit::Scalar);
        let error = pin_cpu_flags(baseline).unwrap_err();
        assert_eq!(error.kind(), model::FailureKind::Unsupported);
        limit_cpu_flags(CpuLimit::None);
    }
}
