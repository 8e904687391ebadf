//! Verdicts over hand-made facts.

mod throughout;

use super::evaluate;
use model::facts::{AudioFacts, CodecConfig, FrameFacts, LoudnessFacts, PictureFacts};
use model::frame_map::FrameMap;
use model::grid::OutputGrid;
use model::plan::{AudioCodec, AudioOutput, AudioPlan, Filters, Plan, RenditionGroup, VideoPlan};
use model::profile::Profile;
use model::qc::{Action, Check, Verdict};
use model::rendition::{EncoderFamily, RateControl, Rendition, VideoCodec};
use model::source::{AudioTrack, Color, FieldOrder, FrameTable, Orientation, VideoTrack};
use model::{JobId, Rational, TenantId, TitleId};
use std::collections::BTreeMap;

const FRAMES: u32 = 2000;
const SEGMENT: u32 = 100;

fn rendition() -> Rendition {
    Rendition {
        id: "h264-90p".to_owned(),
        codec: VideoCodec::H264,
        family: EncoderFamily::X264,
        family_reason: String::new(),
        width: 160,
        height: 90,
        frame_rate: Rational::whole(25),
        bit_depth: 8,
        hdr: model::hdr::HdrMetadata::default(),
        color: Color::BT709,
        rate: RateControl {
            quality_centi: 2300,
            maxrate_bps: 1,
            buffer_bits: 1,
        },
        preset: String::new(),
        threads: 1,
    }
}

fn video() -> VideoPlan {
    VideoPlan {
        track: VideoTrack {
            stream: 0,
            codec: "h264".to_owned(),
            width: 160,
            height: 90,
            sample_aspect: Rational::ONE,
            orientation: Orientation::default(),
            field_order: FieldOrder::Progressive,
            pixel_format: "yuv420p".to_owned(),
            bit_depth: 8,
            color: Color::BT709,
            hdr: model::hdr::HdrMetadata::default(),
            time_base: Rational::new(1, 25).unwrap(),
            nominal_frame_rate: None,
            frames: FrameTable::default(),
        },
        filters: Filters {
            deinterlace: None,
            tonemap: None,
            orientation: Orientation::default(),
        },
        grid: OutputGrid {
            frame_rate: Rational::whole(25),
            frames: FRAMES,
            segment_frames: SEGMENT,
        },
        map: FrameMap::new(0..FRAMES),
        map_reason: String::new(),
        groups: vec![RenditionGroup {
            name: "h264".to_owned(),
            renditions: vec![rendition()],
            keyframe_frames: SEGMENT,
            lookahead_frames: 0,
        }],
        chunks: Vec::new(),
    }
}

fn audio_plan() -> AudioPlan {
    AudioPlan {
        index: 0,
        track: AudioTrack {
            stream: 1,
            codec: "aac".to_owned(),
            sample_rate: 48_000,
            channels: 2,
            layout: "stereo".to_owned(),
            language: "en".to_owned(),
            title: String::new(),
            is_default: true,
            start: Rational::ZERO,
            duration: Rational::whole(80),
        },
        zero: Rational::ZERO,
        outputs: vec![AudioOutput {
            id: "audio-0-aac2".to_owned(),
            codec: AudioCodec::Aac,
            channels: 2,
            sample_rate: 48_000,
            bitrate_bps: 128_000,
        }],
    }
}

fn plan() -> Plan {
    Plan {
        job: JobId::new("job").unwrap(),
        tenant: TenantId::new("tenant").unwrap(),
        title: TitleId::new("title").unwrap(),
        source_url: String::new(),
        source_sha256: String::new(),
        source_size_bytes: 0,
        profile: Profile::built_in("web").unwrap(),
        builds: BTreeMap::new(),
        video: Some(video()),
        audio: vec![audio_plan()],
        text: Vec::new(),
        tile_frames: 0,
        duration: Rational::whole(80),
        audio_borders: Vec::new(),
    }
}

fn audio() -> AudioFacts {
    AudioFacts {
        key: String::new(),
        id: "audio-0-aac2".to_owned(),
        config: CodecConfig {
            entry: String::new(),
            record: String::new(),
            codecs: String::new(),
        },
        channels: 2,
        sample_rate: 48_000,
        priming: 1024,
        samples: 80 * 48_000,
        segments: Vec::new(),
        source: LoudnessFacts {
            integrated_centi_lufs: Some(-2000),
            true_peak_centi_dbtp: Some(-300),
            range_centi_lu: Some(500),
        },
        output: LoudnessFacts {
            integrated_centi_lufs: Some(-2305),
            true_peak_centi_dbtp: Some(-600),
            range_centi_lu: Some(500),
        },
        gain_centi_db: 0,
        limited: false,
        silences: vec![(0, 48_000)],
        clipped_samples: 3,
    }
}

/// Moving pictures, of which some are changed.
fn pictures(change: impl Fn(u32, &mut FrameFacts)) -> Vec<PictureFacts> {
    let frame = |index: u32| {
        let mut facts = FrameFacts {
            mean: 100 << 8,
            min: 16,
            max: 200,
            black: 0,
            difference: (!index.is_multiple_of(SEGMENT)).then_some(700),
        };
        change(index, &mut facts);
        facts
    };
    (0..FRAMES / SEGMENT)
        .map(|segment| PictureFacts {
            key: String::new(),
            first_frame: segment * SEGMENT,
            frames: (segment * SEGMENT..(segment + 1) * SEGMENT)
                .map(frame)
                .collect(),
            first_thumb: "80".repeat(576),
            last_thumb: "81".repeat(576),
            tiles: Vec::new(),
            tiles_sha256: String::new(),
        })
        .collect()
}

fn verdict(plan: &Plan, pictures: &[PictureFacts], audio: &[AudioFacts]) -> Verdict {
    let committed = BTreeMap::from([("h264-90p".to_owned(), u64::from(FRAMES))]);
    evaluate(plan, pictures, &committed, audio)
}

fn checks(verdict: &Verdict) -> Vec<Check> {
    verdict
        .findings
        .iter()
        .map(|finding| finding.check)
        .collect()
}

#[test]
fn a_good_title_passes_every_rule() {
    let verdict = verdict(&plan(), &pictures(|_, _| {}), &[audio()]);
    assert_eq!((verdict.action, verdict.checked), (Action::Pass, 10));
    assert!(verdict.findings.is_empty(), "{:?}", verdict.findings);
    assert!(verdict.not_applicable.is_empty());
}

#[test]
fn black_across_the_borders_of_segments_is_one_finding() {
    let black = pictures(|index, frame| {
        if (150..450).contains(&index) {
            frame.black = u16::MAX;
            frame.difference = frame.difference.map(|_| 0);
        }
    });
    let verdict = verdict(&plan(), &black, &[audio()]);
    assert_eq!(
        checks(&verdict),
        [Check::Black],
        "frozen black is black only"
    );
    let finding = &verdict.findings[0];
    assert_eq!(
        (finding.start, finding.end),
        (Some(Rational::whole(6)), Some(Rational::whole(18)))
    );
    assert_eq!(verdict.action, Action::Flag);
}

#[test]
fn a_freeze_goes_on_where_the_thumbs_agree_and_ends_where_they_do_not() {
    let still = |index: u32, frame: &mut FrameFacts| {
        if (400..990).contains(&index) {
            frame.difference = frame.difference.map(|_| 5);
        }
    };
    let frozen = verdict(&plan(), &pictures(still), &[audio()]);
    assert_eq!(checks(&frozen), [Check::Freeze]);
    assert_eq!(frozen.findings[0].end, Rational::new(990, 25));
    let mut cut = pictures(still);
    cut[7].first_thumb = "20".repeat(576);
    assert_eq!(checks(&verdict(&plan(), &cut, &[audio()])), []);
}

#[test]
fn lost_frames_are_never_publishable() {
    let committed = BTreeMap::from([("h264-90p".to_owned(), u64::from(FRAMES) - 1)]);
    let mut lax = plan();
    lax.profile.qc.frame_mismatch = Action::Pass;
    for (plan, action) in [(plan(), Action::Reject), (lax, Action::Flag)] {
        let verdict = evaluate(&plan, &pictures(|_, _| {}), &committed, &[audio()]);
        assert_eq!(checks(&verdict), [Check::FrameMismatch]);
        assert_eq!(verdict.action, action);
    }
}

#[test]
fn sound_off_target_is_flagged_unless_its_peaks_explain_it() {
    let mut quiet = audio();
    quiet.output.integrated_centi_lufs = Some(-2900);
    let flagged = verdict(&plan(), &pictures(|_, _| {}), &[quiet.clone()]);
    assert_eq!(
        (checks(&flagged), flagged.action),
        (vec![Check::Loudness], Action::Flag)
    );
    quiet.limited = true;
    let explained = verdict(&plan(), &pictures(|_, _| {}), &[quiet]);
    assert_eq!(explained.action, Action::Pass);
    assert!(explained.findings[0].message.contains("dBTP"));
}

#[test]
fn silence_clipping_and_length_are_measured_in_seconds() {
    let mut bad = audio();
    bad.silences = vec![(0, 31 * 48_000)];
    bad.clipped_samples = 48_000;
    bad.samples = 70 * 48_000;
    let mut plan = plan();
    plan.audio[0].track.duration = Rational::whole(70);
    plan.audio[0].track.language = "und".to_owned();
    let verdict = verdict(&plan, &pictures(|_, _| {}), &[bad]);
    let mut found = checks(&verdict);
    found.sort_by_key(|check| format!("{check:?}"));
    let expected = [
        Check::Clipping,
        Check::DurationMismatch,
        Check::MissingLanguage,
        Check::Silence,
    ];
    assert_eq!(found, expected);
}

#[test]
fn rules_without_a_track_are_counted_not_passed() {
    let mut silent = plan();
    silent.audio.clear();
    let verdict = verdict(&silent, &pictures(|_, _| {}), &[]);
    assert_eq!(verdict.checked as usize + verdict.not_applicable.len(), 10);
    assert_eq!(verdict.not_applicable.len(), 5);
    assert_eq!(checks(&verdict), [Check::MissingAudio]);
    let mut lost = plan();
    lost.video = None;
    let verdict = evaluate(&lost, &[], &BTreeMap::new(), &[]);
    assert_eq!(
        verdict.action,
        Action::Reject,
        "a planned output was not made"
    );
}
