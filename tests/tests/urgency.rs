//! What a person sets while a farm works: an urgent title overtakes a long one at its next segment, and a
//! paused one rests until it is let go on.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use tests::{Clip, Farm, Place, at, lines_of_json, require, wait_until};

const BOUND: Duration = Duration::from_secs(300);

fn call(farm: &Farm, arguments: &[&str]) -> Result<Vec<Value>> {
    let finished = farm
        .call(&[arguments, &["--json"]].concat())?
        .finish(BOUND)?;
    ensure!(finished.code == Some(0), "{arguments:?}: {finished:?}");
    lines_of_json(&finished.stdout)
}

/// The job as the list has it.
fn job(farm: &Farm, id: &str) -> Result<Value> {
    let jobs = call(farm, &["jobs"])?;
    let found = jobs.into_iter().find(|job| job["id"] == id);
    found.with_context(|| format!("{id} is not listed"))
}

fn done(farm: &Farm, id: &str) -> Result<u64> {
    Ok(at(&job(farm, id)?, "/units_done")?.as_u64().unwrap_or(0))
}

/// A farm of one slot that has begun on a title of many short segments.
fn busy(place: &Place) -> Result<Option<(Farm, String)>> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(None);
    };
    let mut farm = Farm::start(place)?;
    farm.add_node(&["--slots", "1"])?;
    let profile = include_str!("../../config/profiles/web.toml")
        .replace("segment_seconds = 6.0", "segment_seconds = 1.0")
        .replace("keyframe_seconds = 2.0", "keyframe_seconds = 1.0")
        .replace("x264 = \"medium\"", "x264 = \"veryslow\"");
    let profiles = place.join("slow.toml");
    std::fs::write(&profiles, profile)?;
    let source = farm.source(&Clip::seconds(40).size(640, 360).make(&ffmpeg)?)?;
    let (source, profile) = (source.to_string_lossy(), profiles.to_string_lossy());
    let submit = [
        "submit",
        &*source,
        "--title",
        "long",
        "--profile",
        &*profile,
    ];
    let long = call(&farm, &submit)?;
    let long = at(&long[0], "/id")?.as_str().unwrap_or_default().to_owned();
    // The probe and some segments.
    let has_begun = || Ok((done(&farm, &long)? >= 4).then_some(()));
    wait_until("the first segments", BOUND, has_begun)?;
    Ok(Some((farm, long)))
}

#[test]
fn an_urgent_title_is_published_while_a_long_one_waits() -> Result<()> {
    let place = Place::new()?;
    let Some((farm, long)) = busy(&place)? else {
        return Ok(());
    };
    let ffmpeg = require("ffmpeg").context("it was there before")?;
    let source = farm.source(&Clip::seconds(2).make(&ffmpeg)?)?;
    let source = source.to_string_lossy();
    let submit = [
        "submit",
        &*source,
        "--title",
        "urgent",
        "--profile",
        "preview",
    ];
    let urgent = call(
        &farm,
        &[&submit[..], &["--priority", "90", "--wait"]].concat(),
    )?;
    assert_eq!(at(&urgent[0], "/phase")?, "published");
    let waiting = job(&farm, &long)?;
    assert_eq!(at(&waiting, "/phase")?, "processing", "it was overtaken");
    let watched = call(&farm, &["watch", &long])?;
    assert_eq!(at(&watched[0], "/phase")?, "published");
    let ended = job(&farm, &long)?;
    assert_eq!(at(&ended, "/units_done")?, at(&ended, "/units")?);
    Ok(())
}

#[test]
fn a_paused_title_rests_and_goes_on_where_it_was() -> Result<()> {
    let place = Place::new()?;
    let Some((farm, long)) = busy(&place)? else {
        return Ok(());
    };
    let paused = call(&farm, &["pause", &long])?;
    assert_eq!(at(&paused[0], "/paused")?, true);
    let holds = || -> Result<bool> {
        let nodes = call(&farm, &["nodes"])?;
        Ok(at(&nodes[0], "/holds")?
            .as_array()
            .is_some_and(|held| !held.is_empty()))
    };
    wait_until("the last segments", BOUND, || Ok((!holds()?).then_some(())))?;
    let rested = done(&farm, &long)?;
    let whole = at(&job(&farm, &long)?, "/units")?.as_u64();
    ensure!(Some(rested) < whole, "it was done before it could rest");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!((done(&farm, &long)?, holds()?), (rested, false));
    let resumed = call(&farm, &["resume", &long])?;
    assert_eq!(at(&resumed[0], "/paused")?, false);
    let watched = call(&farm, &["watch", &long])?;
    assert_eq!(at(&watched[0], "/phase")?, "published");
    Ok(())
}
