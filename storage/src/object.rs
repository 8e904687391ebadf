//! Objects by path.

use crate::{Error, Result};
use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Object storage with a root; cheap to clone.
#[derive(Clone)]
pub struct Storage {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) prefix: Path,
    /// The root folder, where storage is a local disk.
    pub(crate) local: Option<PathBuf>,
    url: String,
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
    /// Opens storage by URL: `file:///folder`, an absolute folder, `s3://bucket/prefix` (credentials
    /// and endpoint from the usual AWS variables) or `memory:` for tests. A local folder is made.
    pub fn open(url: &str) -> Result<Self> {
        let parsed = if url.starts_with('/') {
            url::Url::from_directory_path(url)
                .map_err(|()| invalid(url, "not an absolute folder"))?
        } else {
            url::Url::parse(url).map_err(|e| invalid(url, &e.to_string()))?
        };
        match parsed.scheme() {
            "file" => Self::open_local(url, &parsed),
            "s3" => {
                let bucket = parsed.host_str().ok_or_else(|| invalid(url, "no bucket"))?;
                let store = object_store::aws::AmazonS3Builder::from_env()
                    .with_bucket_name(bucket)
                    .with_conditional_put(object_store::aws::S3ConditionalPut::ETagMatch)
                    .build()
                    .map_err(|e| invalid(url, &e.to_string()))?;
                let prefix = Path::from(parsed.path().trim_matches('/'));
                Ok(Self {
                    store: Arc::new(store),
                    prefix,
                    local: None,
                    url: url.to_owned(),
                })
            }
            "memory" => Ok(Self {
                store: Arc::new(object_store::memory::InMemory::new()),
                prefix: Path::default(),
                local: None,
                url: url.to_owned(),
            }),
            other => Err(invalid(url, &format!("scheme {other} is not supported"))),
        }
    }

    fn open_local(url: &str, parsed: &url::Url) -> Result<Self> {
        let root = parsed
            .to_file_path()
            .map_err(|()| invalid(url, "not a local folder"))?;
        std::fs::create_dir_all(&root).map_err(|e| Error::from_io(url, &e))?;
        let root = root.canonicalize().map_err(|e| Error::from_io(url, &e))?;
        let store = object_store::local::LocalFileSystem::new_with_prefix(&root)
            .map_err(|e| Error::from_object_store(url, e))?;
        let prefix = Path::default();
        Ok(Self {
            store: Arc::new(store),
            prefix,
            local: Some(root),
            url: url.to_owned(),
        })
    }

    /// The URL that it was opened with.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The root folder, where storage is a local disk.
    pub fn local_root(&self) -> Option<&std::path::Path> {
        self.local.as_deref()
    }

    pub(crate) fn locate(&self, path: &str) -> Path {
        self.prefix
            .parts()
            .chain(Path::from(path).parts())
            .collect()
    }

    /// Reads an object.
    pub async fn get(&self, path: &str) -> Result<Bytes> {
        let fail = |e| Error::from_object_store(path, e);
        let found = self.store.get(&self.locate(path)).await.map_err(fail)?;
        found.bytes().await.map_err(fail)
    }

    /// Reads a part of an object; short only at its end.
    pub async fn get_range(&self, path: &str, range: Range<u64>) -> Result<Bytes> {
        self.store
            .get_range(&self.locate(path), range)
            .await
            .map_err(|e| Error::from_object_store(path, e))
    }

    /// Size of an object.
    pub async fn size(&self, path: &str) -> Result<u64> {
        let found = self.store.head(&self.locate(path)).await;
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

    /// Writes an object, over an older one if there is one. Nobody sees it half written.
    pub async fn put(&self, path: &str, bytes: Bytes) -> Result<()> {
        let put = self.store.put(&self.locate(path), bytes.into()).await;
        put.map(|_| ())
            .map_err(|e| Error::from_object_store(path, e))
    }

    /// Writes an object unless there is one.
    pub async fn put_if_absent(&self, path: &str, bytes: Bytes) -> Result<Created> {
        let options = PutOptions::from(PutMode::Create);
        match self
            .store
            .put_opts(&self.locate(path), bytes.into(), options)
            .await
        {
            Ok(_) => Ok(Created::New),
            Err(
                object_store::Error::AlreadyExists { .. }
                | object_store::Error::Precondition { .. },
            ) => Ok(Created::Existed),
            Err(error) => Err(Error::from_object_store(path, error)),
        }
    }

    /// Copies an object without moving its bytes through this machine: a hard link on a local disk,
    /// a server-side copy on S3. Replaces the target.
    pub async fn copy(&self, from: &str, to: &str) -> Result<()> {
        let copied = self.store.copy(&self.locate(from), &self.locate(to)).await;
        copied.map_err(|e| Error::from_object_store(from, e))
    }

    /// Removes an object; removing what is not there is no error.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&self.locate(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::from_object_store(path, error)),
        }
    }

    /// All objects below a folder, by path.
    pub async fn list(&self, folder: &str) -> Result<Vec<Object>> {
        let root = self.locate(folder);
        let metas: Vec<_> = self
            .store
            .list(Some(&root))
            .try_collect()
            .await
            .map_err(|e| Error::from_object_store(folder, e))?;
        let skip = self.prefix.parts().count();
        let mut objects: Vec<Object> = metas
            .into_iter()
            .map(|meta| {
                let path: Path = meta.location.parts().skip(skip).collect();
                Object {
                    path: path.to_string(),
                    size_bytes: meta.size,
                }
            })
            .collect();
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// Names of the folders and objects directly below a folder, in order.
    pub async fn names(&self, folder: &str) -> Result<Vec<String>> {
        let listed = self
            .store
            .list_with_delimiter(Some(&self.locate(folder)))
            .await
            .map_err(|e| Error::from_object_store(folder, e))?;
        let objects = listed.objects.iter().map(|meta| &meta.location);
        let mut names: Vec<String> = listed
            .common_prefixes
            .iter()
            .chain(objects)
            .filter_map(|path| path.filename().map(str::to_owned))
            .collect();
        names.sort();
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

fn invalid(url: &str, reason: &str) -> Error {
    Error::Url {
        url: url.to_owned(),
        reason: reason.to_owned(),
    }
}
