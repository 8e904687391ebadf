//! What the probe says of sources, good and bad.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use libav::MemorySource;
use model::source::Orientation;
use model::{FailureKind, Rational};
use support::clip;

const PICTURES: &str = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=2";
const SOUND: &str = "-f lavfi -i sine=d=2:r=48000";

#[test]
fn every_frame_is_listed_with_its_time() {
    for (name, codec) in [
        ("a.mp4", "libx264 -bf 3 -g 10"),
        ("a.mkv", "libx265 -x265-params log-level=error:keyint=10"),
        ("a.ts", "mpeg2video -b:v 4M -bf 2 -g 10"),
        ("a.webm", "libvpx-vp9 -g 10 -deadline realtime -cpu-used 8"),
        ("b.webm", "libvpx -auto-alt-ref 1 -lag-in-frames 16 -g 20"),
        ("a.avi", "msmpeg4v2 -b:v 4M -g 10"),
        ("b.avi", "mpeg4 -b:v 4M -bf 2 -g 10"),
        ("a.mov", "prores_ks"),
        ("a.mkv", "ffv1"),
    ] {
        let clip = clip(
            name,
            &format!("{PICTURES} -c:v {codec} -pix_fmt {}", pixels(codec)),
        );
        let info = pipeline::probe(clip.source());
        let track = info
            .unwrap_or_else(|error| panic!("{name} {codec}: {error}"))
            .video
            .unwrap();
        assert_eq!(track.frames.len(), 50, "{name} {codec}");
        assert_eq!((track.width, track.height), (128, 72));
        let times: Vec<i64> = track.frames.pts().collect();
        assert!(
            times.windows(2).all(|pair| pair[0] < pair[1]),
            "{name} {codec}: {times:?}"
        );
        let length = (track.frames.end_pts - times[0]) as f64 * track.time_base.as_f64();
        assert!((length - 2.0).abs() < 0.002, "{name} {codec}: {length}");
    }
}

fn pixels(codec: &str) -> &str {
    if codec.starts_with("prores") {
        "yuv422p10le"
    } else {
        "yuv420p"
    }
}

#[test]
fn the_frames_of_every_kind_of_container_decode_as_listed() {
    for (name, codec) in [
        ("b.avi", "mpeg4 -b:v 4M -bf 2 -g 10"),
        ("b.webm", "libvpx -auto-alt-ref 1 -lag-in-frames 16 -g 20"),
        ("a.mov", "prores_ks"),
        ("a.ts", "mpeg2video -b:v 4M -bf 2 -g 10"),
    ] {
        let clip = clip(
            name,
            &format!("{PICTURES} -c:v {codec} -pix_fmt {}", pixels(codec)),
        );
        let rate = Rational::whole(25);
        let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
        let plan = support::plan(&clip.probe(), rate, 13, &[rung]);
        let whole = support::chunk(&plan, "main", &clip.path, &[0, 1, 2, 3]).unwrap();
        let last = support::chunk(&plan, "main", &clip.path, &[3]).unwrap();
        let whole = support::products(&whole);
        for product in support::products(&last) {
            assert!(whole.contains(&product), "{name} {codec}");
        }
    }
}

#[test]
fn an_edit_list_hides_frames_and_moves_the_start() {
    let whole = clip(
        "whole.mp4",
        &format!("{PICTURES} {SOUND} -c:v libx264 -g 50 -bf 2 -c:a aac"),
    );
    let cut = whole.beside("cut.mp4");
    // Cut without encoding: the key frame at 0 stays, and an edit list hides what comes before 0.6 s.
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-ss", "0.6", "-i"])
        .arg(&whole.path)
        .args(["-c", "copy"])
        .arg(&cut)
        .status()
        .unwrap();
    assert!(status.success());
    let info = pipeline::probe(support::source(&cut)).unwrap();
    let track = info.video.as_ref().unwrap();
    assert_eq!(track.frames.len(), 35);
    assert_eq!(track.frames.access_points[0].frame, 0);
    let rate = Rational::whole(25);
    let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
    let plan = support::plan(&info, rate, 20, &[rung]);
    support::chunk(&plan, "main", &cut, &[0, 1]).unwrap();
}

#[test]
fn rotation_aspect_language_and_colour_are_read() {
    let clip = clip(
        "phone.mp4",
        &format!(
            "{PICTURES} {SOUND} -c:v libx264 -vf setsar=4/3 -color_primaries bt709 -color_trc bt709 \
             -colorspace bt709 -c:a aac -metadata:s:a:0 language=ger"
        ),
    );
    let turned = clip.beside("turned.mp4");
    let status = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(&clip.path)
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"])
        .arg(&turned)
        .status()
        .unwrap();
    assert!(status.success());
    let info = pipeline::probe(support::source(&turned)).unwrap();
    let track = info.video.unwrap();
    assert_eq!(track.sample_aspect, Rational::new(4, 3).unwrap());
    assert_eq!(track.color, model::source::Color::BT709);
    assert_ne!(track.orientation, Orientation::default());
    assert_eq!(track.display_size(), (72, 171));
    assert_eq!(info.audio[0].language, "de");
}

#[test]
fn what_is_no_media_or_no_whole_media_is_bad_input() {
    let whole = clip("whole.mp4", &format!("{PICTURES} -c:v libx264"));
    let bytes = std::fs::read(&whole.path).unwrap();
    let half = &bytes[..bytes.len() / 2];
    let zeros = vec![0; 4096];
    for part in [&[][..], &b"no media at all"[..], half, &zeros] {
        let error = pipeline::probe(Box::new(MemorySource(part.into()))).unwrap_err();
        assert_eq!(error.kind(), FailureKind::BadInput, "{error}");
        assert_eq!(error.stage(), "probe");
    }
}

#[test]
fn a_frame_that_does_not_decode_is_named() {
    let clip = clip("good.ts", &format!("{PICTURES} -c:v libx264 -g 50 -bf 0"));
    let mut bytes = std::fs::read(&clip.path).unwrap();
    let info = clip.probe();
    // Nothing but null packets in the last third: frames are missing there.
    let start = bytes.len() * 2 / 3 / 188 * 188;
    for packet in bytes[start..].chunks_mut(188) {
        packet[1] = 0x1f;
        packet[2] = 0xff;
    }
    let broken = clip.beside("broken.ts");
    std::fs::write(&broken, bytes).unwrap();
    let rate = Rational::whole(25);
    let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
    let plan = support::plan(&info, rate, 50, &[rung]);
    let error = support::chunk(&plan, "main", &broken, &[0]).unwrap_err();
    assert_eq!(error.kind(), FailureKind::BadInput);
    assert!(
        matches!(error.place(), pipeline::Place::SourceFrame(20..50)),
        "{error}"
    );
}

#[test]
fn a_wrong_access_point_is_stepped_over() {
    let clip = clip("flags.mp4", &format!("{PICTURES} -c:v libx264 -g 10 -bf 2"));
    let info = clip.probe();
    let rate = Rational::whole(25);
    let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
    let plan = support::plan(&info, rate, 25, &[rung]);
    let good = support::chunk(&plan, "main", &clip.path, &[1]).unwrap();
    let mut lying = plan;
    let video = lying.video.as_mut().unwrap();
    // The point before the second segment claims to be where the next one is.
    let later = video.track.frames.access_points[3].dts;
    video.track.frames.access_points[2].dts = later;
    let stepped = support::chunk(&lying, "main", &clip.path, &[1]).unwrap();
    assert_eq!(support::products(&good), support::products(&stepped));
}

#[test]
fn text_is_moved_to_the_titles_clock() {
    let folder = tempfile::tempdir().unwrap();
    let srt = folder.path().join("a.srt");
    std::fs::write(&srt, "1\n00:00:00,200 --> 00:00:00,900\nfirst & last\n\n2\n00:00:01,500 --> 00:00:09,000\n<i>second</i>\n").unwrap();
    let clip = clip(
        "text.mkv",
        &format!(
            "{PICTURES} -i {} -c:v libx264 -c:s srt -metadata:s:s:0 language=fre",
            srt.display()
        ),
    );
    let info = clip.probe();
    assert_eq!(info.text[0].language, "fr");
    let rate = Rational::whole(25);
    let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
    let mut plan = support::plan(&info, rate, 50, &[rung]);
    plan.text[0].zero = Rational::new(1, 2).unwrap();
    let input = pipeline::TextInput::Source(clip.source());
    let (facts, file) = pipeline::run_text(&plan, 0, input).unwrap();
    let file = String::from_utf8(file).unwrap();
    assert_eq!(facts.cues, 2);
    assert!(
        file.contains("00:00:00.000 --> 00:00:00.400\nfirst &amp; last"),
        "{file}"
    );
    assert!(
        file.contains("00:00:01.000 --> 00:00:02.000\n<i>second</i>"),
        "{file}"
    );
}

#[test]
fn images_are_made_of_the_tiles_and_one_frame() {
    let clip = clip(
        "images.mp4",
        "-f lavfi -i testsrc2=size=128x72:rate=5:duration=9 -c:v libx264 -pix_fmt yuv420p",
    );
    let rate = Rational::whole(5);
    let rung = support::rendition(model::rendition::EncoderFamily::X264, 128, 72, rate);
    let mut plan = support::plan(&clip.probe(), rate, 20, &[rung]);
    plan.tile_frames = 5;
    (plan.profile.images.columns, plan.profile.images.rows) = (3, 2);
    let outputs = support::chunk(&plan, "main", &clip.path, &[0, 1, 2]).unwrap();
    let (mut pictures, mut tiles) = (Vec::new(), Vec::new());
    for output in outputs {
        if let pipeline::Output::Pictures {
            facts,
            tiles: bytes,
            ..
        } = output
        {
            pictures.push(facts);
            tiles.push(bytes);
        }
    }
    let run = |tiles: &[Vec<u8>]| pipeline::run_images(&plan, &pictures, tiles, clip.source());
    let (facts, files) = run(&tiles).unwrap();
    assert_eq!((facts.tiles, facts.sheets.len(), files.len()), (9, 2, 3));
    let sizes: Vec<_> = facts
        .sheets
        .iter()
        .map(|sheet| (sheet.width, sheet.height))
        .collect();
    assert_eq!(sizes, [(384, 144), (384, 144)]);
    assert_eq!(
        facts.poster.as_ref().map(|p| (p.width, p.height)),
        Some((128, 72))
    );
    assert!(
        files
            .iter()
            .all(|file| file.bytes.starts_with(&[0xff, 0xd8, 0xff]))
    );
    assert_eq!(
        run(&tiles[..2]).unwrap_err().kind(),
        FailureKind::Bug,
        "a tile is missing"
    );
}

#[test]
fn broken_bytes_end_in_an_error_or_in_pictures_and_never_in_a_panic() {
    let sound = "-c:a aac -map 0 -map 1";
    for (name, codec) in [
        ("a.mp4", "libx264 -bf 2 -g 10"),
        ("a.ts", "mpeg2video -b:v 4M -bf 2 -g 10"),
        ("a.mkv", "libvpx-vp9 -g 10 -deadline realtime -cpu-used 8"),
    ] {
        let clip = clip(
            name,
            &format!("{PICTURES} {SOUND} {sound} -c:v {codec} -pix_fmt yuv420p"),
        );
        let rate = Rational::whole(25);
        let rung = support::rendition(model::rendition::EncoderFamily::X264, 64, 36, rate);
        let plan = support::plan(&clip.probe(), rate, 25, &[rung]);
        let bytes = std::fs::read(&clip.path).unwrap();
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        let mut refused = 0;
        for round in 0..12 {
            let mut broken = bytes.clone();
            for _ in 0..1 << (round % 6) {
                let at = random(broken.len());
                broken[at] = random(256) as u8;
            }
            if round % 4 == 3 {
                broken.truncate(random(bytes.len()));
            }
            let source = || Box::new(MemorySource(broken.clone().into()));
            let probed = pipeline::probe(source());
            let mut left = [0, 1].into_iter();
            let made = pipeline::run_chunk(
                &plan,
                "main",
                source(),
                &mut || left.next().into(),
                &mut |_| Ok(()),
            );
            let mut open = || Ok(source() as Box<dyn libav::ByteSource>);
            let heard = pipeline::run_audio(&plan, 0, &mut open, &mut |_| Ok(()));
            let errors = [probed.err(), made.err(), heard.err()];
            for error in errors.iter().flatten() {
                refused += 1;
                let kind = error.kind();
                let is_theirs = matches!(kind, FailureKind::BadInput | FailureKind::Unsupported);
                assert!(is_theirs, "{name} round {round}: {kind}: {error}");
            }
        }
        assert!(refused > 0, "{name}: nothing was broken");
    }
}
