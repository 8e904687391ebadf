//! A title of many short segments, and what a calm run makes of it: what a farm that was disturbed must
//! make of it too.

use crate::{Clip, Farm, Magpie, Place, at, hashes, lines_of_json, wait_until};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Debug builds on two busy cores encode a few frames a second.
const BOUND: Duration = Duration::from_secs(600);

/// Segments of one second make many units of a short clip, so that there is something to lose.
const PROFILE: &str = "\
name = \"many-segments\"
base = \"web\"
segment_seconds = 1.0
keyframe_seconds = 1.0
[video]
rungs = [
    { short_edge = 144, crf_centi = 2600, maxrate_bps = 300_000 },
    { short_edge = 240, crf_centi = 2600, maxrate_bps = 600_000 },
]
[video.presets]
x264 = \"veryfast\"
[qc]
freeze = { action = \"pass\", seconds = 5.0 }
";

/// The published files of a title, by path, with their hashes.
pub type Published = BTreeMap<String, String>;

/// A clip and its profile, for one farm.
#[derive(Debug)]
pub struct Title {
    clip: PathBuf,
    profile: PathBuf,
    source: OnceCell<PathBuf>,
}

impl Title {
    /// Makes the clip, of so many seconds and segments.
    pub fn make(place: &Place, ffmpeg: &Path, seconds: u32) -> Result<Self> {
        let clip = Clip::seconds(seconds).size(426, 240).make(ffmpeg)?;
        let profile = place.join("many-segments.toml");
        std::fs::write(&profile, PROFILE)?;
        Ok(Self {
            clip,
            profile,
            source: OnceCell::new(),
        })
    }

    /// What one process publishes that nobody disturbs.
    pub fn calm(&self, place: &Place) -> Result<Published> {
        let out = place.join("calm");
        let run = Magpie::new([
            "run".as_ref(),
            self.clip.as_os_str(),
            "--profile".as_ref(),
            self.profile.as_os_str(),
            "--out".as_ref(),
            out.as_os_str(),
            "--title".as_ref(),
            "clip".as_ref(),
            "--json".as_ref(),
        ])?;
        let finished = run.finish(BOUND)?;
        ensure!(finished.code == Some(0), "{finished:?}");
        published(&out, "clip")
    }

    /// Puts the clip where the farm's nodes may read it, once: a source that is written anew under a job is
    /// another source.
    pub fn source(&self, farm: &Farm) -> Result<String> {
        let path = match self.source.get() {
            Some(path) => path,
            None => {
                let path = farm.source(&self.clip)?;
                self.source.get_or_init(|| path)
            }
        };
        Ok(path.to_string_lossy().into_owned())
    }

    /// Submits it under a name, which is also its idempotency key; answers with its job.
    pub fn submit(&self, farm: &Farm, name: &str) -> Result<String> {
        let source = self.source(farm)?;
        let profile = self.profile.to_string_lossy();
        let what = ["submit", &source, "--profile", &profile, "--title", name];
        let key = ["--idempotency-key", name, "--json"];
        let submitted = farm.call(&[&what[..], &key].concat())?.finish(BOUND)?;
        ensure!(submitted.code == Some(0), "{submitted:?}");
        let id = at(&submitted.json()?, "/id")?.as_str().map(str::to_owned);
        id.context("a job has an id")
    }
}

/// What is published of a title below a storage.
pub fn published(storage: &Path, name: &str) -> Result<Published> {
    let mut files = hashes(&storage.join("titles").join(name).join("v1"))?;
    // Names the job that filled the folder.
    files.remove("version.json");
    ensure!(files.len() > 20, "only {} files", files.len());
    Ok(files)
}

/// A job as a farm lists it; `None` while the farm cannot say, or does not know it.
pub fn listed(farm: &Farm, job: &str) -> Result<Option<Value>> {
    let listed = farm.call(&["jobs", "--json"])?.finish(BOUND)?;
    if listed.code != Some(0) {
        return Ok(None);
    }
    let jobs = lines_of_json(&listed.stdout)?;
    Ok(jobs.into_iter().find(|one| one["id"] == job))
}

/// Waits until a job has so many units done; answers how many. It must not be published by then.
pub fn wait_for_units(farm: &Farm, job: &str, least: u64) -> Result<u64> {
    wait_until("more units", BOUND, || {
        let Some(job) = listed(farm, job)? else {
            return Ok(None);
        };
        ensure!(job["phase"] != "published", "it was too fast");
        let done = at(&job, "/units_done")?.as_u64().unwrap_or_default();
        Ok((done >= least).then_some(done))
    })
}

/// Waits until a job is published.
pub fn wait_for_the_end(farm: &Farm, job: &str) -> Result<()> {
    let watched = farm.call(&["watch", job, "--json"])?.finish(BOUND)?;
    ensure!(watched.code == Some(0), "{watched:?}");
    Ok(())
}
