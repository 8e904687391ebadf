//! `magpie run`, as a person uses it: a title with sound and subtitles, an interruption, a flagged
//! title, and the same command again.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};
use tests::{Clip, Finished, Magpie, Place, at, read_json, require, wait_until};

const BOUND: Duration = Duration::from_secs(300);

const SUBTITLES: &str = "1\n00:00:00,500 --> 00:00:02,000\nGood evening.\n\n2\n00:00:05,000 --> 00:00:06,000\n<i>Who is there?</i>\n";

fn run(place: &Place, clip: &Path, options: &[&str]) -> Result<Finished> {
    start(place, clip, options)?.finish(BOUND)
}

fn start(place: &Place, clip: &Path, options: &[&str]) -> Result<Magpie> {
    let (clip, out) = (clip.to_string_lossy(), place.join("out"));
    let out = out.to_string_lossy();
    let mut arguments = vec!["run", &*clip, "--title", "it", "--out", &out, "--json"];
    arguments.extend(options);
    Magpie::new(arguments)
}

/// Frames of a rendition as an independent reader counts them.
fn frames(ffprobe: &Path, folder: &Path) -> Result<u64> {
    let mut bytes = std::fs::read(folder.join("init.mp4"))?;
    for number in 1.. {
        match std::fs::read(folder.join(format!("{number:05}.m4s"))) {
            Ok(segment) => bytes.extend(segment),
            Err(_) => break,
        }
    }
    let joined = tempfile::NamedTempFile::new()?;
    std::fs::write(joined.path(), bytes)?;
    let output = Command::new(ffprobe)
        .args([
            "-v",
            "error",
            "-count_frames",
            "-show_entries",
            "stream=nb_read_frames",
        ])
        .args(["-of", "csv=p=0"])
        .arg(joined.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.trim()
        .trim_end_matches(',')
        .parse()
        .with_context(|| format!("ffprobe said {text:?}"))
}

#[test]
fn every_frame_and_cue_of_a_title_is_published() -> Result<()> {
    let (Some(ffmpeg), Some(ffprobe)) = (require("ffmpeg"), require("ffprobe")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(9).frame_rate("30000/1001").make(&ffmpeg)?;
    let subtitles = place.join("lines.srt");
    std::fs::write(&subtitles, SUBTITLES)?;
    let sidecar = format!("{}:en", subtitles.display());
    let finished = run(&place, &clip, &["--subtitles", &sidecar])?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let result = finished.json()?;
    let planned = at(&result, "/plan/frames")?.as_u64().unwrap_or(0);
    ensure!(planned == 270, "{planned} frames are planned");

    let version = place.join("out/titles/it/v1");
    let renditions = at(&result, "/plan/renditions")?
        .as_array()
        .cloned()
        .unwrap_or_default();
    ensure!(renditions.len() == 2, "{renditions:?}");
    for rendition in &renditions {
        let id = at(rendition, "/id")?.as_str().unwrap_or_default();
        assert_eq!(
            frames(&ffprobe, &version.join("video").join(id))?,
            planned,
            "{id}"
        );
    }
    let text = std::fs::read_to_string(version.join("text/text-0/text.vtt"))?;
    assert!(
        text.contains("Good evening.") && text.contains("Who is there?"),
        "{text}"
    );
    let playlist = std::fs::read_to_string(version.join("index.m3u8"))?;
    assert!(
        playlist.contains("TYPE=SUBTITLES") && playlist.contains("LANGUAGE=\"en\""),
        "{playlist}"
    );
    let thumbnails = std::fs::read_to_string(version.join("images/thumbnails.vtt"))?;
    assert!(thumbnails.contains("#xywh=0,0,128,72"), "{thumbnails}");
    Ok(())
}

#[test]
fn a_run_does_not_tell_of_waiting_for_its_own_node() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(1).make(&ffmpeg)?;
    let (clip, out) = (clip.to_string_lossy(), place.join("out"));
    let finished = Magpie::new(["run", &clip, "--out", &out.to_string_lossy()])?.finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let said = &finished.stderr;
    assert!(said.contains(" published\n"), "{said}");
    assert!(!said.contains("none is connected"), "{said}");
    Ok(())
}

#[test]
fn the_same_command_finds_what_is_published() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(3).make(&ffmpeg)?;
    let first = run(&place, &clip, &[])?;
    ensure!(first.code == Some(0), "{first:?}");
    let second = run(&place, &clip, &[])?;
    ensure!(second.code == Some(0), "{second:?}");
    assert_eq!(at(&first.json()?, "/job")?, at(&second.json()?, "/job")?);
    let again = run(&place, &clip, &["--again"])?;
    ensure!(again.code == Some(0), "{again:?}");
    let catalog = read_json(&place.join("out/catalog/it.json"))?;
    assert_eq!(at(&catalog, "/version")?, 2);
    assert_eq!(at(&catalog, "/history")?, &serde_json::json!([1]));
    Ok(())
}

/// Finished segments with the time at which each was written.
fn segments(place: &Place) -> Result<BTreeMap<PathBuf, SystemTime>> {
    let mut found = BTreeMap::new();
    let Ok(keys) = std::fs::read_dir(place.join("out/segments")) else {
        return Ok(found);
    };
    for key in keys {
        let path = key?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let written = path.metadata()?.modified()?;
            found.insert(path, written);
        }
    }
    Ok(found)
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(40).make(&ffmpeg)?;
    let mut process = start(&place, &clip, &["--slots", "1"])?.start()?;
    wait_until("some segments", BOUND, || {
        Ok((segments(&place)?.len() >= 6).then_some(()))
    })?;
    process.terminate()?;
    let status = process.wait(BOUND)?;
    ensure!(status.code() == Some(1), "{status}: {}", process.stderr());
    ensure!(
        process.stderr().contains("run the same command again"),
        "{}",
        process.stderr()
    );
    ensure!(
        !place.join("out/catalog/it.json").exists(),
        "an interrupted title was published"
    );

    let before = segments(&place)?;
    let finished = run(&place, &clip, &["--slots", "2"])?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let after = segments(&place)?;
    for (path, written) in &before {
        assert_eq!(
            after.get(path),
            Some(written),
            "{} was made again",
            path.display()
        );
    }
    ensure!(after.len() > before.len(), "nothing was left to do");
    Ok(())
}

#[test]
fn a_run_that_another_build_had_begun_starts_anew() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = Clip::seconds(20).size(640, 360).make(&ffmpeg)?;
    let mut process = start(&place, &clip, &["--slots", "1"])?.start()?;
    let begun = wait_until("a plan", BOUND, || {
        let jobs = std::fs::read_dir(place.join("out/jobs"));
        let mut folders = jobs.into_iter().flatten().flatten();
        Ok(folders.find(|job| job.path().join("plan.json").exists()))
    })?;
    process.terminate()?;
    process.wait(BOUND)?;
    ensure!(
        !place.join("out/catalog/it.json").exists(),
        "it was published before it could be interrupted"
    );
    let path = begun.path().join("plan.json");
    let mut plan = read_json(&path)?;
    plan["builds"]["x264"] = Value::from("of last year");
    std::fs::write(&path, plan.to_string())?;

    let finished = run(&place, &clip, &["--slots", "2"])?;
    ensure!(finished.code == Some(0), "{finished:?}");
    let entry = read_json(&place.join("out/catalog/it.json"))?;
    let first = begun.file_name();
    ensure!(entry["job"].as_str() != first.to_str(), "{entry}");
    Ok(())
}

#[test]
fn a_short_title_of_nothing_waits_for_a_person() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = place.join("nothing.mp4");
    let made = Command::new(&ffmpeg)
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .args(["color=black:size=320x180:rate=25", "-f", "lavfi", "-i"])
        .args(["anullsrc=sample_rate=48000", "-t", "2", "-c:v", "libx264"])
        .args(["-c:a", "aac"])
        .arg(&clip)
        .status()?;
    ensure!(made.success(), "ffmpeg made no clip");
    let flagged = run(&place, &clip, &[])?;
    ensure!(flagged.code == Some(3), "{flagged:?}");
    let findings = at(&flagged.json()?, "/verdict/findings")?.clone();
    for (check, words) in [
        ("black", "throughout the title"),
        ("silence", "throughout the track"),
    ] {
        let is_it = |finding: &&Value| finding["check"] == check && finding["action"] == "flag";
        let found = findings.as_array().into_iter().flatten().find(is_it);
        let message = &found.with_context(|| format!("no {check}: {findings}"))?["message"];
        let message = message.as_str().unwrap_or_default();
        ensure!(message.contains(words), "{message}");
    }
    ensure!(
        !place.join("out/titles").exists() && !place.join("out/catalog").exists(),
        "a flagged title was published"
    );
    Ok(())
}

#[test]
fn a_black_title_waits_for_a_person() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let clip = place.join("black.mp4");
    let made = Command::new(&ffmpeg)
        .args([
            "-nostdin",
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "color=black:size=320x180:rate=25",
        ])
        .args(["-t", "12", "-c:v", "libx264"])
        .arg(&clip)
        .status()?;
    ensure!(made.success(), "ffmpeg made no clip");
    let flagged = run(&place, &clip, &[])?;
    ensure!(flagged.code == Some(3), "{flagged:?}");
    let findings = at(&flagged.json()?, "/verdict/findings")?.clone();
    let checks: Vec<&Value> = findings
        .as_array()
        .into_iter()
        .flatten()
        .map(|f| &f["check"])
        .collect();
    ensure!(checks.contains(&&Value::from("black")), "{findings}");
    ensure!(
        !place.join("out/catalog/it.json").exists(),
        "a flagged title was published"
    );
    let approved = run(&place, &clip, &["--review", "approve"])?;
    ensure!(approved.code == Some(0), "{approved:?}");
    ensure!(
        place.join("out/catalog/it.json").exists(),
        "an approved title was not published"
    );
    Ok(())
}
