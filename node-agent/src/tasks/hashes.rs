//! SHA-256 of sources that this node has read as a whole. A name and a size say nothing of the content,
//! so a source is hashed before planned work reads it; once, however many slots want it.

use model::Failure;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::sync::Arc;
use storage::Source;
use tokio::sync::OnceCell;

/// Sources kept: more than a node works on at a time.
const SOURCES_MAX: usize = 64;

/// URL and identity: a source that was replaced or mended in place is another one.
type Name = (String, String);

/// A hash that is known or is being made.
type Entry = Arc<OnceCell<String>>;

fn name(source: &Source) -> Name {
    (source.url().to_owned(), source.identity().to_owned())
}

/// Hashes by source, last used first.
#[derive(Default)]
pub(super) struct Hashes(Mutex<VecDeque<(Name, Entry)>>);

impl Hashes {
    /// The hash of a source; made if it is not known. Whoever comes meanwhile waits for it, and makes
    /// it when the first one fails or is called off.
    pub(super) async fn get_or_make<F>(&self, source: &Source, make: F) -> Result<String, Failure>
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let entry = self.entry(name(source));
        entry.get_or_try_init(|| make).await.cloned()
    }

    /// Keeps a hash that was made in any case.
    pub(super) fn keep(&self, source: &Source, sha256: &str) {
        let entry = Arc::new(OnceCell::new_with(Some(sha256.to_owned())));
        push(&mut self.0.lock(), name(source), entry);
    }

    fn entry(&self, name: Name) -> Entry {
        let mut entries = self.0.lock();
        let found = entries.iter().find(|(kept, _)| *kept == name);
        let entry = found.map_or_else(Entry::default, |(_, entry)| Arc::clone(entry));
        push(&mut entries, name, Arc::clone(&entry));
        entry
    }
}

fn push(entries: &mut VecDeque<(Name, Entry)>, name: Name, entry: Entry) {
    entries.retain(|(kept, _)| *kept != name);
    entries.push_front((name, entry));
    entries.truncate(SOURCES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::FailureKind;
    use std::cell::Cell;
    use storage::SourceRoots;

    async fn source(folder: &tempfile::TempDir, name: &str) -> Source {
        let file = folder.path().canonicalize().unwrap().join(name);
        std::fs::write(&file, name).unwrap();
        let roots = SourceRoots::new([folder.path().to_str().unwrap()]).unwrap();
        let url = format!("file://{}", file.display());
        Source::open(&url, &roots).await.unwrap()
    }

    #[tokio::test]
    async fn slots_that_want_a_source_at_once_hash_it_once() {
        let folder = tempfile::tempdir().unwrap();
        let source = source(&folder, "a").await;
        let (hashes, made) = (Hashes::default(), Cell::new(0));
        let make = || async {
            tokio::task::yield_now().await;
            made.set(made.get() + 1);
            Ok(format!("hash {}", made.get()))
        };
        let one = || hashes.get_or_make(&source, make());
        let (first, second) = tokio::join!(one(), one());
        assert_eq!(
            (first.unwrap(), second.unwrap()),
            ("hash 1".to_owned(), "hash 1".to_owned())
        );
        assert_eq!(one().await.unwrap(), "hash 1");
        hashes.keep(&source, "of the probe");
        assert_eq!(one().await.unwrap(), "of the probe");
    }

    #[tokio::test]
    async fn a_hash_that_failed_is_made_again_and_old_ones_are_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let hashes = Hashes::default();
        let first = source(&folder, "first").await;
        let broken = async { Err(Failure::new(FailureKind::Storage, "source", "away")) };
        assert!(hashes.get_or_make(&first, broken).await.is_err());
        let made = hashes.get_or_make(&first, async { Ok("made".to_owned()) });
        assert_eq!(made.await.unwrap(), "made");
        for number in 0..SOURCES_MAX {
            hashes.keep(&source(&folder, &number.to_string()).await, "other");
        }
        let again = hashes.get_or_make(&first, async { Ok("again".to_owned()) });
        assert_eq!(again.await.unwrap(), "again");
    }
}
