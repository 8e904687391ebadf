//! Bad input: each kind ends with a clear message that names the class and the place, a nonzero exit
//! code and nothing published; what is only unusual is published.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Clip, Magpie, Place, at, require, without_video_samples};

const BOUND: Duration = Duration::from_secs(300);

/// Runs a file; answers with the exit code and the result.
fn run(place: &Place, file: &Path) -> Result<(Option<i32>, serde_json::Value, String)> {
    let out = place.join("out");
    let (file, folder) = (file.to_string_lossy(), out.to_string_lossy());
    let arguments = [
        "run",
        &*file,
        "--title",
        "it",
        "--profile",
        "preview",
        "--out",
        &folder,
        "--json",
    ];
    let finished = Magpie::new(arguments)?.finish(BOUND)?;
    let json = finished.json().unwrap_or_default();
    Ok((finished.code, json, finished.stderr))
}

fn refused(name: &str, content: &[u8], kind: &str) -> Result<String> {
    let place = Place::new()?;
    let file = place.join(name);
    std::fs::write(&file, content)?;
    refused_file(&place, &file, kind)
}

fn refused_file(place: &Place, file: &Path, kind: &str) -> Result<String> {
    let (code, result, stderr) = run(place, file)?;
    ensure!(
        code == Some(1),
        "{} ended with {code:?}: {stderr} {result}",
        file.display()
    );
    ensure!(at(&result, "/failure/kind")? == kind, "{result}");
    let message = at(&result, "/failure/message")?
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let stage = at(&result, "/failure/place")?.as_str().unwrap_or_default();
    ensure!(!message.is_empty() && stage.contains("probe"), "{result}");
    ensure_nothing_is_published(place)?;
    Ok(message)
}

fn ensure_nothing_is_published(place: &Place) -> Result<()> {
    for made in ["catalog", "titles"] {
        ensure!(!place.join("out").join(made).exists(), "there is {made}/");
    }
    Ok(())
}

fn ffmpeg_file(place: &Place, ffmpeg: &Path, name: &str, options: &[&str]) -> Result<PathBuf> {
    let path = place.join(name);
    let made = std::process::Command::new(ffmpeg)
        .args(["-nostdin", "-v", "error", "-y"])
        .args(options)
        .arg(&path)
        .output()
        .context("start ffmpeg")?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    Ok(path)
}

#[test]
fn files_that_are_no_media_are_bad_input() -> Result<()> {
    refused("empty.mp4", b"", "bad_input")?;
    refused(
        "text.mp4",
        b"Dear editor, please find the film attached.\n",
        "bad_input",
    )?;
    refused("zero.mp4", &vec![0; 300_000], "bad_input")?;
    Ok(())
}

#[test]
fn a_cut_off_film_is_bad_input_and_says_where() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let whole = std::fs::read(Clip::seconds(4).size(320, 180).make(&ffmpeg)?)?;
    // The index is at the end of the file, so cutting there loses it.
    let lost_index = refused("lost-index.mp4", &whole[..whole.len() / 2], "bad_input")?;
    assert!(lost_index.contains("moov"), "{lost_index}");

    let clip = Clip::seconds(4)
        .size(320, 180)
        .options(&["-movflags", "+faststart"]);
    let whole = std::fs::read(clip.make(&ffmpeg)?)?;
    let place = Place::new()?;
    let file = place.join("cut.mp4");
    std::fs::write(&file, &whole[..whole.len() / 2])?;
    let (code, result, stderr) = run(&place, &file)?;
    ensure!(code == Some(1), "ended with {code:?}: {stderr} {result}");
    ensure!(at(&result, "/failure/kind")? == "bad_input", "{result}");
    let (message, stage) = (
        at(&result, "/failure/message")?,
        at(&result, "/failure/place")?,
    );
    ensure!(!message.as_str().unwrap_or_default().is_empty(), "{result}");
    ensure!(!stage.as_str().unwrap_or_default().is_empty(), "{result}");
    ensure_nothing_is_published(&place)
}

#[test]
fn a_missing_file_is_a_usage_error() -> Result<()> {
    let place = Place::new()?;
    let (code, _, stderr) = run(&place, &place.join("none.mp4"))?;
    ensure!(code == Some(2), "{stderr}");
    ensure!(
        stderr.contains("none.mp4") && stderr.contains("hint:"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn pictures_beyond_the_bounds_are_refused_by_size() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let options = ["-f", "lavfi", "-i", "color=size=16384x16:rate=5:duration=1"];
    let wide = ffmpeg_file(
        &place,
        &ffmpeg,
        "wide.mkv",
        &[&options[..], &["-c:v", "ffv1"]].concat(),
    )?;
    let message = refused_file(&place, &wide, "unsupported")?;
    assert!(message.contains("16384x16"), "{message}");
    Ok(())
}

#[test]
fn a_video_track_without_a_frame_is_bad_input_with_and_without_sound() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let clip = Clip::seconds(2).size(320, 180);
    for clip in [clip.clone(), clip.silent()] {
        let empty = without_video_samples(&std::fs::read(clip.make(&ffmpeg)?)?)?;
        let message = refused("no-frame.mp4", &empty, "bad_input")?;
        assert!(message.contains("without frames"), "{message}");
    }
    Ok(())
}

/// What is planned for a file that is only unusual.
struct Unusual {
    name: &'static str,
    options: &'static [&'static str],
    frames: u64,
    /// Width and height of the only rendition; none for sound alone.
    size: Option<(u64, u64)>,
    sound_tracks: usize,
}

const SINE: &str = "sine=frequency=440:sample_rate=44100:duration=3";

const UNUSUAL: [Unusual; 6] = [
    Unusual {
        name: "sound-only.m4a",
        options: &["-f", "lavfi", "-i", SINE, "-c:a", "aac"],
        frames: 0,
        size: None,
        sound_tracks: 1,
    },
    Unusual {
        name: "video-only.mp4",
        options: &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x180:rate=25:duration=2",
        ],
        frames: 50,
        size: Some((320, 180)),
        sound_tracks: 0,
    },
    Unusual {
        name: "one-frame.mp4",
        options: &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x180:rate=25",
            "-frames:v",
            "1",
        ],
        frames: 1,
        size: Some((320, 180)),
        sound_tracks: 0,
    },
    Unusual {
        name: "144p.mp4",
        options: &[
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=256x144:rate=25:duration=2",
        ],
        frames: 50,
        size: Some((256, 144)),
        sound_tracks: 0,
    },
    // Encoders start at 16x16.
    Unusual {
        name: "2x2.mkv",
        options: &[
            "-f",
            "lavfi",
            "-i",
            "color=gray:size=2x2:rate=25:duration=1",
            "-c:v",
            "ffv1",
        ],
        frames: 25,
        size: Some((16, 16)),
        sound_tracks: 0,
    },
    Unusual {
        name: "1x1.mkv",
        options: &[
            "-f",
            "lavfi",
            "-i",
            "color=gray:size=2x2:rate=25:duration=1,scale=1:1,format=gray",
            "-c:v",
            "ffv1",
        ],
        frames: 25,
        size: Some((16, 16)),
        sound_tracks: 0,
    },
];

#[test]
fn what_is_only_unusual_is_published() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    for case in UNUSUAL {
        let place = Place::new()?;
        let file = ffmpeg_file(&place, &ffmpeg, case.name, case.options)?;
        check_unusual(&place, &file, &case).context(case.name)?;
    }
    Ok(())
}

fn check_unusual(place: &Place, file: &Path, case: &Unusual) -> Result<()> {
    let (code, result, stderr) = run(place, file)?;
    ensure!(code == Some(0), "ended with {code:?}: {stderr} {result}");
    ensure!(
        place.join("out/catalog/it.json").exists(),
        "it is not in the catalog"
    );
    ensure!(at(&result, "/plan/frames")? == case.frames, "{result}");
    let list = |pointer| Ok::<_, anyhow::Error>(at(&result, pointer)?.as_array().cloned());
    let renditions = list("/plan/renditions")?.unwrap_or_default();
    let sizes: Vec<_> = renditions
        .iter()
        .map(|one| (one["width"].as_u64(), one["height"].as_u64()))
        .collect();
    let planned = case.size.map(|(width, height)| (Some(width), Some(height)));
    ensure!(sizes == Vec::from_iter(planned), "{sizes:?}");
    let sound = list("/plan/audio")?.unwrap_or_default();
    ensure!(sound.len() == case.sound_tracks, "{sound:?}");
    // Rules without a track say so, and never pass in silence.
    let not_applicable = list("/verdict/not_applicable")?.unwrap_or_default();
    let missing = match (case.size, case.sound_tracks) {
        (None, _) => "no video track",
        (_, 0) => "no audio track",
        _ => return Ok(()),
    };
    ensure!(
        not_applicable
            .iter()
            .any(|why| why.as_str().is_some_and(|why| why.contains(missing))),
        "{not_applicable:?}"
    );
    Ok(())
}
