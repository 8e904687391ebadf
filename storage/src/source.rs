//! Sources: read-only, by URL, below roots that the operator allows. The bytes are not looked at
//! here; a node hands them to a sandboxed worker.

use crate::{Error, Result};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// Read in steps of this size when a whole source is hashed.
const HASH_STEP_BYTES: u64 = 4 << 20;

/// Which sources may be read: folders and `s3://bucket/prefix` URLs.
#[derive(Debug, Clone, Default)]
pub struct SourceRoots {
    folders: Vec<PathBuf>,
    prefixes: Vec<String>,
}

impl SourceRoots {
    /// Reads a list of roots: absolute folders, `file:` URLs or `s3://bucket/prefix`.
    pub fn new<'a>(roots: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut found = Self::default();
        for root in roots {
            let folder = match root.strip_prefix("file://") {
                Some(path) => Some(path),
                None if root.starts_with('/') => Some(root),
                None => None,
            };
            match folder {
                Some(path) => {
                    let folder = PathBuf::from(path);
                    found.folders.push(
                        folder
                            .canonicalize()
                            .map_err(|e| Error::from_io(root, &e))?,
                    );
                }
                None if root.starts_with("s3://") => {
                    found
                        .prefixes
                        .push(format!("{}/", root.trim_end_matches('/')));
                }
                None => {
                    return Err(Error::Url {
                        url: root.to_owned(),
                        reason: "not an absolute folder or an s3 URL".to_owned(),
                    });
                }
            }
        }
        Ok(found)
    }

    /// The local file of a `file` URL, if it lies below an allowed folder; links are followed first.
    fn local_file(&self, url: &str) -> Result<PathBuf> {
        let invalid = |reason: &str| Error::Url {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let parsed = url::Url::parse(url).map_err(|e| invalid(&e.to_string()))?;
        let path = parsed
            .to_file_path()
            .map_err(|()| invalid("not a local file"))?;
        let path = path.canonicalize().map_err(|e| Error::from_io(url, &e))?;
        if !self.folders.iter().any(|folder| path.starts_with(folder)) {
            return Err(invalid("is not below an allowed source root"));
        }
        Ok(path)
    }

    /// Whether the scheme and place of a URL are allowed, without looking whether it exists.
    pub fn allow(&self, url: &str) -> Result<()> {
        if url.starts_with("s3://") {
            let inside = self
                .prefixes
                .iter()
                .any(|prefix| url.starts_with(prefix.as_str()));
            let climbs = url.split('/').any(|part| part == ".." || part == ".");
            if inside && !climbs {
                return Ok(());
            }
            let reason = "is not below an allowed source root".to_owned();
            return Err(Error::Url {
                url: url.to_owned(),
                reason,
            });
        }
        self.local_file(url).map(|_| ())
    }
}

/// One source.
#[derive(Clone)]
pub struct Source {
    store: Arc<dyn ObjectStore>,
    path: Path,
    url: String,
    size_bytes: u64,
    identity: String,
}

impl Source {
    /// Opens a source; fails when it is not below a root, not there or not readable.
    pub async fn open(url: &str, roots: &SourceRoots) -> Result<Self> {
        roots.allow(url)?;
        let (store, path): (Arc<dyn ObjectStore>, Path) = if url.starts_with("s3://") {
            let invalid = |reason: String| Error::Url {
                url: url.to_owned(),
                reason,
            };
            let parsed = url::Url::parse(url).map_err(|e| invalid(e.to_string()))?;
            let bucket = parsed
                .host_str()
                .ok_or_else(|| invalid("no bucket".to_owned()))?;
            let store = object_store::aws::AmazonS3Builder::from_env()
                .with_bucket_name(bucket)
                .build()
                .map_err(|e| invalid(e.to_string()))?;
            let path = Path::from_url_path(parsed.path()).map_err(|e| invalid(e.to_string()))?;
            (Arc::new(store), path)
        } else {
            let file = roots.local_file(url)?;
            if !file.is_file() {
                let reason = "is not a file".to_owned();
                return Err(Error::Url {
                    url: url.to_owned(),
                    reason,
                });
            }
            std::fs::File::open(&file).map_err(|e| Error::from_io(url, &e))?;
            let path = Path::from_absolute_path(&file).map_err(|e| Error::Url {
                url: url.to_owned(),
                reason: e.to_string(),
            })?;
            (Arc::new(object_store::local::LocalFileSystem::new()), path)
        };
        let meta = store
            .head(&path)
            .await
            .map_err(|e| Error::from_object_store(url, e))?;
        Ok(Self {
            store,
            path,
            url: url.to_owned(),
            size_bytes: meta.size,
            identity: meta.e_tag.unwrap_or_else(|| format!("{:?}", meta.last_modified)),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes when the content under the URL does, as far as storage can tell (ETag, or time of change):
    /// for caches. The same content may have another identity on another host.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Reads a range; a range past the end is cut.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let range = range.start.min(self.size_bytes)..range.end.min(self.size_bytes);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        self.store
            .get_range(&self.path, range)
            .await
            .map_err(|e| Error::from_object_store(&self.url, e))
    }

    /// SHA-256 of the whole source, lower-case hexadecimal.
    pub async fn sha256(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < self.size_bytes {
            let step = self.read(at..at + HASH_STEP_BYTES).await?;
            if step.is_empty() {
                let reason = format!("ends at byte {at} of {}", self.size_bytes);
                return Err(Error::Corrupt {
                    path: self.url.clone(),
                    reason,
                });
            }
            at += step.len() as u64;
            hasher = tokio::task::spawn_blocking(move || {
                hasher.update(&step);
                hasher
            })
            .await
            .map_err(|e| Error::Failed {
                path: self.url.clone(),
                reason: e.to_string(),
            })?;
        }
        Ok(hex::encode(hasher.finalize()))
    }
}
