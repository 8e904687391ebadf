//! Where sources may lie: folders and prefixes of buckets that the operator names. A URL is read once,
//! into a place, and the place is what is compared and opened; text is never compared with text.

use crate::{Error, Result, s3};
use object_store::path::Path;
use std::path::PathBuf;
use url::Url;

/// Which sources may be read: folders and `s3://bucket/prefix` URLs. Without any, none.
#[derive(Debug, Clone, Default)]
pub struct SourceRoots {
    folders: Vec<PathBuf>,
    prefixes: Vec<(String, Path)>,
}

/// A source that may be read.
pub(crate) enum Place {
    /// A file; no part of its path is a link.
    File(PathBuf),
    /// An object: the URL, the bucket and the key.
    Object(Url, String, Path),
}

impl SourceRoots {
    /// Reads a list of roots: absolute folders, `file:` URLs or `s3://bucket/prefix`. A folder must be
    /// there: its links are followed now, once.
    pub fn new<'a>(roots: impl IntoIterator<Item = &'a str>) -> Result<Self> {
        let mut found = Self::default();
        for root in roots {
            let invalid = |reason: &str| Error::Url {
                url: root.to_owned(),
                reason: reason.to_owned(),
            };
            let folder = if root.starts_with('/') {
                PathBuf::from(root)
            } else {
                let neither = "is no absolute folder and no s3 URL";
                let url = Url::parse(root).map_err(|_| invalid(neither))?;
                match url.scheme() {
                    "s3" => {
                        let (bucket, prefix) = s3::place(&url)?;
                        found.prefixes.push((bucket.to_owned(), prefix));
                        continue;
                    }
                    "file" => local_path(&url).map_err(|reason| invalid(&reason))?,
                    _ => return Err(invalid(neither)),
                }
            };
            let folder = folder.canonicalize();
            let folder = folder.map_err(|e| Error::from_io(root, &e).of_source())?;
            if !folder.is_dir() {
                return Err(invalid("is no folder"));
            }
            found.folders.push(folder);
        }
        Ok(found)
    }

    /// Whether a source may be read. A file must be there, since its links are followed to see where
    /// it lies; whether an object is there is not asked.
    pub fn allow(&self, url: &str) -> Result<()> {
        self.place(url).map(|_| ())
    }

    pub(crate) fn place(&self, url: &str) -> Result<Place> {
        let invalid = |reason: String| Error::Url {
            url: url.to_owned(),
            reason,
        };
        let outside = |real: &str| invalid(self.refusal(real));
        let parsed = Url::parse(url).map_err(|e| invalid(e.to_string()))?;
        match parsed.scheme() {
            "file" => {
                let path = local_path(&parsed).map_err(invalid)?;
                let path = path.canonicalize();
                let path = path.map_err(|e| Error::from_io(url, &e).of_source())?;
                if !self.is_allowed(&path) {
                    return Err(outside(&format!("{} ", path.display())));
                }
                if !path.is_file() {
                    return Err(Error::Source {
                        url: url.to_owned(),
                        reason: "is no file".to_owned(),
                    });
                }
                Ok(Place::File(path))
            }
            "s3" => {
                let (bucket, key) = s3::place(&parsed)?;
                let holds = |(name, prefix): &(String, Path)| {
                    let below = key
                        .prefix_match(prefix)
                        .map(|mut rest| rest.next().is_some());
                    name == bucket && below == Some(true)
                };
                if !self.prefixes.iter().any(holds) {
                    return Err(outside(""));
                }
                let bucket = bucket.to_owned();
                Ok(Place::Object(parsed, bucket, key))
            }
            other => Err(invalid(format!("scheme {other} is not supported"))),
        }
    }

    /// Why a place is refused, for the operator who can allow it; begins with the real one.
    fn refusal(&self, real: &str) -> String {
        let folders = self
            .folders
            .iter()
            .map(|folder| folder.display().to_string());
        let prefixes = self
            .prefixes
            .iter()
            .map(|(bucket, prefix)| format!("s3://{bucket}/{prefix}"));
        let roots: Vec<String> = folders.chain(prefixes).collect();
        let roots = match roots.is_empty() {
            true => "none is allowed".to_owned(),
            false => roots.join(", "),
        };
        format!(
            "{real}is not below an allowed source root ({roots}); --source-root or \
             MAGPIE_SOURCES allows more, on the scheduler and on every node"
        )
    }

    /// Whether a path without links lies below a root.
    pub(crate) fn is_allowed(&self, path: &std::path::Path) -> bool {
        self.folders.iter().any(|folder| path.starts_with(folder))
    }
}

fn local_path(url: &Url) -> std::result::Result<PathBuf, String> {
    if url.query().is_some() || url.fragment().is_some() {
        return Err("? and # are written %3F and %23 in a URL".to_owned());
    }
    url.to_file_path()
        .map_err(|()| "is not on this host".to_owned())
}

#[cfg(test)]
mod tests;
