//! Storage that is damaged behind the farm's back: what is lost is made again, and nothing else.

use crate::title::{Place, encode};
use crate::{Case, block_on};
use anyhow::{Context, Result, bail, ensure};
use model::catalog::PackageManifest;
use model::facts::SegmentFacts;
use model::plan::Plan;
use model::task::TaskKind;
use model::{content_key, layout};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber, span};

pub(crate) const CASES: &[Case] = &[
    ("a_damaged_object_is_made_again_and_mended", damaged_objects),
    (
        "whole_facts_that_nobody_planned_are_made_again_and_replaced",
        unplanned_facts,
    ),
    (
        "bytes_that_are_damaged_after_their_commit_are_made_again_by_who_reads_them",
        damaged_after_commit,
    ),
    (
        "facts_and_results_that_are_damaged_after_their_commit_are_made_again",
        damaged_facts,
    ),
    (
        "segments_that_are_damaged_in_different_renditions_are_made_again_by_one_worker",
        damaged_apart,
    ),
];

/// Flips a byte in every object below `segments/` that is no facts; gives what they held.
fn damage(root: &Path) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
    let mut folders = vec![root.join("segments")];
    let mut held = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_none_or(|extension| extension != "json") {
                let bytes = std::fs::read(&path)?;
                let mut damaged = bytes.clone();
                *damaged.last_mut().context("no object is empty")? ^= 1;
                std::fs::write(&path, damaged)?;
                held.insert(path, bytes);
            }
        }
    }
    Ok(held)
}

fn damaged_objects() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.package().await?;
        let root = place.storage.local_root().context("storage is local")?;
        let held = damage(root)?;
        let kinds = [
            (encode(), 3),
            (TaskKind::Audio { index: 0 }, 1),
            (TaskKind::Text { index: 0 }, 1),
            (TaskKind::Images, 1),
        ];
        for (kind, units) in kinds {
            let name = kind.name();
            let made = place.done(kind, units).await?;
            ensure!(
                made.values().all(|record| !record.reused),
                "{name}: {made:?}"
            );
        }
        ensure!(held.len() >= 3 * 2 + 3, "only {} objects", held.len());
        for (path, bytes) in held {
            ensure!(
                std::fs::read(&path)? == bytes,
                "{} is still damaged",
                path.display()
            );
        }
        Ok(())
    })
}

/// Changes the facts below `segments/` that have a field; gives where they are and what they held.
fn falsify(root: &Path, field: &str, lie: (&str, Value)) -> Result<(PathBuf, Value)> {
    let mut folders = vec![root.join("segments")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let bytes = std::fs::read(&path)?;
                let held: Value = serde_json::from_slice(&bytes)?;
                if held.get(field).is_none() {
                    continue;
                }
                let mut facts = held.clone();
                facts[lie.0] = lie.1;
                std::fs::write(&path, serde_json::to_vec(&facts)?)?;
                return Ok((path, held));
            }
        }
    }
    bail!("no facts have {field}")
}

fn unplanned_facts() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.package().await?;
        let root = place.storage.local_root().context("storage is local")?;
        let lies = [
            (
                TaskKind::Audio { index: 0 },
                "priming",
                ("channels", 6.into()),
            ),
            (TaskKind::Text { index: 0 }, "cues", ("id", "text-1".into())),
            (TaskKind::Images, "sheets", ("poster_frame", 125.into())),
        ];
        for (kind, field, lie) in lies {
            let name = kind.name();
            let (path, held) = falsify(root, field, lie)?;
            let made = place.done(kind, 1).await?;
            ensure!(!made[&0].reused, "{name}: {made:?}");
            let now: Value = serde_json::from_slice(&std::fs::read(&path)?)?;
            ensure!(now == held, "{name}: {now}");
        }
        Ok(())
    })
}

/// What later tasks make of committed output that was damaged must be what they made before.
async fn as_before(place: &Place, tasks: &[TaskKind]) -> Result<()> {
    let result = format!("jobs/{}/tasks/package.json", place.job);
    let before: PackageManifest = place.storage.get_json(&result).await?;
    for kind in tasks {
        place.done(kind.clone(), 1).await?;
    }
    let after: PackageManifest = place.storage.get_json(&result).await?;
    ensure!(after == before, "{after:?}");
    place.done(TaskKind::Verify, 1).await?;
    Ok(())
}

fn damaged_after_commit() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.package().await?;
        let root = place.storage.local_root().context("storage is local")?;
        damage(root)?;
        as_before(&place, &[TaskKind::Images, TaskKind::Qc, TaskKind::Package]).await?;
        damage(root)?;
        as_before(&place, &[TaskKind::Qc, TaskKind::Package]).await
    })
}

/// Cuts every file of facts below a folder in half; says how many there are.
fn cut_facts(folder: &Path) -> Result<usize> {
    let mut cut = 0;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            cut += cut_facts(&path)?;
        } else if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let bytes = std::fs::read(&path)?;
            std::fs::write(&path, &bytes[..bytes.len() / 2])?;
            cut += 1;
        }
    }
    Ok(cut)
}

fn damaged_facts() -> Result<()> {
    block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.package().await?;
        let root = place.storage.local_root().context("storage is local")?;
        let cut = cut_facts(&root.join("segments"))?;
        ensure!(cut == 3 * 3 + 3, "{cut} files of facts");
        for task in ["audio-0", "text-0", "images"] {
            let result = root.join(format!("jobs/{}/tasks/{task}.json", place.job));
            std::fs::write(result, "{")?;
        }
        as_before(&place, &[TaskKind::Qc, TaskKind::Package]).await
    })
}

thread_local! {
    /// How often this thread was told that segments are made again.
    static MENDS: Cell<u32> = const { Cell::new(0) };
}

/// Hears of what is made again, for all threads: one that listened for itself would miss what others
/// were the first to come by while nobody listened.
struct Mends;

impl Visit for Mends {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" && format!("{value:?}") == "segments are made again" {
            MENDS.set(MENDS.get() + 1);
        }
    }
}

impl Subscriber for Mends {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && metadata.target().ends_with("::mend")
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn event(&self, event: &Event<'_>) {
        event.record(&mut Self);
    }
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}
}

/// To be called before anything else may be told.
pub(crate) fn listen() {
    tracing::subscriber::set_global_default(Mends).expect("nobody listens yet");
}

/// The facts of a segment of each rendition, each of another segment, and the object that they name.
async fn one_of_each(place: &Place) -> Result<Vec<[PathBuf; 2]>> {
    let plan: Plan = place.storage.get_json(&layout::plan(&place.job)).await?;
    let root = place.storage.local_root().context("storage is local")?;
    let video = plan.video.as_ref().context("pictures")?;
    let group = &video.groups[0];
    let mut paths = Vec::new();
    for (segment, rendition) in (1..).zip(&group.renditions) {
        let key = content_key::of_segment(&plan, video, group, rendition, segment);
        let path = layout::facts(&key);
        let facts: SegmentFacts = place.storage.get_json(&path).await?;
        let object = layout::bytes(&key, &facts.sha256, "m4s");
        paths.push([root.join(path), root.join(object)]);
    }
    ensure!(paths.len() > 1, "one rendition");
    Ok(paths)
}

fn damaged_apart() -> Result<()> {
    // One thread, which is told what happens to this test alone.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build()?.block_on(async {
        let place = Place::new()?;
        place.make_clip()?;
        place.package().await?;
        let paths = one_of_each(&place).await?;
        for (which, task) in [(0, TaskKind::Qc), (1, TaskKind::Package)] {
            for path in &paths {
                std::fs::write(&path[which], "damaged")?;
            }
            MENDS.set(0);
            as_before(&place, &[task]).await?;
            let made = MENDS.get();
            ensure!(made == 1, "{made} workers made segments again");
        }
        Ok(())
    })
}
