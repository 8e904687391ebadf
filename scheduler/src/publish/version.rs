//! Reserves the number of a version. A number is taken by creating its file, which only one job can;
//! the numbers of jobs that end unpublished stay taken and empty.

use crate::{Error, Result};
use model::catalog::VersionFile;
use model::{JobId, TitleId, layout};
use storage::{Created, Storage};

/// Versions of one title; a title that is encoded every hour reaches it after eleven years.
const VERSIONS_MAX: u32 = 100_000;

/// The version that a job fills: the one it has, else the lowest free number. May be repeated, and by
/// several replicas at once.
pub async fn reserve(storage: &Storage, job: &JobId, title: &TitleId) -> Result<VersionFile> {
    let mine = layout::job_version(job);
    if let Some(reserved) = storage.find_json(&mine).await? {
        return Ok(reserved);
    }
    for version in 1..=VERSIONS_MAX {
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
            storage.put_json_if_absent(&mine, &taken).await?;
            return Ok(taken);
        }
    }
    Err(Error::Conflict {
        what: format!("title {title}"),
        reason: format!("has {VERSIONS_MAX} versions already"),
    })
}
