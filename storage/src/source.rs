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
use std::fs::File;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Read in steps of this size when a whole source is hashed.
const HASH_STEP_BYTES: u64 = 4 << 20;

/// One source; cheap to clone.
#[derive(Clone)]
pub struct Source {
    content: Content,
    url: Arc<str>,
    size_bytes: u64,
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
        let roots = roots.clone();
        let named = url.to_owned();
        let place = blocking(url, move || roots.place(&named).map(|place| (place, roots))).await?;
        let (content, size_bytes) = match place {
            (Place::File(path), roots) => {
                let named = url.to_owned();
                blocking(url, move || open_file(&named, &path, &roots)).await?
            }
            (Place::Object(parsed, bucket, path), _) => {
                let store = Arc::new(s3::open(&parsed, &bucket, &[])?);
                let meta = store.head(&path).await;
                let meta = meta.map_err(|e| Error::from_object_store(url, e).of_source())?;
                let e_tag = meta.e_tag;
                (Content::Object { store, path, e_tag }, meta.size)
            }
        };
        Ok(Self {
            content,
            url: url.into(),
            size_bytes,
        })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
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
                let (file, url) = (Arc::clone(file), Arc::clone(&self.url));
                blocking(&self.url, move || read_file(&file, &url, range)).await
            }
            Content::Object { store, path, e_tag } => {
                let options = GetOptions {
                    range: Some(GetRange::Bounded(range)),
                    if_match: e_tag.clone(),
                    ..GetOptions::default()
                };
                let fail = |e| Error::from_object_store(&self.url, e).of_source();
                let found = store.get_opts(path, options).await.map_err(fail)?;
                found.bytes().await.map_err(fail)
            }
        }
    }

    /// SHA-256 of the whole source, lower-case hexadecimal.
    pub async fn sha256(&self) -> Result<String> {
        let mut hasher = Sha256::new();
        let mut at = 0;
        while at < self.size_bytes {
            let step = self.read(at..at + HASH_STEP_BYTES).await?;
            if step.is_empty() {
                return Err(cut(&self.url));
            }
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

fn cut(url: &str) -> Error {
    Error::Source {
        url: url.to_owned(),
        reason: "became shorter while it was read".to_owned(),
    }
}

/// Opens a file that was a regular file below a root a moment ago, and looks again at what was opened.
fn open_file(url: &str, path: &std::path::Path, roots: &SourceRoots) -> Result<(Content, u64)> {
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
    Ok((Content::File(Arc::new(file)), meta.len()))
}

fn read_file(file: &File, url: &str, range: Range<u64>) -> Result<Bytes> {
    let mut bytes = vec![0; (range.end - range.start) as usize];
    match file.read_exact_at(&mut bytes, range.start) {
        Ok(()) => Ok(bytes.into()),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(cut(url)),
        Err(error) => Err(Error::from_io(url, &error)),
    }
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
