//! The writer read back by an independent parser.

use super::*;
use mp4_atom::{Any, Codec, DecodeMaybe, Moof, Moov};

pub(crate) fn aac() -> CodecConfig {
    CodecConfig::aac(&[0x11, 0x90]).unwrap()
}

fn audio_track() -> TrackInit {
    TrackInit {
        kind: TrackKind::Audio {
            channels: 2,
            sample_rate: 48_000,
        },
        timescale: 48_000,
        language: "pt-BR".to_owned(),
        config: aac(),
        edit: Some(1024),
    }
}

fn sample(size: usize, composition_offset: i32, is_sync: bool) -> Sample {
    Sample {
        data: vec![7; size],
        duration: 1001,
        composition_offset,
        is_sync,
    }
}

/// Top-level boxes, read by an independent parser.
fn atoms(bytes: &[u8]) -> Vec<Any> {
    let mut cursor = std::io::Cursor::new(bytes);
    let mut found = Vec::new();
    while let Some(atom) = Any::decode_maybe(&mut cursor).unwrap() {
        found.push(atom);
    }
    assert_eq!(cursor.position() as usize, bytes.len());
    found
}

#[test]
fn an_independent_parser_reads_the_init_segment() {
    let bytes = init_segment(&audio_track()).unwrap();
    let found = atoms(&bytes);
    let [Any::Ftyp(file_type), Any::Moov(movie)] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(file_type.major_brand, b"iso6".into());
    assert!(file_type.compatible_brands.contains(&b"cmfc".into()));
    let Moov { trak, mvex, .. } = movie;
    assert_eq!(mvex.as_ref().unwrap().trex.len(), 1);
    assert_eq!(trak[0].mdia.mdhd.timescale, 48_000);
    assert_eq!(trak[0].mdia.mdhd.language, "por");
    let edits = &trak[0]
        .edts
        .as_ref()
        .unwrap()
        .elst
        .as_ref()
        .unwrap()
        .entries;
    assert_eq!((edits.len(), edits[0].media_time), (1, Some(1024)));
    let Codec::Mp4a(entry) = &trak[0].mdia.minf.stbl.stsd.codecs[0] else {
        panic!("no mp4a")
    };
    assert_eq!(entry.audio.channel_count, 2);
    assert_eq!(
        entry
            .esds
            .es_desc
            .dec_config
            .dec_specific
            .as_ref()
            .unwrap()
            .profile,
        2
    );
}

#[test]
fn an_independent_parser_reads_the_media_segment() {
    let samples = vec![
        sample(5, 0, true),
        sample(3, 2002, false),
        sample(2, -1001, false),
    ];
    let segment = Segment {
        sequence_number: 7,
        base_decode_time: 1 << 40,
        samples,
    };
    let bytes = media_segment(&segment).unwrap();
    let found = atoms(&bytes);
    let [Any::Styp(_), Any::Moof(moof), Any::Mdat(data)] = &found[..] else {
        panic!("{found:?}")
    };
    let Moof { mfhd, traf } = moof;
    assert_eq!(mfhd.sequence_number, 7);
    assert_eq!(
        traf[0].tfdt.as_ref().unwrap().base_media_decode_time,
        1 << 40
    );
    let run = &traf[0].trun[0];
    assert_eq!(
        run.samples.iter().map(|it| it.size.unwrap()).sum::<u32>(),
        10
    );
    assert_eq!(
        run.samples
            .iter()
            .map(|it| it.cts.unwrap())
            .collect::<Vec<_>>(),
        [0, 2002, -1001]
    );
    let data_offset = usize::try_from(run.data_offset.unwrap()).unwrap();
    let moof_at = bytes.windows(4).position(|it| it == b"moof").unwrap() - 4;
    assert_eq!(
        &bytes[moof_at + data_offset..],
        &data.data[..],
        "data offset counts from moof"
    );
}

#[test]
fn the_same_segment_gives_the_same_bytes() {
    let segment = Segment {
        sequence_number: 1,
        base_decode_time: 0,
        samples: vec![sample(9, 0, true); 3],
    };
    assert_eq!(
        media_segment(&segment).unwrap(),
        media_segment(&segment).unwrap()
    );
}

#[test]
fn what_boxes_cannot_hold_is_refused() {
    let broken = [
        TrackInit {
            timescale: 0,
            ..audio_track()
        },
        TrackInit {
            kind: TrackKind::Audio {
                channels: 2,
                sample_rate: 96_000,
            },
            ..audio_track()
        },
        TrackInit {
            kind: TrackKind::Audio {
                channels: 0,
                sample_rate: 48_000,
            },
            ..audio_track()
        },
        TrackInit {
            edit: Some(1 << 31),
            ..audio_track()
        },
        TrackInit {
            kind: TrackKind::Video {
                width: 16,
                height: 16,
                color: Color::BT709,
                hdr: HdrMetadata::default(),
            },
            ..audio_track()
        },
    ];
    for track in broken {
        assert!(init_segment(&track).is_err(), "{track:?}");
    }
    let empty = Segment {
        sequence_number: 1,
        base_decode_time: 0,
        samples: Vec::new(),
    };
    assert!(media_segment(&empty).is_err());
}
