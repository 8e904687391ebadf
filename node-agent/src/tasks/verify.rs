//! Reads every byte of a version back and checks it, as the last thing before publishing: hashes,
//! boxes, times, frame counts, that the manifests name every file and no other, and that every number
//! in them is what the segments say. Believes the plan and what was read, and nothing that the package
//! task remembers.

mod manifests;
mod numbers;
mod tracks;

use super::committed::result_of;
use super::context::{Context, in_order};
use super::describe::{Sheet, TEXT};
use super::single::Outcome;
use super::text::Room;
use crate::agent::{Attempt, Stop};
use crate::transfer::digest;
use bytes::Bytes;
use futures::FutureExt;
use model::catalog::{PackageManifest, PackagedFile};
use model::task::TaskKind;
use model::{Failure, FailureKind};
use package::cmaf::read::{SegmentFacts, init_segment, media_segment};
use package::cmaf::write::TrackInit;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

/// What a file turned out to be.
enum Read {
    Init(Box<TrackInit>),
    /// With its size.
    Segment(SegmentFacts, u64),
    Text(String),
    Picture(Sheet),
}

/// All files of a version by path.
type Files = BTreeMap<String, Read>;

/// Our own output is wrong: whatever the class of the cause, it is a bug.
fn wrong(path: &str, problem: impl ToString) -> Failure {
    Failure::new(
        FailureKind::Bug,
        format!("verify {path}"),
        problem.to_string(),
    )
}

pub(super) async fn run(context: &Context, attempt: &Attempt) -> Result<Outcome, Stop> {
    let loaded = context.plan(&attempt.task().job).await?;
    let plan = &loaded.plan;
    let manifest: PackageManifest = context
        .pieces
        .get_json(&result_of(plan, &TaskKind::Package)?)
        .await?;
    check_listing(context, &manifest).await?;
    check_room(&manifest)?;
    let files = read_all(context, attempt, &manifest).await?;
    tracks::check(plan, &files)?;
    manifests::check(&manifest, &files)?;
    numbers::check(plan, &manifest, &files)?;
    Ok(Outcome::write(context, attempt, &manifest, false).await?)
}

/// The folder holds what the manifest lists, and the file that reserves it.
async fn check_listing(context: &Context, manifest: &PackageManifest) -> Result<(), Failure> {
    const RESERVATION: &str = "version.json";
    let listed = context.pieces.list(&manifest.path).await?;
    let below = format!("{}/", manifest.path);
    for object in &listed {
        let path = object.path.strip_prefix(&below).unwrap_or(&object.path);
        let known = manifest.files.iter().any(|file| file.path == path);
        if !known && path != RESERVATION {
            return Err(wrong(path, "is in the folder and in no list"));
        }
    }
    Ok(())
}

/// All text is held in memory.
fn check_room(manifest: &PackageManifest) -> Result<(), Failure> {
    let mut room = Room::default();
    let of_text = |file: &&PackagedFile| file.path.split('/').next() == Some(TEXT);
    let mut files = manifest.files.iter().filter(of_text);
    files.try_for_each(|file| room.take_bytes(&file.path, file.size_bytes))
}

async fn read_all(
    context: &Context,
    attempt: &Attempt,
    manifest: &PackageManifest,
) -> Result<Files, Failure> {
    let all = u32::try_from(manifest.files.len()).unwrap_or(u32::MAX);
    let done = AtomicU32::new(0);
    let read = manifest.files.iter().map(|file| {
        let done = &done;
        async move {
            let bytes = context
                .pieces
                .get(&format!("{}/{}", manifest.path, file.path))
                .await?;
            let listed = file.clone();
            let read = tokio::task::spawn_blocking(move || read(&listed, &bytes)).await;
            let read = read.map_err(|e| wrong(&file.path, e))??;
            attempt.progress(0, done.fetch_add(1, Ordering::Relaxed) + 1, all, None);
            Ok((file.path.clone(), read))
        }
        .boxed()
    });
    let mut files = Files::new();
    for (path, content) in in_order(read).await? {
        if files.insert(path.clone(), content).is_some() {
            return Err(wrong(&path, "is listed twice"));
        }
    }
    Ok(files)
}

fn read(file: &PackagedFile, bytes: &Bytes) -> Result<Read, Failure> {
    let found = (digest(bytes), bytes.len() as u64);
    if found != (file.sha256.clone(), file.size_bytes) {
        let message = format!(
            "has {} bytes with sha256 {}, listed are {} with {}",
            found.1, found.0, file.size_bytes, file.sha256
        );
        return Err(wrong(&file.path, message));
    }
    let extension = file.path.rsplit('.').next().unwrap_or_default();
    Ok(match extension {
        "mp4" => Read::Init(Box::new(
            init_segment(bytes).map_err(|e| wrong(&file.path, e))?,
        )),
        "m4s" => Read::Segment(
            media_segment(bytes)
                .map_err(|e| wrong(&file.path, e))?
                .facts(),
            found.1,
        ),
        "m3u8" | "mpd" | "vtt" => {
            let text = std::str::from_utf8(bytes).map_err(|e| wrong(&file.path, e))?;
            Read::Text(text.to_owned())
        }
        "jpg" => Read::Picture(Sheet {
            size: package::jpeg::size(bytes).map_err(|e| wrong(&file.path, e))?,
            size_bytes: found.1,
        }),
        _ => return Err(wrong(&file.path, "is of a kind that no version holds")),
    })
}
