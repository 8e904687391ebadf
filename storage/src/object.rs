//! Objects by path. Every write is whole and durable when it returns; deletes are not synced, since a
//! deleted object that comes back after a power cut harms nobody.

use crate::disk::Disk;
use crate::name::LOCKS;
use crate::{Error, Result, name};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::sync::Arc;

/// Object storage with a root; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// Where storage is a local disk.
    pub(crate) disk: Option<Disk>,
    pub(crate) url: String,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Path below the root.
    pub path: String,
    /// Size.
    pub size_bytes: u64,
}

/// Result of a create-if-absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is new.
    New,
    /// There was one already; it is as it was.
    Existed,
}

impl Storage {
    /// The URL that it was opened with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The root folder, where storage is a local disk.
    pub fn local_root(&self) -> Option<&std::path::Path> {
        self.disk.as_ref().map(Disk::root)
    }

    /// Where an object is that shall be written. Fails when the folder of the storage is gone, which a
    /// write would make again.
    pub(crate) fn locate(&self, path: &str) -> Result<Path> {
        if self.disk.as_ref().is_some_and(Disk::is_gone) {
            return Err(Error::Failed {
                path: path.to_owned(),
                reason: format!("the storage {} is gone; is its disk mounted", self.url),
            });
        }
        let below = name::object(path).map_err(|reason| unusable(path, reason))?;
        Ok(self.below(&below))
    }

    /// Where an object is that shall be read: what cannot be named cannot be there.
    fn find(&self, path: &str) -> Result<Path> {
        let below = name::object(path).map_err(|_| Error::NotFound {
            path: path.to_owned(),
        })?;
        Ok(self.below(&below))
    }

    fn folder(&self, path: &str) -> Result<Path> {
        let below = name::folder(path).map_err(|reason| unusable(path, reason))?;
        Ok(self.below(&below))
    }

    fn below(&self, path: &Path) -> Path {
        if self.prefix.is_root() {
            return path.clone();
        }
        let both = [self.prefix.as_ref(), path.as_ref()].join("/");
        Path::parse(both).expect("two valid paths joined, the first of them not empty")
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Bytes> {
        let fail = |e| Error::from_object_store(path, e);
        let found = self.store.get(&self.find(path)?).await.map_err(fail)?;
        found.bytes().await.map_err(fail)
    }

    /// Reads a part of an object; short at its end, empty past it.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        let location = self.find(path)?;
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let start = range.start;
        match self.store.get_range(&location, range).await {
            Ok(bytes) => Ok(bytes),
            // Each kind of storage has an error of its own for a range that starts past the end.
            Err(error) => match self.size(path).await {
                Ok(size) if start >= size => Ok(Bytes::new()),
                _ => Err(Error::from_object_store(path, error)),
            },
        }
    }

    /// Size of an object.
    pub async fn size(&self, path: &str) -> Result<u64> {
        let found = self.store.head(&self.find(path)?).await;
        found
            .map(|meta| meta.size)
            .map_err(|e| Error::from_object_store(path, e))
    }

    /// Whether there is such an object.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.size(path).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Writes an object, over an older one if there is one. Nobody sees it half written, and what a killed
    /// writer of the same object has left beside it goes.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let location = self.locate(path)?;
        if let Some(disk) = self.disk.clone() {
            let done = blocking(path, move || disk.put(&location, &bytes)).await;
            return done.map_err(Error::of_write);
        }
        let put = self.store.put(&location, bytes.into()).await;
        put.map(|_| ())
            .map_err(|e| Error::from_object_store(path, e).of_write())
    }

    /// Writes an object unless there is one. [`Error::Raced`] when another writer is at it and it is
    /// not known yet who comes first.
    pub async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Created> {
        let location = self.locate(path)?;
        if let Some(disk) = self.disk.clone() {
            let made = blocking(path, move || disk.put_if_absent(&location, &bytes)).await;
            return made.map_err(Error::of_write);
        }
        let options = PutOptions::from(PutMode::Create);
        match self.store.put_opts(&location, bytes.into(), options).await {
            Ok(_) => Ok(Created::New),
            Err(object_store::Error::AlreadyExists { source, .. }) if is_undecided(&*source) => {
                Err(Error::Raced {
                    path: path.to_owned(),
                })
            }
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Created::Existed),
            Err(error) => Err(Error::from_object_store(path, error).of_write()),
        }
    }

    /// Copies an object without moving its bytes through this machine: a hard link on a local disk,
    /// a server-side copy on S3 (up to 5 GiB). Replaces the target.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let (source, target) = (self.find(from)?, self.locate(to)?);
        if let Some(disk) = self.disk.clone() {
            return blocking(from, move || disk.copy(&source, &target)).await;
        }
        let copied = self.store.copy(&source, &target).await;
        copied.map_err(|e| Error::from_object_store(from, e))
    }

    /// Removes an object; removing what is not there is no error.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&self.locate(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::from_object_store(path, error)),
        }
    }

    /// All objects below a folder, in the order of their paths. A folder that is not there is empty.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let root = self.folder(folder)?;
        let metas: Vec<_> = self
            .store
            .list(Some(&root))
            .try_collect()
            .await
            .map_err(|e| Error::from_object_store(folder, e))?;
        let mut objects: Vec<Object> = metas
            .into_iter()
            .filter_map(|meta| {
                let path: Vec<_> = meta.location.prefix_match(&self.prefix)?.collect();
                let path: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
                (path.first() != Some(&LOCKS)).then(|| Object {
                    path: path.join("/"),
                    size_bytes: meta.size,
                })
            })
            .collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// Names of the folders and objects directly below a folder, in order.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let root = self.folder(folder)?;
        let listed = self.store.list_with_delimiter(Some(&root)).await;
        let listed = listed.map_err(|e| Error::from_object_store(folder, e))?;
        let objects = listed.objects.iter().map(|meta| &meta.location);
        let mut names: Vec<String> = listed
            .common_prefixes
            .iter()
            .chain(objects)
            .filter_map(|path| path.filename().map(str::to_owned))
            .filter(|name| !folder.is_empty() || name != LOCKS)
            .collect();
        names.sort();
        // On S3 an object and a folder may have the same name.
        names.dedup();
        Ok(names)
    }

    /// Reads a JSON object.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let bytes = self.get(path).await?;
        parse(path, &bytes)
    }

    /// Reads a JSON object that may be absent.
    pub async fn find_json<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        match self.get_json(path).await {
            Ok(value) => Ok(Some(value)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes a JSON object, over an older one if there is one.
    pub async fn put_json<T: Serialize>(&self, path: &str, value: &T) -> Result<()> {
        self.put(path, to_json(path, value)?).await
    }

    /// Writes a JSON object unless there is one.
    pub async fn put_json_if_absent<T: Serialize>(&self, path: &str, value: &T) -> Result<Created> {
        self.put_if_absent(path, to_json(path, value)?).await
    }
}

pub(crate) fn parse<T: DeserializeOwned>(path: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| Error::Corrupt {
        path: path.to_owned(),
        reason: e.to_string(),
    })
}

pub(crate) fn to_json<T: Serialize>(path: &str, value: &T) -> Result<Bytes> {
    serde_json::to_vec_pretty(value)
        .map(Bytes::from)
        .map_err(|e| Error::Corrupt {
            path: path.to_owned(),
            reason: e.to_string(),
        })
}

/// S3 says 412 when there is an object, and 409 when another write is under way that may yet fail.
/// The library makes the same error of both, around a different cause.
fn is_undecided(cause: &dyn std::error::Error) -> bool {
    cause
        .to_string()
        .contains("<Code>ConditionalRequestConflict</Code>")
}

fn unusable(path: &str, reason: String) -> Error {
    Error::Url {
        url: path.to_owned(),
        reason,
    }
}

/// Works on the disk where it does not hold up others.
async fn blocking<T: Send + 'static>(
    path: &str,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| Error::from_io(path, &e)),
        Err(error) => Err(Error::Failed {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
