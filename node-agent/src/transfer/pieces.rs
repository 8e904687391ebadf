//! Pieces of output in storage: bytes under their content key and hash, then facts under the key. The
//! facts are created if absent, and so decide: other facts for the same key mean that equal inputs
//! gave unequal bytes, which is an incident and never an overwrite.

use super::retry::retrying;
use bytes::Bytes;
use model::{Failure, FailureKind, layout};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use storage::{Created, Error, Storage};

/// SHA-256, lower-case hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The same, off the threads that must not wait.
pub(crate) async fn digest_aside(bytes: Bytes) -> Result<String, Failure> {
    tokio::task::spawn_blocking(move || digest(&bytes))
        .await
        .map_err(|e| Failure::new(FailureKind::Bug, "hash", e.to_string()))
}

/// An object and what it must hold.
pub(crate) struct Content<'a> {
    /// Where it is.
    pub(crate) path: &'a str,
    /// SHA-256 of it.
    pub(crate) sha256: &'a str,
    /// Size of it.
    pub(crate) size_bytes: u64,
}

/// Storage as tasks use it: retried, with failures that say the path.
#[derive(Clone)]
pub(crate) struct Pieces {
    storage: Storage,
}

fn failed(error: &Error) -> Failure {
    Failure::new(error.kind(), "storage", error.to_string())
}

impl Pieces {
    /// Works on this storage.
    pub(crate) fn new(storage: Storage) -> Self {
        Self { storage }
    }

    /// Reads an object.
    pub(crate) async fn get(&self, path: &str) -> Result<Bytes, Failure> {
        retrying(|| self.storage.get(path))
            .await
            .map_err(|e| failed(&e))
    }

    /// Reads a JSON object.
    pub(crate) async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        retrying(|| self.storage.get_json(path))
            .await
            .map_err(|e| failed(&e))
    }

    /// Facts under a key; `None` where there are none, or none that can be read.
    pub(crate) async fn find_facts<T: DeserializeOwned>(
        &self,
        key: &str,
    ) -> Result<Option<T>, Failure> {
        self.find_json(&layout::facts(key)).await
    }

    /// A JSON object; `None` where there is none, or none that can be read.
    pub(crate) async fn find_json<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        match retrying(|| self.storage.find_json(path)).await {
            Err(error @ Error::Corrupt { .. }) => {
                tracing::warn!(%error, "damaged facts");
                Ok(None)
            }
            found => found.map_err(|e| failed(&e)),
        }
    }

    /// An object, if it is there and its bytes hash to this.
    pub(crate) async fn find_whole(
        &self,
        path: &str,
        sha256: &str,
    ) -> Result<Option<Bytes>, Failure> {
        match retrying(|| self.storage.get(path)).await {
            Ok(bytes) => Ok((digest_aside(bytes.clone()).await? == sha256).then_some(bytes)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Size of an object; `None` where there is none.
    pub(crate) async fn size(&self, path: &str) -> Result<Option<u64>, Failure> {
        match retrying(|| self.storage.size(path)).await {
            Ok(size) => Ok(Some(size)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(&error)),
        }
    }

    /// Writes an object, over an older one if there is one.
    pub(crate) async fn put(&self, path: &str, bytes: Bytes) -> Result<(), Failure> {
        retrying(|| self.storage.put(path, bytes.clone()))
            .await
            .map_err(|e| failed(&e))
    }

    /// Writes a JSON object, over an older one if there is one.
    pub(crate) async fn put_json<T: Serialize + Sync>(
        &self,
        path: &str,
        value: &T,
    ) -> Result<(), Failure> {
        retrying(|| self.storage.put_json(path, value))
            .await
            .map_err(|e| failed(&e))
    }

    /// Copies an object inside storage, unless the target is that copy already. What is there is left
    /// alone: on a local disk both names are then one file, and renaming a link over itself leaves
    /// the link behind.
    pub(crate) async fn copy(&self, from: &Content<'_>, to: &str) -> Result<(), Failure> {
        if let Some(size) = self.size(to).await? {
            if size == from.size_bytes && digest(&self.get(to).await?) == from.sha256 {
                return Ok(());
            }
            let deleted = retrying(|| self.storage.delete(to)).await;
            deleted.map_err(|e| failed(&e))?;
        }
        let copied = retrying(|| self.storage.copy(from.path, to)).await;
        copied.map_err(|e| failed(&e))
    }

    /// Paths below a folder with their sizes.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<storage::Object>, Failure> {
        retrying(|| self.storage.list(folder))
            .await
            .map_err(|e| failed(&e))
    }

    /// Writes bytes under key and hash; returns the hash.
    pub(crate) async fn put_bytes(
        &self,
        key: &str,
        extension: &str,
        bytes: Bytes,
    ) -> Result<String, Failure> {
        let sha256 = digest_aside(bytes.clone()).await?;
        self.put_hashed((key, &sha256), extension, bytes).await?;
        Ok(sha256)
    }

    /// Writes bytes under key and hash, which the caller made of them.
    pub(crate) async fn put_hashed(
        &self,
        (key, sha256): (&str, &str),
        extension: &str,
        bytes: Bytes,
    ) -> Result<(), Failure> {
        let path = layout::bytes(key, sha256, extension);
        let put = retrying(|| self.storage.put_if_absent(&path, bytes.clone())).await;
        let existed = put.map_err(|e| failed(&e))? == Created::Existed;
        // The path holds the hash of its content, so another content is a damaged object.
        if existed && self.find_whole(&path, sha256).await?.is_none() {
            self.put(&path, bytes).await?;
        }
        Ok(())
    }

    /// Writes facts unless there are some. Gives false where other facts are there, or what is there
    /// cannot be read: it is as it was.
    pub(crate) async fn put_facts<T>(&self, key: &str, facts: &T) -> Result<bool, Failure>
    where
        T: Serialize + DeserializeOwned + PartialEq + Sync,
    {
        let path = layout::facts(key);
        let put = retrying(|| self.storage.put_json_if_absent(&path, facts)).await;
        if put.map_err(|e| failed(&e))? == Created::New {
            return Ok(true);
        }
        Ok(self.find_facts(key).await?.as_ref() == Some(facts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn facts_that_are_there_stay_and_others_are_told_apart() {
        let pieces = Pieces::new(Storage::open("memory:").unwrap());
        assert!(pieces.put_facts("k", &"first".to_owned()).await.unwrap());
        assert!(pieces.put_facts("k", &"first".to_owned()).await.unwrap());
        assert!(!pieces.put_facts("k", &"second".to_owned()).await.unwrap());
        let there: Option<String> = pieces.find_facts("k").await.unwrap();
        assert_eq!(there.as_deref(), Some("first"));
        let damaged = Bytes::from_static(b"\"fir");
        pieces.put(&layout::facts("k"), damaged).await.unwrap();
        let there: Option<String> = pieces.find_facts("k").await.unwrap();
        assert_eq!(there, None);
        assert!(!pieces.put_facts("k", &"first".to_owned()).await.unwrap());
    }

    #[tokio::test]
    async fn a_damaged_object_under_its_own_hash_is_mended() {
        let pieces = Pieces::new(Storage::open("memory:").unwrap());
        let whole = Bytes::from_static(b"whole");
        let path = layout::bytes("k", &digest(&whole), "m4s");
        for damaged in [Bytes::from_static(b"who"), Bytes::from_static(b"whale")] {
            pieces.put(&path, damaged).await.unwrap();
            pieces.put_bytes("k", "m4s", whole.clone()).await.unwrap();
            assert_eq!(pieces.get(&path).await.unwrap(), whole);
        }
    }

    #[tokio::test]
    async fn a_copy_over_itself_leaves_nothing_behind_and_over_another_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let pieces = Pieces::new(Storage::open(folder.path().to_str().unwrap()).unwrap());
        let whole = Bytes::from_static(b"whole");
        pieces.put("from", whole.clone()).await.unwrap();
        let sha256 = digest(&whole);
        let from = Content {
            path: "from",
            sha256: &sha256,
            size_bytes: 5,
        };
        pieces
            .put("folder/to", Bytes::from_static(b"other"))
            .await
            .unwrap();
        for _ in 0..2 {
            pieces.copy(&from, "folder/to").await.unwrap();
            assert_eq!(pieces.get("folder/to").await.unwrap(), whole);
        }
        let names = std::fs::read_dir(folder.path().join("folder")).unwrap();
        assert_eq!(names.count(), 1);
    }
}
