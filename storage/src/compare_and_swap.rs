//! Compare-and-swap of one small JSON object: what publishing is made of. On S3 the ETag decides. A
//! local disk has no such thing, so there a lock file beside the object serialises
//! writers of this host's processes, and the new content is synced before it is renamed into place.

use crate::object::{parse, to_json};
use crate::{Error, Result, Storage};
use bytes::Bytes;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use rustix::fs::{FlockOperation, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::File;
use std::io::Write;
use std::path::Path;

impl Storage {
    /// Changes a JSON object: `change` gets what is there now and returns what shall be there, or
    /// `None` to leave it. Runs again when somebody else was quicker, so it must be pure; gives up
    /// with [`Error::Raced`] after eight rounds. Returns what is there in the end.
    pub async fn update_json<T, F>(&self, path: &str, change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: Fn(Option<T>) -> Option<T> + Send + Sync + 'static,
    {
        if let Some(root) = &self.local {
            let (root, path) = (root.clone(), path.to_owned());
            return tokio::task::spawn_blocking(move || update_local(&root, &path, change))
                .await
                .map_err(|e| Error::Failed {
                    path: "update".to_owned(),
                    reason: e.to_string(),
                })?;
        }
        self.update_remote(path, change).await
    }

    async fn update_remote<T, F>(&self, path: &str, change: F) -> Result<Option<T>>
    where
        T: Serialize + DeserializeOwned,
        F: Fn(Option<T>) -> Option<T>,
    {
        const ROUNDS_MAX: u32 = 8;
        let location = self.locate(path);
        for _ in 0..ROUNDS_MAX {
            let (old, mode) = match self.store.get(&location).await {
                Ok(found) => {
                    let version = UpdateVersion {
                        e_tag: found.meta.e_tag.clone(),
                        version: found.meta.version.clone(),
                    };
                    let bytes = found
                        .bytes()
                        .await
                        .map_err(|e| Error::from_object_store(path, e))?;
                    (Some(bytes), PutMode::Update(version))
                }
                Err(object_store::Error::NotFound { .. }) => (None, PutMode::Create),
                Err(error) => return Err(Error::from_object_store(path, error)),
            };
            let parsed = old.as_deref().map(|bytes| parse(path, bytes)).transpose()?;
            let Some(new) = change(parsed) else {
                return old.as_deref().map(|bytes| parse(path, bytes)).transpose();
            };
            let options = PutOptions::from(mode);
            let bytes = to_json(path, &new)?;
            match self.store.put_opts(&location, bytes.into(), options).await {
                Ok(_) => return Ok(Some(new)),
                Err(
                    object_store::Error::AlreadyExists { .. }
                    | object_store::Error::Precondition { .. },
                ) => {}
                Err(error) => return Err(Error::from_object_store(path, error)),
            }
        }
        Err(Error::Raced {
            path: path.to_owned(),
        })
    }
}

fn update_local<T, F>(root: &Path, path: &str, change: F) -> Result<Option<T>>
where
    T: Serialize + DeserializeOwned,
    F: Fn(Option<T>) -> Option<T>,
{
    let fail = |e: std::io::Error| Error::from_io(path, &e);
    let target = root.join(path);
    let folder = target.parent().unwrap_or(root);
    std::fs::create_dir_all(folder).map_err(fail)?;
    let locks = root.join(".locks");
    std::fs::create_dir_all(&locks).map_err(fail)?;
    let lock = File::create(locks.join(path.replace('/', "~"))).map_err(fail)?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| fail(e.into()))?;
    let old = match std::fs::read(&target) {
        Ok(bytes) => Some(Bytes::from(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(fail(error)),
    };
    let parsed = old.as_deref().map(|bytes| parse(path, bytes)).transpose()?;
    let Some(new) = change(parsed) else {
        return old.as_deref().map(|bytes| parse(path, bytes)).transpose();
    };
    let staged = locks.join(format!("{}.new", path.replace('/', "~")));
    let mut file = File::create(&staged).map_err(fail)?;
    file.write_all(&to_json(path, &new)?).map_err(fail)?;
    file.sync_all().map_err(fail)?;
    std::fs::rename(&staged, &target).map_err(fail)?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(fail)?;
    Ok(Some(new))
}
