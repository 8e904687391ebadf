//! Which storage a URL names.

use crate::disk::Disk;
use crate::{Error, Result, Storage, s3};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path as Location;
use std::path::Path;
use std::sync::Arc;
use url::Url;

/// How a local folder is opened.
type OpenDisk = fn(&str, &Path) -> Result<(Disk, LocalFileSystem)>;

impl Storage {
    /// Opens storage by URL: `file:///folder`, an absolute folder, `s3://bucket/prefix` (credentials
    /// and endpoint from the usual AWS variables) or `memory:` for tests. A local folder is made; a
    /// bucket is not, and is not asked for either.
    pub fn open(url: &str) -> Result<Self> {
        Self::open_by(url, &[], Disk::open)
    }

    /// Opens storage that somebody else has opened before: a local folder that [`Self::open`] did not
    /// make or find is refused, because what is written where a disk should be mounted is lost.
    pub fn join(url: &str) -> Result<Self> {
        Self::open_by(url, &[], Disk::open_marked)
    }

    /// Opens storage with settings of S3 that go before those of the environment and have the same
    /// names, such as `AWS_ENDPOINT_URL`.
    pub fn open_with(url: &str, settings: &[(&str, &str)]) -> Result<Self> {
        Self::open_by(url, settings, Disk::open)
    }

    fn open_by(url: &str, settings: &[(&str, &str)], open_disk: OpenDisk) -> Result<Self> {
        let invalid = |reason: &str| Error::Url {
            url: url.to_owned(),
            reason: reason.to_owned(),
        };
        let parsed = if url.starts_with('/') {
            Url::from_directory_path(url).map_err(|()| invalid("not an absolute folder"))?
        } else {
            Url::parse(url).map_err(|e| invalid(&e.to_string()))?
        };
        let (store, disk, prefix): (Arc<dyn object_store::ObjectStore>, _, _) =
            match parsed.scheme() {
                "file" => {
                    let root = parsed.to_file_path();
                    let root = root.map_err(|()| invalid("not a local folder"))?;
                    let (disk, store) = open_disk(url, &root)?;
                    (Arc::new(store), Some(disk), Location::ROOT)
                }
                "s3" => {
                    let (bucket, prefix) = s3::place(&parsed)?;
                    let store = s3::open(&parsed, bucket, settings)?;
                    (Arc::new(store), None, prefix)
                }
                "memory" => (Arc::new(InMemory::new()), None, Location::ROOT),
                other => return Err(invalid(&format!("scheme {other} is not supported"))),
            };
        Ok(Self {
            store,
            prefix,
            disk,
            url: url.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_names_no_storage_is_refused_with_the_reason() {
        for url in ["", "relative", "http://host/a", "s3:///a", "file://host/a"] {
            let error = Storage::open(url).err().expect(url);
            assert!(matches!(error, Error::Url { .. }), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn only_a_folder_that_was_opened_before_is_joined() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mount");
        let url = folder.to_str().unwrap();
        let refused = Storage::join(url).err().expect("there is no folder");
        assert!(
            refused.to_string().contains("is the disk mounted"),
            "{refused}"
        );
        assert!(!folder.exists(), "a folder was made");
        std::fs::create_dir(&folder).unwrap();
        assert!(Storage::join(url).is_err(), "an empty folder was taken");
        let opened = Storage::open(url).unwrap();
        let joined = Storage::join(url).unwrap();
        assert_eq!(joined.local_root(), opened.local_root());
        assert!(
            opened.names("").await.unwrap().is_empty(),
            "the mark is an object"
        );
        assert!(
            opened.list("").await.unwrap().is_empty(),
            "the mark is an object"
        );
        Storage::join("memory:").unwrap();
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_not_made_again_by_a_write() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("mount");
        let storage = Storage::open(folder.to_str().unwrap()).unwrap();
        storage.put("a", "before".into()).await.unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        let created = storage.put_if_absent("b", "b".into()).await.map(|_| ());
        let copied = storage.copy("a", "c").await.map(|_| ());
        for refused in [storage.put("a", "after".into()).await, created, copied] {
            let error = refused.expect_err("written beside the storage");
            assert_eq!(error.kind(), model::FailureKind::Storage, "{error}");
        }
        assert!(!folder.exists());
        // The place of a disk that was unmounted is an empty folder.
        std::fs::create_dir(&folder).unwrap();
        let error = storage.put("a", "after".into()).await.unwrap_err();
        assert!(error.to_string().contains("is its disk mounted"), "{error}");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn a_folder_is_made_where_there_is_none() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a b/ä");
        let storage = Storage::open(folder.to_str().unwrap()).unwrap();
        assert!(folder.is_dir());
        let url = Url::from_directory_path(&folder).unwrap();
        let again = Storage::open(url.as_str()).unwrap();
        assert_eq!(again.local_root(), storage.local_root());
    }
}
