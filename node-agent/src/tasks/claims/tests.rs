//! Claims that hold, and each of them with one lie.

use super::*;
use package::cmaf::write::{Sample, Segment, media_segment};

const SECOND: Rational = Rational::ONE;

fn sound_bytes(number: u32, start: u64) -> Vec<u8> {
    let sample = Sample {
        data: vec![1, 2, 3],
        duration: 1024,
        composition_offset: 0,
        is_sync: true,
    };
    media_segment(&Segment {
        sequence_number: number,
        base_decode_time: start,
        samples: vec![sample; 2],
    })
    .unwrap()
}

fn facts() -> AudioFacts {
    let segment = |base_decode_time| AudioSegment {
        sha256: "0".repeat(64),
        size_bytes: 7,
        base_decode_time,
        duration: 2048,
    };
    AudioFacts {
        key: "key".to_owned(),
        id: "audio-0-aac2".to_owned(),
        config: CodecConfig {
            entry: "mp4a".to_owned(),
            record: "1190".to_owned(),
            codecs: "mp4a.40.2".to_owned(),
        },
        channels: 2,
        sample_rate: 48_000,
        priming: 1024,
        samples: 3072,
        segments: vec![segment(0), segment(2048)],
        source: LoudnessFacts::default(),
        output: LoudnessFacts::default(),
        gain_centi_db: -300,
        limited: false,
        silences: vec![(0, 100), (200, 300)],
        clipped_samples: 0,
    }
}

fn output() -> AudioOutput {
    AudioOutput {
        id: "audio-0-aac2".to_owned(),
        codec: AudioCodec::Aac,
        channels: 2,
        sample_rate: 48_000,
        bitrate_bps: 96_000,
    }
}

/// All checks of a sound track.
fn all(facts: &AudioFacts) -> Claim {
    sound(facts)?;
    planned_sound(facts, &output(), (SECOND, 2))
}

#[test]
fn honest_facts_of_sound_hold() {
    all(&facts()).unwrap();
}

#[test]
fn a_lie_in_any_field_of_sound_facts_is_found() {
    let lies: [fn(&mut AudioFacts); 16] = [
        |facts| facts.priming = PRIMING_MAX + 1,
        |facts| facts.priming = 1023,
        |facts| facts.samples = u64::MAX,
        |facts| facts.samples = 0,
        |facts| facts.channels = 6,
        |facts| facts.sample_rate = 44_100,
        |facts| facts.config.codecs = "mp4a.40.2\",AUDIO=\"x".to_owned(),
        |facts| facts.config.codecs = "mp4a.40.5".to_owned(),
        |facts| facts.config.record = "zz".to_owned(),
        |facts| facts.config.record = "11".repeat(RECORD_BYTES_MAX + 1),
        |facts| facts.segments[1].base_decode_time = 0,
        |facts| facts.segments[0].sha256 = "../../plan".to_owned(),
        |facts| facts.gain_centi_db = i32::MIN,
        |facts| facts.output.integrated_centi_lufs = Some(i32::MAX),
        |facts| facts.silences = vec![(0, 100), (50, 300)],
        |facts| facts.silences = vec![(0, u64::MAX)],
    ];
    for (number, lie) in lies.iter().enumerate() {
        let mut facts = facts();
        lie(&mut facts);
        assert!(all(&facts).is_err(), "lie {number} was believed");
    }
}

#[test]
fn more_or_longer_sound_than_the_title_is_refused() {
    let one_segment = planned_sound(&facts(), &output(), (SECOND, 1));
    assert!(one_segment.unwrap_err().contains("2 segments"));
    let long = AudioFacts {
        samples: 2 * 48_000 + CODEC_FRAME_MAX + 1,
        ..facts()
    };
    assert!(planned_sound(&long, &output(), (SECOND, 2)).is_err());
}

#[test]
fn segments_of_sound_count_and_go_on() {
    let bytes = sound_bytes(2, 2048);
    let read = sound_segment((2048, 2), &bytes).unwrap();
    assert_eq!((read.base_decode_time, read.duration), (2048, 2048));
    assert_eq!(read.size_bytes, bytes.len() as u64);
    assert!(sound_segment((2048, 1), &bytes).is_err());
    assert!(sound_segment((0, 2), &bytes).is_err());
    assert!(sound_segment((2048, 2), &bytes[1..]).is_err());
    assert!(sound_segment((0, 1), b"not a segment").is_err());
}

#[test]
fn a_text_file_must_be_one() {
    let facts = TextFacts {
        key: "key".to_owned(),
        id: "text-0".to_owned(),
        sha256: "0".repeat(64),
        cues: 1,
        skipped: 0,
    };
    let file = b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n";
    text(&facts, file).unwrap();
    assert!(text(&facts, b"WEBVTT\n\n\0").is_err());
    let many = TextFacts {
        cues: file.len() as u32 + 1,
        ..facts.clone()
    };
    assert!(text(&many, file).is_err());
    let elsewhere = TextFacts {
        sha256: "/etc".to_owned(),
        ..facts
    };
    assert!(text(&elsewhere, file).is_err());
}

#[test]
fn a_picture_is_as_large_as_its_facts_say() {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xc0, 0, 9, 8, 0, 72, 0, 128, 3, 0];
    bytes.extend([0xff, 0xd9]);
    let file = ImageFile {
        sha256: "0".repeat(64),
        size_bytes: bytes.len() as u64,
        width: 128,
        height: 72,
    };
    picture(&file, &bytes).unwrap();
    let higher = ImageFile {
        height: 144,
        ..file.clone()
    };
    assert!(picture(&higher, &bytes).is_err());
    assert!(picture(&file, b"not a picture").is_err());
}
