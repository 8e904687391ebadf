//! The reader against the writer, against broken bytes, and against its own bounds.

use super::*;
use crate::cmaf::write::{self, Sample, Segment, TrackInit, TrackKind};
use crate::codec_config::CodecConfig;
use crate::error::Error;
use model::hdr::HdrMetadata;
use model::source::Color;
use proptest::collection::vec;
use proptest::prelude::*;

fn video_track() -> TrackInit {
    let avcc = b"\x01\x42\xc0\x1e\xff\xe1\x00\x05\x67\x42\xc0\x1e\x80\x01\x00\x02\x68\xce";
    TrackInit {
        kind: TrackKind::Video {
            width: 640,
            height: 360,
            color: Color::BT709,
            hdr: HdrMetadata::default(),
        },
        timescale: 30_000,
        language: "und".to_owned(),
        config: CodecConfig::Avc {
            avcc: avcc.to_vec(),
        },
        edit: None,
    }
}

fn audio_track() -> TrackInit {
    TrackInit {
        kind: TrackKind::Audio {
            channels: 6,
            sample_rate: 48_000,
        },
        timescale: 48_000,
        language: "zh-Hant".to_owned(),
        config: CodecConfig::aac(&[0x11, 0xb0]).unwrap(),
        edit: Some(1024),
    }
}

fn any_sample() -> impl Strategy<Value = Sample> {
    (
        vec(any::<u8>(), 1..40),
        1..5000_u32,
        -3000..3000_i32,
        any::<bool>(),
    )
        .prop_map(|(data, duration, composition_offset, is_sync)| Sample {
            data,
            duration,
            composition_offset,
            is_sync,
        })
}

/// Segments whose samples share durations, flags and offsets, or do not.
fn any_segment() -> impl Strategy<Value = Segment> {
    (
        vec(any_sample(), 1..12),
        any::<u32>(),
        0..u64::MAX >> 2,
        0..16_u8,
    )
        .prop_map(|(mut samples, sequence_number, base_decode_time, alike)| {
            for (index, sample) in samples.iter_mut().enumerate() {
                sample.duration = if alike & 1 == 0 {
                    sample.duration
                } else {
                    1001
                };
                sample.composition_offset *= i32::from(alike & 2 == 0);
                sample.is_sync = match alike >> 2 {
                    0 => sample.is_sync,
                    1 => index == 0,
                    _ => true,
                };
            }
            Segment {
                sequence_number,
                base_decode_time,
                samples,
            }
        })
}

fn small_segment() -> Vec<u8> {
    let sample = |size: usize, composition_offset, is_sync| Sample {
        data: vec![1; size],
        duration: 1001,
        composition_offset,
        is_sync,
    };
    let samples = vec![
        sample(5, 0, true),
        sample(3, 2002, false),
        sample(2, -1001, false),
    ];
    let segment = Segment {
        sequence_number: 4,
        base_decode_time: 90_090,
        samples,
    };
    write::media_segment(&segment).unwrap()
}

#[test]
fn init_segments_read_back_as_they_were_written() {
    for track in [video_track(), audio_track()] {
        let bytes = write::init_segment(&track).unwrap();
        assert_eq!(init_segment(&bytes), Ok(track));
    }
}

#[test]
fn facts_are_those_of_the_samples() {
    let bytes = small_segment();
    let facts = media_segment(&bytes).unwrap().facts();
    assert_eq!(
        facts,
        SegmentFacts {
            sequence_number: 4,
            base_decode_time: 90_090,
            duration: 3003,
            samples: 3,
            first_is_sync: true,
            presentation_start: 90_090,
            presentation_end: 90_090 + 1001 + 2002 + 1001,
            data_bytes: 10,
            first_sample_end: bytes.len() as u64 - 5,
        }
    );
}

#[test]
fn errors_name_the_box_and_the_byte() {
    let bytes = small_segment();
    let cut = media_segment(&bytes[..bytes.len() - 1]).unwrap_err();
    assert_eq!(cut, Error::truncated("mdat", bytes.len() - 1));
    let mut wrong = bytes.clone();
    let tfdt = wrong.windows(4).position(|it| it == b"tfdt").unwrap();
    wrong[tfdt] = b'T';
    let text = media_segment(&wrong).unwrap_err().to_string();
    assert_eq!(
        text,
        format!("traf at byte {}: tfdt is expected here, not Tfdt", tfdt - 4)
    );
}

#[test]
fn a_segment_with_more_behind_it_is_refused() {
    let bytes = small_segment();
    let twice = [bytes.clone(), bytes].concat();
    assert!(media_segment(&twice).is_err());
}

#[test]
fn a_count_beyond_the_box_allocates_nothing() {
    let mut bytes = small_segment();
    let trun = bytes.windows(4).position(|it| it == b"trun").unwrap();
    bytes[trun + 8..trun + 12].fill(0xff);
    let text = media_segment(&bytes).unwrap_err().to_string();
    assert!(
        text.contains("4294967295 samples do not fill the box"),
        "{text}"
    );
}

/// The result of checking one sample that is marked sync.
fn check_one(config: &CodecConfig, data: &[u8]) -> Result<(), Error> {
    let sample = Sample {
        data: data.to_vec(),
        duration: 1,
        composition_offset: 0,
        is_sync: true,
    };
    let segment = Segment {
        sequence_number: 1,
        base_decode_time: 0,
        samples: vec![sample],
    };
    let bytes = write::media_segment(&segment).unwrap();
    check_samples(config, &media_segment(&bytes).unwrap(), &bytes)
}

#[test]
fn samples_that_are_not_what_the_track_says_are_found() {
    let avc = video_track().config;
    assert_eq!(
        check_one(&avc, b"\0\0\0\x02\x06\x01\0\0\0\x02\x65\x88"),
        Ok(())
    );
    let broken: [(&[u8], &str); 5] = [
        (b"\0\0\0\x02\x41\x88", "no key picture"),
        (b"\0\0\0\x01\x65\x88", "cut off"),
        (b"\0\0\0\x01\x65\x88\x88\x88\x88", "does not fit"),
        (
            b"\0\0\0\x02\x67\x42\0\0\0\x02\x65\x88",
            "belongs into the sample entry",
        ),
        (b"\0\0\0\x02\x06\x01", "nothing to decode"),
    ];
    for (data, words) in broken {
        let text = check_one(&avc, data).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    }
    let av1 = CodecConfig::Av1 { av1c: Vec::new() };
    assert_eq!(check_one(&av1, b"\x32\x02\x10\0"), Ok(()));
    assert!(
        check_one(&av1, b"\x32\x02\x30\0").is_err(),
        "an inter frame"
    );
    assert!(
        check_one(&av1, b"\x12\0\x32\x02\x10\0").is_err(),
        "a temporal delimiter"
    );
    assert!(check_one(&audio_track().config, b"\xff\xf1\x50").is_err());
    assert_eq!(check_one(&audio_track().config, b"\x21\x10"), Ok(()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_sample_check_panic(data in vec(any::<u8>(), 1..60)) {
        for config in [
            video_track().config,
            CodecConfig::Hevc { hvcc: Vec::new() },
            CodecConfig::Av1 { av1c: Vec::new() },
            CodecConfig::Ac3 { dac3: Vec::new() },
        ] {
            let _ = check_one(&config, &data);
        }
    }

    #[test]
    fn segments_read_back_as_they_were_written(segment in any_segment()) {
        let bytes = write::media_segment(&segment).unwrap();
        let fragment = media_segment(&bytes).unwrap();
        prop_assert_eq!(fragment.to_segment(&bytes), segment.clone());
        let facts = fragment.facts();
        let data: usize = segment.samples.iter().map(|sample| sample.data.len()).sum();
        prop_assert_eq!(facts.data_bytes, data as u64);
        let size = segment.samples[0].data.len();
        let end = facts.first_sample_end as usize;
        prop_assert_eq!(&bytes[end - size..end], &segment.samples[0].data[..]);
    }

    #[test]
    fn mutated_segments_never_panic_and_read_back_alike(
        segment in any_segment(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let mut bytes = write::media_segment(&segment).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(if is_cut { cut.index(bytes.len()) } else { bytes.len() });
        if let Ok(fragment) = media_segment(&bytes) {
            fragment.facts();
            prop_assert!(fragment.samples.iter().all(|sample| sample.range.end <= bytes.len()));
        }
    }

    #[test]
    fn mutated_init_segments_never_panic(
        is_video: bool,
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        let track = if is_video { video_track() } else { audio_track() };
        let mut bytes = write::init_segment(&track).unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(if is_cut { cut.index(bytes.len()) } else { bytes.len() });
        if let Ok(read) = init_segment(&bytes) {
            // What is accepted means the same when it is written again.
            let again = write::init_segment(&read);
            prop_assert_eq!(again.map(|bytes| init_segment(&bytes)), Ok(Ok(read)));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = init_segment(&bytes);
        let _ = media_segment(&bytes);
    }
}
