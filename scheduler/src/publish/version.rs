//! Reserves the number of a version. A number is taken by creating its file, which only one job can;
//! the numbers of jobs that end unpublished stay taken and empty.

use crate::{Error, Result};
use model::catalog::{CatalogEntry, VersionFile};
use model::{JobId, TitleId, layout};
use storage::{Created, Storage};

/// Versions of one title; a title that is encoded every hour reaches it after eleven years.
const VERSIONS_MAX: u32 = 100_000;

/// The version that a job fills: the one it has, else the lowest free number above all that the catalog
/// names, so that a title's thousandth version is found as fast as its first. May be repeated, and by
/// several replicas at once; when the catalog moved past a number between that was taken and not yet
/// noted for the job, the job takes another, and the first stays empty.
pub async fn reserve(storage: &Storage, job: &JobId, title: &TitleId) -> Result<VersionFile> {
    let mine = layout::job_version(job);
    if let Some(reserved) = storage.find_json(&mine).await? {
        return Ok(reserved);
    }
    for version in first_unnamed(storage, title).await?..=VERSIONS_MAX {
        let file = VersionFile {
            job: job.clone(),
            version,
        };
        let path = layout::version_file(title, version);
        let taken = match storage.put_json_if_absent(&path, &file).await? {
            Created::New => file,
            Created::Existed => storage.get_json::<VersionFile>(&path).await?,
        };
        if taken.job == *job {
            return match storage.put_json_if_absent(&mine, &taken).await? {
                Created::New => Ok(taken),
                // Another replica noted another number, because the catalog moved between the two.
                Created::Existed => Ok(storage.get_json(&mine).await?),
            };
        }
    }
    Err(Error::Conflict {
        what: format!("title {title}"),
        reason: format!("has {VERSIONS_MAX} versions already"),
    })
}

/// The number after the highest that was ever published; 1 for a title that was not.
async fn first_unnamed(storage: &Storage, title: &TitleId) -> Result<u32> {
    let entry: Option<CatalogEntry> = storage.find_json(&layout::catalog(title)).await?;
    let named = entry.iter().flat_map(|entry| {
        let history = entry.history.iter().copied();
        history.chain(std::iter::once(entry.version))
    });
    Ok(named.max().unwrap_or(0).saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::{CatalogEntry, JobId, Storage, TitleId, layout, reserve};
    use model::{Rational, TenantId};

    #[tokio::test]
    async fn numbers_go_on_after_the_highest_that_was_published() {
        let storage = Storage::open("memory:").unwrap();
        let title = TitleId::new("bunny").unwrap();
        let job = |id: &str| JobId::new(id).unwrap();
        assert_eq!(
            reserve(&storage, &job("j1"), &title).await.unwrap().version,
            1
        );
        let rolled_back = CatalogEntry {
            title: title.clone(),
            tenant: TenantId::new("a").unwrap(),
            version: 7,
            job: job("j7"),
            path: layout::version(&title, 7),
            hls: "hls.m3u8".to_owned(),
            dash: "dash.mpd".to_owned(),
            duration: Rational::ONE,
            published_at_ms: 0,
            revision: 3,
            history: vec![1, 40],
            traceparent: String::new(),
        };
        let path = layout::catalog(&title);
        storage.put_json(&path, &rolled_back).await.unwrap();
        for (id, version) in [("j2", 41), ("j3", 42), ("j2", 41), ("j1", 1)] {
            let reserved = reserve(&storage, &job(id), &title).await.unwrap();
            assert_eq!(reserved.version, version, "{id}");
        }
    }
}
