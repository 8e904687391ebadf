//! Whether a job that is ready is published or was cancelled: whoever says so first is heard, and a
//! second word changes nothing. Without it a person could be told that a job is cancelled while its
//! catalog entry is being written.

use crate::Result;
use model::{JobId, layout};
use serde::{Deserialize, Serialize};
use storage::Storage;

/// `jobs/<job>/outcome.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its version is switched to, and it can be cancelled no more.
    Publish,
    /// It is never switched to.
    Cancel,
}

/// Says what is to become of a job; answers what does. May be repeated.
pub async fn settle(storage: &Storage, job: &JobId, wanted: Outcome) -> Result<Outcome> {
    let path = layout::outcome(job);
    storage.put_json_if_absent(&path, &wanted).await?;
    Ok(storage.get_json(&path).await?)
}

/// Forgets that a failed job was cancelled once; that it was being published stays.
pub async fn reopen(storage: &Storage, job: &JobId) -> Result<()> {
    let path = layout::outcome(job);
    if storage.find_json(&path).await? == Some(Outcome::Cancel) {
        storage.delete(&path).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{JobId, Outcome, Storage, reopen, settle};

    #[tokio::test]
    async fn the_first_word_holds_and_a_retry_takes_a_cancellation_back_only() {
        let storage = Storage::open("memory:").unwrap();
        for first in [Outcome::Publish, Outcome::Cancel] {
            let job = JobId::new(format!("{first:?}").to_lowercase()).unwrap();
            for wanted in [first, Outcome::Publish, Outcome::Cancel] {
                assert_eq!(settle(&storage, &job, wanted).await.unwrap(), first);
            }
            reopen(&storage, &job).await.unwrap();
            let again = settle(&storage, &job, Outcome::Publish).await.unwrap();
            assert_eq!(again, Outcome::Publish, "{first:?}");
            let late = settle(&storage, &job, Outcome::Cancel).await.unwrap();
            assert_eq!(late, Outcome::Publish, "{first:?}");
        }
    }
}
