//! What a worker may not get past the check.

use super::*;
use crate::config::Config;
use crate::sandbox::{Confinement, Spares, Spawner};
use model::facts::FrameFacts;
use model::layout;
use package::cmaf::write::{Sample, Segment, media_segment};
use storage::{SourceRoots, Storage};

fn context() -> Context {
    let config = Config::new("node".parse().unwrap(), SourceRoots::default());
    let spawner = Spawner::new(config.program.clone()).unwrap();
    let confinement = Confinement {
        sandbox: config.sandbox,
        limits: config.limits,
    };
    let spares = Spares::new(spawner, confinement, 0);
    let storage = Storage::open("memory:").unwrap();
    Context::new(&config, storage, spares, &model::plan::BuildIds::new())
}

fn unit() -> Unit {
    Unit::new(Expected {
        renditions: vec![Planned {
            id: "h264-90p".to_owned(),
            key: "key".to_owned(),
            codec: VideoCodec::H264,
            bytes_max: 4096,
        }],
        pictures_key: Some("pictures".to_owned()),
        segment: 3,
        first_frame: 6,
        frames: 2,
        ticks: 400,
        tile_frames: 5,
    })
}

/// Two frames, as the fourth segment.
fn segment() -> Segment {
    let sample = |is_sync| Sample {
        data: vec![0, 0, 0, 1, 9],
        duration: 400,
        composition_offset: 0,
        is_sync,
    };
    Segment {
        sequence_number: 4,
        base_decode_time: 2400,
        samples: vec![sample(true), sample(false)],
    }
}

fn data() -> Bytes {
    media_segment(&segment()).unwrap().into()
}

fn facts() -> SegmentFacts {
    SegmentFacts {
        key: "key".to_owned(),
        sha256: digest(&data()),
        size_bytes: data().len() as u64,
        frames: 2,
        base_decode_time: 2400,
        duration: 800,
        config: CodecConfig {
            entry: "avc1".to_owned(),
            record: "0142c01effe000".to_owned(),
            codecs: "avc1.42c01e".to_owned(),
        },
        vbv_end_permille: None,
        quality_retries: 0,
    }
}

fn picture_facts() -> PictureFacts {
    let frame = FrameFacts {
        mean: 0,
        min: 0,
        max: 0,
        black: 0,
        difference: None,
    };
    PictureFacts {
        key: "pictures".to_owned(),
        first_frame: 6,
        frames: vec![frame; 2],
        first_thumb: "10".repeat(32 * 18),
        last_thumb: "10".repeat(32 * 18),
        tiles: Vec::new(),
        tiles_sha256: String::new(),
    }
}

async fn store(facts: SegmentFacts, pictures: Option<PictureFacts>) -> Result<AllFacts, Failure> {
    let mut unit = unit();
    unit.add("h264-90p".to_owned(), facts, data()).unwrap();
    if let Some(pictures) = pictures {
        unit.add_pictures(pictures, Bytes::new()).unwrap();
    }
    unit.store(&context()).await
}

#[tokio::test]
async fn a_right_segment_is_stored_bytes_first_and_found_again() {
    let context = context();
    let mut unit = unit();
    let expected = unit.expected.clone();
    assert!(expected.find(&context).await.unwrap().is_none());
    unit.add("h264-90p".to_owned(), facts(), data()).unwrap();
    unit.add_pictures(picture_facts(), Bytes::new()).unwrap();
    let made = unit.store(&context).await.unwrap();
    let found = expected.find(&context).await.unwrap().unwrap();
    let elapsed = Some(Duration::from_millis(7));
    let (made, found) = (
        made.record(&context, 2, elapsed),
        found.record(&context, 2, None),
    );
    assert_eq!(
        (made.digest, made.config_digest),
        (found.digest, found.config_digest)
    );
    assert!(found.reused && !made.reused);
    assert_eq!((found.elapsed_ms, made.elapsed_ms), (0, 7));
}

#[tokio::test]
async fn facts_without_their_bytes_are_not_found() {
    let context = context();
    let (facts, pictures) = (facts(), picture_facts());
    let pieces = &context.pieces;
    pieces
        .put_json(&layout::facts("key"), &facts)
        .await
        .unwrap();
    pieces
        .put_json(&layout::facts("pictures"), &pictures)
        .await
        .unwrap();
    assert!(unit().expected.find(&context).await.unwrap().is_none());
}

#[tokio::test]
async fn what_a_worker_says_wrongly_is_refused() {
    let wrong_hash = SegmentFacts {
        sha256: digest(b"other"),
        ..facts()
    };
    let wrong_size = SegmentFacts {
        size_bytes: 5,
        ..facts()
    };
    let wrong_key = SegmentFacts {
        key: "other".to_owned(),
        ..facts()
    };
    let lost_frame = SegmentFacts {
        frames: 1,
        ..facts()
    };
    let other_time = SegmentFacts {
        base_decode_time: 0,
        ..facts()
    };
    let other_length = SegmentFacts {
        duration: 801,
        ..facts()
    };
    let config = |entry: &str, record: &str, codecs: &str| SegmentFacts {
        config: CodecConfig {
            entry: entry.to_owned(),
            record: record.to_owned(),
            codecs: codecs.to_owned(),
        },
        ..facts()
    };
    let other_codecs = config("avc1", "0142c01effe000", "avc1.42c01e\"\n#EXT-X-KEY:");
    let no_record = config("avc1", "0142", "avc1.42c01e");
    let other_format = config("av01", "81000c00", "av01.0.00M.08");
    let wrong = [wrong_hash, wrong_size, wrong_key, lost_frame, other_time];
    let more = [other_length, other_codecs, no_record, other_format];
    for wrong in wrong.into_iter().chain(more) {
        let refused = store(wrong.clone(), Some(picture_facts())).await;
        let failure = refused
            .err()
            .unwrap_or_else(|| panic!("{wrong:?} was taken"));
        assert_eq!(failure.kind, FailureKind::Bug);
        assert_eq!(failure.place, "segment 3");
    }
}

#[tokio::test]
async fn picture_facts_that_are_missing_or_short_are_refused() {
    assert!(store(facts(), None).await.is_err());
    let mut short = picture_facts();
    short.frames.pop();
    assert!(store(facts(), Some(short)).await.is_err());
    let mut unwanted = unit();
    unwanted.expected.pictures_key = None;
    assert!(
        unwanted
            .add_pictures(picture_facts(), Bytes::new())
            .is_err()
    );
}

#[tokio::test]
async fn bytes_that_are_no_segment_are_refused_and_nothing_is_stored() {
    let context = context();
    let junk = Bytes::from_static(b"junk of a worker that was taken over");
    let mut unit = unit();
    let claimed = SegmentFacts {
        sha256: digest(&junk),
        size_bytes: junk.len() as u64,
        ..facts()
    };
    unit.add("h264-90p".to_owned(), claimed, junk).unwrap();
    unit.add_pictures(picture_facts(), Bytes::new()).unwrap();
    assert!(unit.store(&context).await.is_err());
    assert_eq!(context.pieces.list("segments").await.unwrap(), Vec::new());
}

#[tokio::test]
async fn picture_facts_with_tiles_that_nobody_planned_are_refused() {
    let mut unplanned = picture_facts();
    unplanned.tiles = vec![7];
    let mut no_thumb = picture_facts();
    no_thumb.first_thumb = "10".to_owned();
    for wrong in [unplanned, no_thumb] {
        assert!(store(facts(), Some(wrong)).await.is_err());
    }
}

#[tokio::test]
async fn damaged_facts_are_made_again_and_sound_ones_never_replaced() {
    let context = context();
    let path = layout::facts("key");
    let honest = unit();
    let flipped = serde_json::to_vec(&SegmentFacts {
        duration: 801,
        ..facts()
    });
    // Whole, and true of its bytes, which are those of another segment.
    let elsewhere = media_segment(&Segment {
        base_decode_time: 0,
        ..segment()
    });
    let elsewhere = Bytes::from(elsewhere.unwrap());
    let unplanned = SegmentFacts {
        sha256: digest(&elsewhere),
        size_bytes: elsewhere.len() as u64,
        base_decode_time: 0,
        ..facts()
    };
    let pieces = &context.pieces;
    pieces.put_bytes("key", "m4s", elsewhere).await.unwrap();
    let unplanned = serde_json::to_vec(&unplanned).unwrap();
    for damaged in [b"{\"key\": \"ke".to_vec(), flipped.unwrap(), unplanned] {
        pieces.put(&path, damaged.into()).await.unwrap();
        assert!(honest.expected.find(&context).await.unwrap().is_none());
        let mut unit = unit();
        unit.add("h264-90p".to_owned(), facts(), data()).unwrap();
        unit.add_pictures(picture_facts(), Bytes::new()).unwrap();
        unit.store(&context).await.unwrap();
        assert!(honest.expected.find(&context).await.unwrap().is_some());
    }
    let other = SegmentFacts {
        quality_retries: 1,
        ..facts()
    };
    let sound = |_: &SegmentFacts| Ok(());
    let incident = reuse::keep(&context, &other, sound).await.unwrap_err();
    assert_eq!(incident.kind, FailureKind::Bug);
    assert!(incident.message.starts_with("incident"), "{incident}");
    let kept: Option<SegmentFacts> = reuse::find(&context, "key", sound).await.unwrap();
    assert_eq!(kept, Some(facts()));
}

#[test]
fn a_segment_larger_than_its_rate_allows_is_refused() {
    let large = Bytes::from(vec![0; 4097]);
    let refused = unit().add("h264-90p".to_owned(), facts(), large);
    let failure = refused.unwrap_err();
    assert!(failure.message.contains("4096 at most"), "{failure}");
}

#[test]
fn renditions_that_nobody_asked_for_or_that_come_twice_are_refused() {
    let mut unit = unit();
    let add = |unit: &mut Unit, id: &str| unit.add(id.to_owned(), facts(), Bytes::new());
    assert!(add(&mut unit, "h264-4320p").is_err());
    add(&mut unit, "h264-90p").unwrap();
    assert!(add(&mut unit, "h264-90p").is_err());
}
