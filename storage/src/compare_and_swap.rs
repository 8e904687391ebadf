//! Compare-and-swap of one small JSON object: what publishing is made of. On S3 the ETag decides. A
//! local disk has no such thing, so there a lock file serialises the writers of this host's
//! processes; readers need no lock, they see the old or the new.

use crate::disk::{Disk, LOCK_WAIT};
use crate::object::{parse, to_json};
use crate::{Error, Result, Storage};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use rand::RngExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Rounds against others who change the same object. In each round somebody wins, so that many
/// writers at once are all served; farms have a handful of schedulers.
const ROUNDS_MAX: u32 = 32;

/// Longest wait between two rounds, as long as a slow round of S3 itself.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// What there is, and what a write must find unchanged.
struct Seen {
    bytes: Option<Bytes>,
    mode: PutMode,
}

impl Storage {
    /// Changes a JSON object: `change` gets what is there now and returns what shall be there, or
    /// `None` to leave it. Runs again when somebody else was quicker, so it must be pure; gives up
    /// with [`Error::Raced`] after 32 rounds, on a local disk after 10 s. Returns what is there in
    /// the end.
    ///
    /// A write whose answer was lost may have happened: repeated by the caller, `change` then gets
    /// its own result.
    pub async fn update_json<T, F>(&self, path: &str, change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        let location = self.locate(path)?;
        let Some(disk) = self.disk.clone() else {
            return self.update_remote(path, &location, change).await;
        };
        let named = path.to_owned();
        let update = move || update_local(&disk, &named, &location, LOCK_WAIT, change);
        match tokio::task::spawn_blocking(update).await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(error) => Err(Error::Failed {
                    path: path.to_owned(),
                    reason: error.to_string(),
                }),
            },
        }
    }

    async fn update_remote<T, F>(&self, path: &str, location: &Path, change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T>,
    {
        for round in 0..ROUNDS_MAX {
            let Seen { bytes: old, mode } = self.see(path, location).await?;
            let parsed = old.as_deref().map(|bytes| parse(path, bytes)).transpose()?;
            let Some(new) = change(parsed) else {
                return old.as_deref().map(|bytes| parse(path, bytes)).transpose();
            };
            let bytes = to_json(path, &new)?;
            let put = self
                .store
                .put_opts(location, bytes.into(), PutOptions::from(mode));
            match put.await {
                Ok(_) => return Ok(Some(new)),
                Err(
                    object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. },
                ) => tokio::time::sleep(pause(round)).await,
                Err(error) => return Err(Error::from_object_store(path, error)),
            }
        }
        Err(Error::Raced {
            path: path.to_owned(),
        })
    }

    async fn see(&self, path: &str, location: &Path) -> Result<Seen> {
        let found = match self.store.get(location).await {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => {
                return Ok(Seen {
                    bytes: None,
                    mode: PutMode::Create,
                });
            }
            Err(error) => return Err(Error::from_object_store(path, error)),
        };
        let version = UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        };
        let bytes = found.bytes().await;
        Ok(Seen {
            bytes: Some(bytes.map_err(|e| Error::from_object_store(path, e))?),
            mode: PutMode::Update(version),
        })
    }
}

/// Chance alone, so that those who met once do not meet again.
fn pause(round: u32) -> Duration {
    let longest = Duration::from_millis(4 << round.min(8)).min(PAUSE_MAX);
    longest.mul_f64(rand::rng().random_range(0.0..1.0))
}

fn update_local<T, F>(
    disk: &Disk,
    path: &str,
    location: &Path,
    wait: Duration,
    change: F,
) -> Result<Option<T>>
where
    T: Serialize + DeserializeOwned,
    F: Fn(Option<T>) -> Option<T>,
{
    let fail = |e: std::io::Error| Error::from_io(path, &e).of_write();
    let Some(held) = disk.hold(location, wait).map_err(fail)? else {
        return Err(Error::Raced {
            path: path.to_owned(),
        });
    };
    let old = held.read().map_err(fail)?;
    let parsed = old.as_deref().map(|bytes| parse(path, bytes)).transpose()?;
    let Some(new) = change(parsed) else {
        return old.as_deref().map(|bytes| parse(path, bytes)).transpose();
    };
    held.replace(&mut to_json(path, &new)?.as_ref())
        .map_err(fail)?;
    Ok(Some(new))
}

#[cfg(test)]
mod tests;
