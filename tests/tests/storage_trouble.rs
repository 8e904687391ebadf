//! Storage that cannot be used: no folder, write-protected, full. Each is said with its class and its
//! place, nothing half made is published, and what survives it finishes a good title afterwards.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tests::{Clip, Disk, Farm, Finished, Magpie, Place, at, lines_of_json, require, wait_until};

const BOUND: Duration = Duration::from_secs(300);

/// A farm of one node whose storage is on a small disk.
struct Trouble {
    disk: Disk,
    farm: Farm,
    node: String,
    ffmpeg: PathBuf,
    _place: Place,
}

impl Trouble {
    fn start() -> Result<Option<Self>> {
        let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
            return Ok(None);
        };
        let place = Place::new()?;
        let Some(disk) = Disk::mount(&place, "disk", 64)? else {
            return Ok(None);
        };
        let mut farm = Farm::start_on(&place, &disk)?;
        let node = farm.add_node_inside(&disk, &["--slots", "2"])?;
        Ok(Some(Self {
            disk,
            farm,
            node,
            ffmpeg,
            _place: place,
        }))
    }

    /// A source of so many seconds.
    fn clip(&self, seconds: u32) -> Result<PathBuf> {
        let clip = Clip::seconds(seconds).size(320, 180).make(&self.ffmpeg)?;
        self.farm.source(&clip)
    }

    fn call(&self, arguments: &[&str]) -> Result<Finished> {
        let mut all = arguments.to_vec();
        all.push("--json");
        self.farm.call(&all)?.finish(BOUND)
    }

    fn try_submit(&self, title: &str, clip: &Path) -> Result<Finished> {
        let clip = clip.to_string_lossy();
        self.call(&["submit", &clip, "--profile", "preview", "--title", title])
    }

    fn submit(&self, title: &str, clip: &Path) -> Result<String> {
        let submitted = self.try_submit(title, clip)?;
        ensure!(submitted.code == Some(0), "{submitted:?}");
        let id = at(&submitted.json()?, "/id")?.clone();
        Ok(id.as_str().context("a job has an id")?.to_owned())
    }

    fn dead(&self) -> Result<Vec<Value>> {
        let listed = self.call(&["dlq", "list"])?;
        ensure!(listed.code == Some(0), "{listed:?}");
        lines_of_json(&listed.stdout)
    }

    fn is_published(&self, title: &str) -> bool {
        let catalog = format!("catalog/{title}.json");
        self.disk.outside().join(catalog).exists()
    }

    /// The node that was there from the start makes a good title.
    fn finish_a_good_title(&mut self) -> Result<()> {
        let job = self.submit("good", &self.clip(1)?)?;
        let watched = self.call(&["watch", &job])?;
        ensure!(watched.code == Some(0), "{watched:?}");
        ensure!(self.is_published("good"), "good is not in the catalog");
        self.farm.node(&self.node)?.ensure_alive()
    }
}

fn call(place: &Place, ffmpeg: &Path, out: &Path) -> Result<Magpie> {
    let clip = Clip::seconds(1).size(320, 180).make(ffmpeg)?;
    let (clip, out) = (clip.to_string_lossy(), out.to_string_lossy());
    let arguments = ["run", &*clip, "--profile", "preview", "--title", "it"];
    let call = Magpie::new(arguments.into_iter().chain(["--out", &*out, "--json"]))?;
    Ok(call.folder(place.path()))
}

fn run(place: &Place, ffmpeg: &Path, out: &Path) -> Result<Finished> {
    call(place, ffmpeg, out)?.finish(BOUND)
}

#[test]
fn storage_below_a_file_is_refused_by_name() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let file = place.join("file");
    std::fs::write(&file, "")?;
    let out = file.join("out");
    let finished = run(&place, &ffmpeg, &out)?;
    ensure!(finished.code == Some(1), "{finished:?}");
    let said = &finished.stderr;
    ensure!(said.contains("file/out"), "{said}");

    let (storage, redis) = (out.to_string_lossy(), place.join("redis"));
    let scheduler = Magpie::new([
        "scheduler",
        "--storage",
        &storage,
        "--redis-folder",
        &redis.to_string_lossy(),
        "--listen",
        "127.0.0.1:0",
        "--dashboard",
        "127.0.0.1:0",
    ])?;
    let refused = scheduler.finish(BOUND)?;
    ensure!(refused.code == Some(2), "{refused:?}");
    let said = &refused.stderr;
    ensure!(
        said.contains("file/out") && said.contains("is a file"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_file_where_a_folder_of_storage_must_be_fails_the_title_by_name() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let out = place.folder("out")?;
    std::fs::write(out.join("segments"), "")?;
    let finished = run(&place, &ffmpeg, &out)?;
    ensure!(finished.code == Some(1), "{finished:?}");
    let failure = at(&finished.json()?, "/failure")?.clone();
    let message = failure["message"].as_str().unwrap_or_default();
    ensure!(failure["kind"] == "storage", "{failure}");
    ensure!(
        message.contains("segments/") && message.contains("is a file"),
        "{failure}"
    );
    ensure!(!out.join("titles").exists(), "something was made");
    ensure!(!out.join("catalog").exists(), "something was published");

    std::fs::remove_file(out.join("segments"))?;
    let mended = run(&place, &ffmpeg, &out)?;
    ensure!(mended.code == Some(0), "{mended:?}");
    Ok(())
}

#[test]
fn a_run_says_that_its_folder_is_full_or_write_protected() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let Some(disk) = Disk::mount(&place, "disk", 16)? else {
        return Ok(());
    };
    let out = disk.folder().join("out");
    let run = || disk.inside(call(&place, &ffmpeg, &out)?).finish(BOUND);
    let ensure_refused = |finished: Finished, place: &str, why: &str| {
        ensure!(finished.code == Some(1), "{finished:?}");
        let said = finished.stderr.to_lowercase();
        ensure!(said.contains(place) && said.contains(why), "{said}");
        Ok(())
    };
    disk.protect()?;
    ensure_refused(run()?, "disk/out", "read-only")?;
    disk.unprotect()?;
    std::fs::create_dir(disk.outside().join("out"))?;
    disk.fill()?;
    ensure_refused(run()?, "epoch.json", "no space left")?;
    for made in ["catalog", "titles"] {
        ensure!(
            !disk.outside().join("out").join(made).exists(),
            "there is {made}/"
        );
    }
    disk.make_room()?;
    let finished = run()?;
    ensure!(finished.code == Some(0), "{finished:?}");
    Ok(())
}

#[test]
fn write_protected_storage_fails_a_title_that_a_retry_finishes() -> Result<()> {
    let Some(mut trouble) = Trouble::start()? else {
        return Ok(());
    };
    let clip = trouble.clip(2)?;
    trouble.disk.protect()?;
    let refused = trouble.try_submit("it", &clip)?;
    ensure!(refused.code == Some(1), "{refused:?}");
    let said = &refused.stderr;
    ensure!(
        said.contains(".json") && said.contains("access denied"),
        "{said}"
    );

    trouble.disk.unprotect()?;
    // Frozen, so that all of its work meets the protected disk.
    trouble.farm.node(&trouble.node)?.freeze()?;
    let job = trouble.submit("it", &clip)?;
    trouble.disk.protect()?;
    trouble.farm.node(&trouble.node)?.thaw()?;
    let watched = trouble.call(&["watch", &job])?;
    ensure!(watched.code == Some(1), "{watched:?}");
    let failure = at(&watched.json()?, "/failure")?.clone();
    let message = failure["message"].as_str().unwrap_or_default();
    ensure!(failure["kind"] == "storage", "{failure}");
    ensure!(
        message.contains(&job) && message.contains("access denied"),
        "{failure}"
    );
    ensure!(!trouble.is_published("it"), "a failed title was published");
    ensure!(trouble.dead()?.len() == 1, "{:?}", trouble.dead()?);

    trouble.disk.unprotect()?;
    let retried = trouble.call(&["dlq", "retry", &job])?;
    ensure!(retried.code == Some(0), "{retried:?}");
    let watched = trouble.call(&["watch", &job])?;
    ensure!(watched.code == Some(0), "{watched:?}");
    ensure!(trouble.is_published("it"), "it is not in the catalog");
    ensure!(trouble.dead()?.is_empty(), "{:?}", trouble.dead()?);
    trouble.finish_a_good_title()
}

#[test]
fn full_storage_is_said_and_waited_out() -> Result<()> {
    let Some(mut trouble) = Trouble::start()? else {
        return Ok(());
    };
    let clip = trouble.clip(2)?;
    trouble.farm.node(&trouble.node)?.freeze()?;
    let job = trouble.submit("it", &clip)?;
    trouble.disk.fill()?;
    let refused = trouble.try_submit("other", &clip)?;
    ensure!(refused.code == Some(1), "{refused:?}");
    let said = &refused.stderr;
    ensure!(
        said.contains(".json") && said.contains("no space left"),
        "{said}"
    );

    let node = trouble.farm.node(&trouble.node)?;
    node.thaw()?;
    let line = node.wait_for_line("no space left", BOUND)?;
    ensure!(line.contains("exhausted") && line.contains(&job), "{line}");
    let shown = trouble.call(&["jobs", &job])?.json()?;
    ensure!(at(&shown, "/failure")?.is_null(), "{shown}");
    ensure!(
        !trouble.is_published("it"),
        "a title was published on a full disk"
    );

    trouble.disk.make_room()?;
    let watched = trouble.call(&["watch", &job])?;
    ensure!(watched.code == Some(0), "{watched:?}");
    ensure!(trouble.is_published("it"), "it is not in the catalog");
    ensure!(trouble.dead()?.is_empty(), "{:?}", trouble.dead()?);
    trouble.finish_a_good_title()
}

#[test]
fn a_disk_that_runs_full_in_the_middle_of_a_title_loses_no_segment() -> Result<()> {
    let Some(mut trouble) = Trouble::start()? else {
        return Ok(());
    };
    let job = trouble.submit("it", &trouble.clip(40)?)?;
    let segments = trouble.disk.outside().join("segments");
    wait_until("the first segment", BOUND, || {
        Ok((!facts(&segments)?.is_empty()).then_some(()))
    })?;
    // Frozen, so that it does not finish while the disk is being filled.
    trouble.farm.node(&trouble.node)?.freeze()?;
    trouble.disk.fill()?;
    let before = facts(&segments)?;
    let node = trouble.farm.node(&trouble.node)?;
    node.thaw()?;
    let line = node.wait_for_line("no space left", BOUND)?;
    ensure!(line.contains("exhausted"), "{line}");
    ensure!(
        !trouble.is_published("it"),
        "a title was published on a full disk"
    );

    trouble.disk.make_room()?;
    let watched = trouble.call(&["watch", &job])?;
    ensure!(watched.code == Some(0), "{watched:?}");
    ensure!(trouble.dead()?.is_empty(), "{:?}", trouble.dead()?);
    let after = facts(&segments)?;
    for (path, written) in &before {
        ensure!(
            after.get(path) == Some(written),
            "{} was made again",
            path.display()
        );
    }
    ensure!(after.len() > before.len(), "nothing was left to do");
    trouble.finish_a_good_title()
}

/// The facts of finished segments, with the time at which each was written.
fn facts(segments: &Path) -> Result<BTreeMap<PathBuf, SystemTime>> {
    let Ok(entries) = std::fs::read_dir(segments) else {
        return Ok(BTreeMap::new());
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let path = entry?.path();
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
fn a_redis_without_room_takes_no_job_and_comes_back_with_all_it_had() -> Result<()> {
    let (Some(ffmpeg), Some(_)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let Some(disk) = Disk::mount(&place, "disk", 64)? else {
        return Ok(());
    };
    let mut farm = Farm::start_with_redis_on(&place, &disk)?;
    let clip = farm.source(&Clip::seconds(2).size(320, 180).make(&ffmpeg)?)?;
    let clip = clip.to_string_lossy().into_owned();
    let submit = |farm: &Farm, title: &str| {
        let all = ["submit", &clip, "--profile", "preview", "--title", title];
        farm.call(&all)?.finish(BOUND)
    };
    ensure!(submit(&farm, "before")?.code == Some(0), "no job is taken");
    disk.fill()?;
    // The server notices with its next write.
    let refused = wait_until("a refusal", BOUND, || {
        let tried = submit(&farm, "during")?;
        Ok((tried.code != Some(0)).then_some(tried))
    })?;
    ensure!(refused.code == Some(1), "{refused:?}");
    let said = refused.stderr.to_lowercase();
    ensure!(said.contains("no space left"), "{said}");
    farm.scheduler().ensure_alive()?;

    disk.make_room()?;
    let node = farm.add_node(&["--slots", "2"])?;
    let accepted = wait_until("a server with room", BOUND, || {
        let tried = submit(&farm, "after")?;
        Ok((tried.code == Some(0)).then_some(tried))
    })?;
    let job = accepted.stdout.split_whitespace().next().map(str::to_owned);
    let watched = farm.call(&["watch", &job.context("a job has an id")?])?;
    let watched = watched.finish(BOUND)?;
    ensure!(watched.code == Some(0), "{watched:?}");
    wait_until("the job from before", BOUND, || {
        let catalog = farm.storage().join("catalog/before.json");
        Ok(catalog.exists().then_some(()))
    })?;
    farm.node(&node)?.ensure_alive()
}

#[test]
fn a_full_disk_for_temporary_files_is_in_nobodys_way() -> Result<()> {
    let Some(ffmpeg) = require("ffmpeg") else {
        return Ok(());
    };
    let place = Place::new()?;
    let Some(disk) = Disk::mount(&place, "scratch", 1)? else {
        return Ok(());
    };
    disk.fill()?;
    let call = call(&place, &ffmpeg, &place.join("out"))?;
    let finished = disk
        .inside(call.folder(disk.folder()).env("TMPDIR", disk.folder()))
        .finish(BOUND)?;
    ensure!(finished.code == Some(0), "{finished:?}");
    Ok(())
}
