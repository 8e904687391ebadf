//! The catalog's switch. The last job that finishes wins, also when it was submitted earlier; the
//! same job never switches twice, so that a repeated publish cannot undo a rollback.

use crate::{Error, Result};
use futures::{StreamExt, TryStreamExt};
use model::catalog::{CatalogEntry, PackageManifest, VersionFile};
use model::job::JobRecord;
use model::task::TaskKind;
use model::{JobId, TaskId, TaskName, TitleId, layout};
use storage::Storage;

/// Catalog entries that are read at a time.
const READS_AT_ONCE: usize = 16;

/// Points the catalog to the version that a job filled and that was verified.
pub async fn publish(
    storage: &Storage,
    job: &JobRecord,
    version: &VersionFile,
    now_ms: u64,
) -> Result<CatalogEntry> {
    let manifest = verified(storage, &job.title, version).await?;
    let entry = CatalogEntry {
        title: job.title.clone(),
        tenant: job.tenant.clone(),
        version: version.version,
        job: job.id.clone(),
        path: manifest.path,
        hls: manifest.hls,
        dash: manifest.dash,
        duration: manifest.duration,
        published_at_ms: now_ms,
        revision: 0,
        history: Vec::new(),
        traceparent: job.traceparent.clone(),
    };
    switch(storage, entry, Again::Keep).await
}

/// Points the catalog to a version that was published before.
pub async fn rollback(
    storage: &Storage,
    title: &TitleId,
    version: u32,
    now_ms: u64,
) -> Result<CatalogEntry> {
    let current = self::title(storage, title).await?;
    if current.version == version {
        return Ok(current);
    }
    if !current.history.contains(&version) {
        let published: Vec<String> = current.history.iter().map(|v| format!("v{v}")).collect();
        let reason = match published.as_slice() {
            [] => format!("v{version} was never published; there is no older version"),
            some => format!(
                "v{version} was never published; there is {}",
                some.join(", ")
            ),
        };
        return Err(Error::Conflict {
            what: format!("title {title}"),
            reason,
        });
    }
    let file: VersionFile = storage
        .get_json(&layout::version_file(title, version))
        .await?;
    let file = VersionFile { version, ..file };
    let manifest = verified(storage, title, &file).await?;
    let entry = CatalogEntry {
        version,
        job: file.job,
        path: manifest.path,
        hls: manifest.hls,
        dash: manifest.dash,
        duration: manifest.duration,
        published_at_ms: now_ms,
        ..current
    };
    switch(storage, entry, Again::Switch).await
}

/// What a title has published.
pub async fn title(storage: &Storage, title: &TitleId) -> Result<CatalogEntry> {
    let found = storage.find_json(&layout::catalog(title)).await?;
    found.ok_or_else(|| Error::NotFound {
        what: "title",
        id: title.to_string(),
    })
}

/// Whether the version of a job is published or was.
pub(super) async fn was_published(storage: &Storage, job: &JobId, title: &TitleId) -> Result<bool> {
    let entry: Option<CatalogEntry> = storage.find_json(&layout::catalog(title)).await?;
    let Some(entry) = entry else {
        return Ok(false);
    };
    let filled: Option<VersionFile> = storage.find_json(&layout::job_version(job)).await?;
    let is_named = |version| entry.version == version || entry.history.contains(&version);
    Ok(entry.job == *job || filled.is_some_and(|file| is_named(file.version)))
}

/// All published titles by name.
pub async fn list(storage: &Storage) -> Result<Vec<CatalogEntry>> {
    let names = storage.names(layout::CATALOG).await?;
    let titles = names
        .iter()
        .filter_map(|name| TitleId::new(name.strip_suffix(".json")?).ok());
    let reads: Vec<_> = titles
        .map(|title| async move {
            storage
                .find_json::<CatalogEntry>(&layout::catalog(&title))
                .await
        })
        .collect();
    let entries: Vec<Option<CatalogEntry>> = futures::stream::iter(reads)
        .buffered(READS_AT_ONCE)
        .try_collect()
        .await?;
    Ok(entries.into_iter().flatten().collect())
}

/// What a switch to a version that was published before means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Again {
    /// A publish that is repeated: the catalog stays as it is.
    Keep,
    /// A rollback.
    Switch,
}

async fn switch(storage: &Storage, entry: CatalogEntry, again: Again) -> Result<CatalogEntry> {
    let path = layout::catalog(&entry.title);
    let (title, tenant) = (entry.title.clone(), entry.tenant.clone());
    let now = storage
        .update_json(&path, move |old: Option<CatalogEntry>| {
            switched(old, &entry, again)
        })
        .await?
        .ok_or_else(|| Error::NotFound {
            what: "title",
            id: title.to_string(),
        })?;
    if now.tenant != tenant {
        return Err(Error::NotYours {
            title: title.to_string(),
        });
    }
    Ok(now)
}

/// The entry after a switch; `None` leaves what is there.
fn switched(old: Option<CatalogEntry>, entry: &CatalogEntry, again: Again) -> Option<CatalogEntry> {
    let Some(old) = old else {
        return Some(CatalogEntry {
            revision: 1,
            ..entry.clone()
        });
    };
    let before = old.version == entry.version || old.history.contains(&entry.version);
    if old.tenant != entry.tenant || (before && again == Again::Keep) {
        return None;
    }
    let mut history = old.history;
    history.push(old.version);
    history.retain(|&version| version != entry.version);
    history.sort_unstable();
    Some(CatalogEntry {
        revision: old.revision + 1,
        history,
        ..entry.clone()
    })
}

/// What the verify task of a version read back.
async fn verified(
    storage: &Storage,
    title: &TitleId,
    version: &VersionFile,
) -> Result<PackageManifest> {
    let name = TaskName::new(TaskKind::Verify.name()).expect("a constant identifier");
    let result = layout::task_result(&TaskId::new(version.job.clone(), name));
    let manifest: PackageManifest = storage.get_json(&result).await?;
    let path = layout::version(title, version.version);
    if manifest.path == path {
        return Ok(manifest);
    }
    let reason = format!("the verified files are in {}", manifest.path);
    Err(Error::Conflict { what: path, reason })
}

#[cfg(test)]
mod tests;
