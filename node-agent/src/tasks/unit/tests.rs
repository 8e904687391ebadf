//! What a worker may not get past the check.

use super::*;
use crate::config::Config;
use crate::sandbox::{Confinement, Spares, Spawner};
use model::facts::FrameFacts;
use model::layout;
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
        keys: vec![("h264-90p".to_owned(), "key".to_owned())],
        pictures_key: Some("pictures".to_owned()),
        segment: 3,
        first_frame: 6,
        frames: 2,
    })
}

fn facts() -> SegmentFacts {
    SegmentFacts {
        key: "key".to_owned(),
        sha256: digest(b"data"),
        size_bytes: 4,
        frames: 2,
        base_decode_time: 0,
        duration: 800,
        config: CodecConfig {
            entry: "avc1".to_owned(),
            record: String::new(),
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
        first_thumb: String::new(),
        last_thumb: String::new(),
        tiles: Vec::new(),
        tiles_sha256: String::new(),
    }
}

async fn store(facts: SegmentFacts, pictures: Option<PictureFacts>) -> Result<AllFacts, Failure> {
    let mut unit = unit();
    let bytes = Bytes::from_static(b"data");
    unit.add("h264-90p".to_owned(), facts, bytes).unwrap();
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
    let bytes = Bytes::from_static(b"data");
    unit.add("h264-90p".to_owned(), facts(), bytes).unwrap();
    unit.add_pictures(picture_facts(), Bytes::new()).unwrap();
    let made = unit.store(&context).await.unwrap();
    let found = expected.find(&context).await.unwrap().unwrap();
    let since = Some(Instant::now());
    let (made, found) = (
        made.record(&context, 2, since),
        found.record(&context, 2, None),
    );
    assert_eq!(
        (made.digest, made.config_digest),
        (found.digest, found.config_digest)
    );
    assert!(found.reused && !made.reused);
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
    for wrong in [wrong_hash, wrong_size, wrong_key, lost_frame] {
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

#[test]
fn renditions_that_nobody_asked_for_or_that_come_twice_are_refused() {
    let mut unit = unit();
    let add = |unit: &mut Unit, id: &str| unit.add(id.to_owned(), facts(), Bytes::new());
    assert!(add(&mut unit, "h264-4320p").is_err());
    add(&mut unit, "h264-90p").unwrap();
    assert!(add(&mut unit, "h264-90p").is_err());
}
