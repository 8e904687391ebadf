//! Whether a job that is ready is published or was cancelled: whoever says so first is heard, and a
//! second word changes nothing. Without it a person could be told that a job is cancelled while its
//! catalog entry is being written. The file stays when a word is taken back and counts every change, so
//! that who takes one back can tell it from the same word that was said again later.

use super::catalog;
use crate::Result;
use model::{JobId, TitleId, layout};
use serde::{Deserialize, Serialize};
use storage::Storage;

/// What is to become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its version is switched to, and it can be cancelled no more.
    Publish,
    /// It is never switched to.
    Cancel,
}

/// `jobs/<job>/outcome.json`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Settled {
    /// What was said first; nothing when that was taken back, or nobody has said anything.
    pub outcome: Option<Outcome>,
    /// Counts the changes.
    revision: u64,
}

/// A bare word is one that was never taken back.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Word(Outcome),
    Counted {
        outcome: Option<Outcome>,
        revision: u64,
    },
}

impl From<Written> for Settled {
    fn from(written: Written) -> Self {
        match written {
            Written::Word(outcome) => Self::default().then(Some(outcome)),
            Written::Counted { outcome, revision } => Self { outcome, revision },
        }
    }
}

impl Settled {
    fn then(self, outcome: Option<Outcome>) -> Self {
        Self {
            outcome,
            revision: self.revision + 1,
        }
    }
}

/// What was said of a job so far.
pub async fn outcome(storage: &Storage, job: &JobId) -> Result<Settled> {
    let found = storage.find_json(&layout::outcome(job)).await?;
    Ok(found.unwrap_or_default())
}

/// Says what is to become of a job; answers what does. May be repeated.
pub async fn settle(storage: &Storage, job: &JobId, wanted: Outcome) -> Result<Outcome> {
    let say = move |old: Option<Settled>| {
        let old = old.unwrap_or_default();
        old.outcome.is_none().then(|| old.then(Some(wanted)))
    };
    let settled = storage.update_json(&layout::outcome(job), say).await?;
    Ok(settled.and_then(|now| now.outcome).unwrap_or(wanted))
}

/// Takes back what was said of a job that failed, unless that is now another word than was `seen` before
/// the job was found to have failed, or its version was published: that cannot be taken back.
pub async fn reopen(storage: &Storage, job: &JobId, title: &TitleId, seen: Settled) -> Result<()> {
    let kept = match seen.outcome {
        None => true,
        Some(Outcome::Cancel) => false,
        Some(Outcome::Publish) => catalog::was_published(storage, job, title).await?,
    };
    if !kept {
        let take_back = move |now: Option<Settled>| (now? == seen).then(|| seen.then(None));
        let path = layout::outcome(job);
        storage.update_json(&path, take_back).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{JobId, Outcome, Settled, Storage, TitleId, layout, outcome, reopen, settle};
    use model::catalog::{CatalogEntry, VersionFile};
    use model::{Rational, TenantId};

    fn bunny() -> TitleId {
        TitleId::new("bunny").unwrap()
    }

    async fn said(storage: &Storage, job: &JobId) -> Option<Outcome> {
        outcome(storage, job).await.unwrap().outcome
    }

    #[tokio::test]
    async fn the_first_word_holds_until_a_retry_takes_it_back() {
        let storage = Storage::open("memory:").unwrap();
        for first in [Outcome::Publish, Outcome::Cancel] {
            let job = JobId::new(format!("{first:?}").to_lowercase()).unwrap();
            for wanted in [first, Outcome::Publish, Outcome::Cancel] {
                assert_eq!(settle(&storage, &job, wanted).await.unwrap(), first);
            }
            let seen = outcome(&storage, &job).await.unwrap();
            reopen(&storage, &job, &bunny(), seen).await.unwrap();
            assert_eq!(said(&storage, &job).await, None, "nothing was published");
            for wanted in [Outcome::Cancel, Outcome::Publish] {
                let again = settle(&storage, &job, wanted).await.unwrap();
                assert_eq!(again, Outcome::Cancel, "{first:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_publish_that_the_catalog_knows_of_is_not_taken_back() {
        let storage = Storage::open("memory:").unwrap();
        for (version, id) in [(1, "older"), (2, "newer"), (3, "never")] {
            let job = JobId::new(id).unwrap();
            settle(&storage, &job, Outcome::Publish).await.unwrap();
            let path = layout::job_version(&job);
            let file = VersionFile { job, version };
            storage.put_json(&path, &file).await.unwrap();
        }
        let entry = CatalogEntry {
            title: bunny(),
            tenant: TenantId::new("a").unwrap(),
            version: 2,
            job: JobId::new("newer").unwrap(),
            path: layout::version(&bunny(), 2),
            hls: "hls.m3u8".to_owned(),
            dash: "dash.mpd".to_owned(),
            duration: Rational::ONE,
            published_at_ms: 0,
            revision: 2,
            history: vec![1],
            traceparent: String::new(),
        };
        let path = layout::catalog(&bunny());
        storage.put_json(&path, &entry).await.unwrap();
        for (id, kept) in [("older", true), ("newer", true), ("never", false)] {
            let job = JobId::new(id).unwrap();
            let seen = outcome(&storage, &job).await.unwrap();
            reopen(&storage, &job, &bunny(), seen).await.unwrap();
            let now = said(&storage, &job).await;
            assert_eq!(now == Some(Outcome::Publish), kept, "{id}");
        }
    }

    #[tokio::test]
    async fn a_late_retry_takes_back_no_later_word() {
        let storage = Storage::open("memory:").unwrap();
        let job = JobId::new("j1").unwrap();
        for word in [Outcome::Cancel, Outcome::Publish] {
            settle(&storage, &job, word).await.unwrap();
            let seen = outcome(&storage, &job).await.unwrap();
            // Another scheduler was quicker, and the job came as far again.
            reopen(&storage, &job, &bunny(), seen).await.unwrap();
            settle(&storage, &job, word).await.unwrap();
            reopen(&storage, &job, &bunny(), seen).await.unwrap();
            assert_eq!(said(&storage, &job).await, Some(word));
            let seen = outcome(&storage, &job).await.unwrap();
            reopen(&storage, &job, &bunny(), seen).await.unwrap();
            assert_eq!(said(&storage, &job).await, None);
        }
    }

    #[test]
    fn a_bare_word_is_read_as_the_first() {
        let read: Settled = serde_json::from_str("\"publish\"").unwrap();
        assert_eq!(read, Settled::default().then(Some(Outcome::Publish)));
    }
}
