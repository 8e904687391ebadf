//! Sound comes out at its time, at its loudness, to the sample; and the same each time.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use libav::{AudioDecoder, Demuxer, MemorySource};
use model::Rational;
use model::facts::AudioFacts;
use model::plan::Plan;
use package::cmaf::write::{TrackInit, TrackKind, init_segment};
use pipeline::AudioChunk;
use support::{Clip, clip, plan, source};

/// A click each second, on its own.
const CLICKS: &str = "-f lavfi -i aevalsrc='if(lt(mod(t,1),0.005),0.5,0)':s=";

fn run(plan: &Plan, clip: &Clip) -> (Vec<AudioFacts>, Vec<AudioChunk>) {
    let mut chunks = Vec::new();
    let mut open = || Ok(source(&clip.path));
    let facts = pipeline::run_audio(plan, 0, &mut open, &mut |chunk| {
        chunks.push(chunk);
        Ok(())
    })
    .unwrap();
    (facts, chunks)
}

fn plan_of(clip: &Clip) -> Plan {
    plan(&clip.probe(), Rational::whole(25), 50, &[])
}

/// The file that a player sees, decoded: planes from the first heard sample on.
fn heard(facts: &AudioFacts, chunks: &[AudioChunk]) -> Vec<Vec<f32>> {
    let config = package::CodecConfig::from_record(
        &facts.config.entry,
        &hex::decode(&facts.config.record).unwrap(),
    );
    let mut file = init_segment(&TrackInit {
        kind: TrackKind::Audio {
            channels: facts.channels,
            sample_rate: facts.sample_rate,
        },
        timescale: facts.sample_rate,
        language: "und".to_owned(),
        config: config.unwrap(),
        edit: Some(u64::from(facts.priming)),
    })
    .unwrap();
    for chunk in chunks.iter().filter(|chunk| chunk.output == facts.id) {
        file.extend(&chunk.bytes);
    }
    let mut demuxer = Demuxer::open(Box::new(MemorySource(file.into()))).unwrap();
    let mut decoder = AudioDecoder::open(&demuxer.streams()[0]).unwrap();
    let mut planes = vec![Vec::new(); facts.channels as usize];
    loop {
        let packet = demuxer.next_packet().unwrap();
        decoder.send(packet.as_ref()).unwrap();
        while let Some(frame) = decoder.receive().unwrap() {
            for (plane, samples) in planes.iter_mut().zip(frame.samples) {
                plane.extend(samples);
            }
        }
        if packet.is_none() {
            // Players that do not trim by the edit list decode the encoder's delay too.
            let extra = planes[0].len() as i64 - facts.samples as i64;
            if extra >= i64::from(facts.priming) {
                planes
                    .iter_mut()
                    .for_each(|plane| drop(plane.drain(..facts.priming as usize)));
            }
            return planes;
        }
    }
}

/// Samples at which something begins after quiet.
fn onsets(plane: &[f32]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    for (at, sample) in plane.iter().enumerate() {
        if sample.abs() > 0.05 && found.last().is_none_or(|last| at > last + 24_000) {
            found.push(at);
        }
    }
    found
}

fn near(found: &[usize], expected: &[usize]) {
    assert_eq!(found.len(), expected.len(), "{found:?} for {expected:?}");
    for (found, expected) in found.iter().zip(expected) {
        // AAC smears a click ahead of itself by less than a short block.
        assert!(found.abs_diff(*expected) <= 130, "{found} for {expected}");
    }
}

#[test]
fn sound_is_in_sync_to_the_sample_whatever_the_container_and_rate() {
    for (name, rate, codec, delay) in [
        ("a.mp4", 48_000, "aac", 0),
        ("a.mkv", 44_100, "flac", 0),
        ("a.wav", 48_000, "pcm_s24le", 0),
        ("a.mkv", 48_000, "libopus", 0),
        // The delay of its encoder, of which nothing in the file tells.
        ("a.ts", 48_000, "mp2", 481),
    ] {
        let clip = clip(name, &format!("{CLICKS}{rate}:d=5 -c:a {codec}"));
        let plan = plan_of(&clip);
        let (facts, chunks) = run(&plan, &clip);
        let planes = heard(&facts[0], &chunks);
        let expected: Vec<usize> = (0..5).map(|second| second * 48_000 + delay).collect();
        near(&onsets(&planes[0]), &expected);
        assert!(
            planes[0].len().abs_diff(facts[0].samples as usize) < 1024,
            "{name}"
        );
    }
}

#[test]
fn the_length_is_exact_and_segments_hold_the_frames_before_their_border() {
    let clip = clip("pcm.wav", &format!("{CLICKS}48000:d=10.01 -c:a pcm_s16le"));
    let plan = plan_of(&clip);
    let (facts, chunks) = run(&plan, &clip);
    let facts = &facts[0];
    assert_eq!(facts.samples, 480_480);
    let total: u64 = facts.segments.iter().map(|segment| segment.duration).sum();
    assert_eq!(total, facts.samples + u64::from(facts.priming));
    assert_eq!(facts.segments.len(), plan.audio_borders.len());
    for (segment, border) in facts.segments.iter().zip(&plan.audio_borders) {
        let start = segment.base_decode_time as f64 - f64::from(facts.priming);
        let end = start + segment.duration as f64;
        let border = border.as_f64() * 48_000.0;
        assert!(
            start < border && end < border + 1024.0 && end >= border - 1.0,
            "{segment:?}"
        );
    }
    let bytes: u64 = chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum();
    assert_eq!(
        bytes,
        facts
            .segments
            .iter()
            .map(|segment| segment.size_bytes)
            .sum::<u64>()
    );
}

#[test]
fn a_late_start_is_silence_and_an_early_one_is_cut() {
    for (offset, expected) in [
        ("0.25", [12_000, 60_000, 108_000]),
        ("-0.75", [12_000, 60_000, 108_000]),
    ] {
        let clip = clip(
            "shifted.mkv",
            &format!(
                "-f lavfi -i testsrc2=size=64x64:rate=25:d=3 -itsoffset {offset} {CLICKS}48000:d=6 \
                 -map 0 -map 1 -c:v libx264 -c:a flac -avoid_negative_ts disabled"
            ),
        );
        let info = clip.probe();
        let rung = support::rendition(
            model::rendition::EncoderFamily::X264,
            64,
            64,
            Rational::whole(25),
        );
        let plan = plan(&info, Rational::whole(25), 50, &[rung]);
        let (facts, chunks) = run(&plan, &clip);
        near(&onsets(&heard(&facts[0], &chunks)[0]), &expected);
        assert_eq!(facts[0].samples, 3 * 48_000, "no longer than the pictures");
    }
}

#[test]
fn a_gap_in_the_source_is_silence_and_nothing_drifts() {
    // Two seconds are taken out without moving what follows.
    let clip = clip(
        "holed.mkv",
        &format!("{CLICKS}48000:d=6 -af aselect='not(between(t,1.9,3.9))' -c:a pcm_s16le"),
    );
    let plan = plan_of(&clip);
    let (facts, chunks) = run(&plan, &clip);
    let found = onsets(&heard(&facts[0], &chunks)[0]);
    near(&found, &[0, 48_000, 4 * 48_000, 5 * 48_000]);
    let gap = facts[0]
        .silences
        .iter()
        .map(|(start, end)| end - start)
        .max();
    assert!(gap > Some(2 * 48_000), "{:?}", facts[0].silences);
}

#[test]
fn loudness_meets_the_target_or_the_peak_limit() {
    let clip = clip(
        "tone.wav",
        "-f lavfi -i sine=f=997:r=48000:d=8 -ac 2 -c:a pcm_s16le",
    );
    let plan = plan_of(&clip);
    let (facts, _) = run(&plan, &clip);
    let loudness = facts[0].output.integrated_centi_lufs.unwrap();
    assert!((loudness + 2300).abs() <= 5, "{:?}", facts[0]);
    assert!(!facts[0].limited);
    let mut loud = plan;
    loud.profile.audio.loudness_centi_lufs = -500;
    loud.profile.audio.true_peak_centi_dbtp = -600;
    let (facts, _) = run(&loud, &clip);
    assert!(facts[0].limited);
    let peak = facts[0].output.true_peak_centi_dbtp.unwrap();
    assert!((-602..=-599).contains(&peak), "{peak}");
}

#[test]
fn surround_gives_stereo_and_both_surround_formats_the_same_each_time() {
    let clip = clip(
        "surround.mkv",
        "-f lavfi -i aevalsrc='0.1*sin(2764*t)|0.1*sin(3000*t)|0.2*sin(4000*t)|0.1*sin(300*t)|0|0':c=5.1:s=48000:d=3.072 \
         -c:a flac",
    );
    let plan = plan_of(&clip);
    let (facts, chunks) = run(&plan, &clip);
    let ids: Vec<&str> = facts.iter().map(|facts| facts.id.as_str()).collect();
    assert_eq!(ids, ["audio-0-aac2", "audio-0-aac6", "audio-0-ac36"]);
    assert_eq!(facts[2].config.codecs, "ac-3");
    assert_eq!(facts[1].source, facts[2].source, "one mix for both");
    let again = run(&plan, &clip);
    assert_eq!((facts.clone(), chunks.clone()), again);
    for facts in &facts {
        let planes = heard(facts, &chunks);
        let power = |plane: &[f32]| plane.iter().map(|s| s * s).sum::<f32>() / plane.len() as f32;
        assert_eq!(planes.len(), facts.channels as usize);
        if facts.channels == 6 {
            assert!(
                power(&planes[2]) > 2.0 * power(&planes[0]),
                "{}: centre",
                facts.id
            );
            assert!(
                power(&planes[4]) < 0.01 * power(&planes[0]),
                "{}: surround",
                facts.id
            );
        }
    }
}

#[test]
fn a_sweep_through_all_segments_has_no_offset_no_gap_and_no_click() {
    let sweep = |at: f64| (std::f64::consts::TAU * (300.0 + 150.0 * at) * at).sin() * 0.25;
    let clip = clip(
        "sweep.wav",
        "-f lavfi -i aevalsrc=0.25*sin(2*PI*(300+150*t)*t):s=48000:d=14 -ac 1 -c:a pcm_s24le",
    );
    let plan = plan_of(&clip);
    let (facts, chunks) = run(&plan, &clip);
    assert!(facts[0].segments.len() >= 3);
    let gain = 10_f64.powf(f64::from(facts[0].gain_centi_db) / 2000.0);
    let plane = &heard(&facts[0], &chunks)[0];
    let error = |start: usize, lag: i64| -> f64 {
        let mut sum = 0.0;
        for (at, sample) in plane.iter().enumerate().skip(start).take(2048) {
            let time = (at as i64 + lag) as f64 / 48_000.0;
            sum += (f64::from(*sample) - gain * sweep(time)).powi(2);
        }
        sum / 2048.0
    };
    let power = (gain * 0.25).powi(2) / 2.0;
    for start in (4096..plane.len() - 4096).step_by(1024) {
        let best = (-20..=20).min_by(|a, b| error(start, *a).total_cmp(&error(start, *b)));
        assert_eq!(best, Some(0), "at sample {start}");
        assert!(error(start, 0) < power / 100.0, "noise at sample {start}");
    }
}
