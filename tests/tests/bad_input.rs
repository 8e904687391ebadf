//! Bad input: each kind ends with a clear message that names the class and the place, a nonzero exit
//! code and nothing published; what is only unusual is published.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tests::{Clip, Magpie, Place, at, require};

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
    ensure!(
        !place.join("out/catalog/it.json").exists(),
        "something was published"
    );
    Ok(message)
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
    ensure!(
        !place.join("out/catalog/it.json").exists(),
        "something was published"
    );
    Ok(())
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
    let picture = "color=size=16384x16:rate=5:duration=1";
    let options = ["-f", "lavfi", "-i", picture, "-c:v", "mpeg4", "-q:v", "5"];
    let wide = ffmpeg_file(
        &place,
        &ffmpeg,
        "wide.mkv",
        &["-f", "lavfi", "-i", picture, "-c:v", "ffv1"],
    )
    .or_else(|_| ffmpeg_file(&place, &ffmpeg, "wide.avi", &options))?;
    let (code, result, stderr) = run(&place, &wide)?;
    ensure!(code == Some(1), "ended with {code:?}: {stderr} {result}");
    let message = at(&result, "/failure/message")?
        .as_str()
        .unwrap_or_default();
    assert!(message.contains("16384"), "{message}");
    Ok(())
}

#[test]
fn what_is_only_unusual_is_published() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let tiny = "color=size=2x2:rate=25:duration=1,format=yuv420p";
    let sine = "sine=frequency=440:sample_rate=44100:duration=3";
    let one = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x180:rate=25",
        "-frames:v",
        "1",
        "-c:v",
        "libx264",
    ];
    let small = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=256x144:rate=25:duration=2",
        "-c:v",
        "libx264",
    ];
    let cases: [(&str, &[&str]); 4] = [
        (
            "sound-only.m4a",
            &["-f", "lavfi", "-i", sine, "-c:a", "aac"],
        ),
        ("one-frame.mp4", &one),
        ("144p.mp4", &small),
        ("tiny.mkv", &["-f", "lavfi", "-i", tiny, "-c:v", "ffv1"]),
    ];
    for (name, options) in cases {
        let place = Place::new()?;
        let file = ffmpeg_file(&place, &ffmpeg, name, options)?;
        let (code, result, stderr) = run(&place, &file)?;
        ensure!(
            code == Some(0),
            "{name} ended with {code:?}: {stderr} {result}"
        );
        let skipped = at(&result, "/verdict/not_applicable")?
            .as_array()
            .map_or(0, Vec::len);
        ensure!(
            skipped > 0 || name == "144p.mp4",
            "{name}: nothing was not applicable: {result}"
        );
    }
    Ok(())
}
