//! Sources: read-only, by URL, below roots that the operator allows. The bytes are not looked at
//! here; a node hands them to a sandboxed worker.
//!
//! A source is held: a file by its descriptor, an object by its ETag. Whoever may write in a source
//! root can swap what a name stands for, and would otherwise choose what is read after the check.

use crate::source_roots::{Place, SourceRoots};
use crate::{Error, Result, s3};
use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};
use std::fs::{File, Metadata};
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

/// Read in steps of this size when a whole source is hashed.
const HASH_STEP_BYTES: u64 = 4 << 20;

/// One source; cheap to clone.
#[derive(Clone)]
pub struct Source {
    content: Content,
    url: Arc<str>,
    size_bytes: u64,
    identity: Arc<str>,
}

/// What was opened.
struct Opened {
    content: Content,
    size_bytes: u64,
    identity: String,
}

#[derive(Clone)]
enum Content {
    File(Arc<File>),
    Object {
        store: Arc<dyn ObjectStore>,
        path: Path,
        e_tag: Option<String>,
    },
}

impl Source {
    /// Opens a source; fails when it is not below a root, not there or not readable.
    pub async fn open(url: &str, roots: &SourceRoots) -> Result<Self> {
        Self::open_with(url, roots, &[]).await
    }

    /// Opens a source with settings of S3 that go before those of the environment and have the same
    /// names, such as `AWS_ENDPOINT_URL`.
    pub async fn open_with(
        url: &str,
        roots: &SourceRoots,
        settings: &[(&str, &str)],
    ) -> Result<Self> {
        let roots = roots.clone();
        let named = url.to_owned();
        let place = blocking(url, move || roots.place(&named).map(|place| (place, roots))).await?;
        let opened = match place {
            (Place::File(path), roots) => {
                let named = url.to_owned();
                blocking(url, move || open_file(&named, &path, &roots)).await?
            }
            (Place::Object(parsed, bucket, path), _) => {
                let store = Arc::new(s3::open(&parsed, &bucket, settings)?);
                let meta = store.head(&path).await;
                let meta = meta.map_err(|e| Error::from_object_store(url, e).of_source())?;
                let (e_tag, time) = (meta.e_tag, meta.last_modified);
                Opened {
                    identity: e_tag.clone().unwrap_or_else(|| time.to_rfc3339()),
                    content: Content::Object { store, path, e_tag },
                    size_bytes: meta.size,
                }
            }
        };
        Ok(Self {
            content: opened.content,
            url: url.into(),
            size_bytes: opened.size_bytes,
            identity: opened.identity.into(),
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Changes when the content under the URL does, as far as storage can tell (ETag, or time of
    /// change): for caches. The same content may have another identity on another host.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Its size when it was opened.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Reads a range; a range past the end is cut. Fails when the source is not what was opened.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let range = range.start.min(self.size_bytes)..range.end.min(self.size_bytes);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        match &self.content {
            Content::File(file) => {
                let (file, opened) = (Arc::clone(file), self.clone());
                blocking(&self.url, move || read_file(&file, &opened, range)).await
            }
            Content::Object { store, path, e_tag } => {
                let length = range.end - range.start;
                let options = GetOptions {
                    range: Some(GetRange::Bounded(range)),
                    if_match: e_tag.clone(),
                    ..GetOptions::default()
                };
                let fail = |e| Error::from_object_store(&self.url, e).of_source();
                let found = store.get_opts(path, options).await.map_err(fail)?;
                let bytes = found.bytes().await.map_err(fail)?;
                if bytes.len() as u64 != length {
                    return Err(Error::Failed {
                        path: self.url.to_string(),
                        reason: format!("{} bytes came for {length}", bytes.len()),
                    });
                }
                Ok(bytes)
            }
        }
    }

    /// SHA-256 of the whole source, lower-case hexadecimal.
    pub async fn sha256(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < self.size_bytes {
            let step = self.read(at..at + HASH_STEP_BYTES).await?;
            at += step.len() as u64;
            hasher = blocking(&self.url, move || {
                hasher.update(&step);
                Ok(hasher)
            })
            .await?;
        }
        Ok(hex::encode(hasher.finalize()))
    }
}

/// Opens a file that was a regular file below a root a moment ago, and looks again at what was opened.
fn open_file(url: &str, path: &std::path::Path, roots: &SourceRoots) -> Result<Opened> {
    let fail = |e: std::io::Error| Error::from_io(url, &e).of_source();
    let refuse = |reason: &str| Error::Source {
        url: url.to_owned(),
        reason: reason.to_owned(),
    };
    // Opening a FIFO that nobody writes to would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| fail(e.into()))?;
    let file = File::from(file);
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        return Err(refuse("is no file"));
    }
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd()));
    if !roots.is_allowed(&opened.map_err(fail)?) {
        return Err(refuse("was changed while it was opened"));
    }
    Ok(Opened {
        content: Content::File(Arc::new(file)),
        size_bytes: meta.len(),
        identity: identity(&meta),
    })
}

/// Which file it is, and in which state.
fn identity(meta: &Metadata) -> String {
    let time = (meta.mtime(), meta.mtime_nsec());
    format!("{}-{}-{}-{time:?}", meta.dev(), meta.ino(), meta.len())
}

fn read_file(file: &File, opened: &Source, range: Range<u64>) -> Result<Bytes> {
    let fail = |e: std::io::Error| Error::from_io(&opened.url, &e);
    let mut bytes = vec![0; (range.end - range.start) as usize];
    let read = file.read_exact_at(&mut bytes, range.start);
    // Looked at after the bytes: what was written before them is then seen.
    if *identity(&file.metadata().map_err(fail)?) != *opened.identity {
        let path = opened.url.to_string();
        return Err(Error::Raced { path }.of_source());
    }
    read.map_err(fail)?;
    Ok(bytes.into())
}

async fn blocking<T: Send + 'static>(
    url: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::Failed {
            path: url.to_owned(),
            reason: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests;
