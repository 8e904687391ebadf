//! Equal submissions, one after a lost store and one beside another.

use super::enter;
use crate::config::Config;
use crate::farm::Farm;
use crate::recover::current_epoch;
use crate::{Handle, Submission};
use model::layout;
use model::plan::Ticket;
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::SystemClock;
use store::memory::MemoryStore;

/// A scheduler with an empty store.
fn handle(storage: &Storage, sources: &SourceRoots) -> Handle {
    let store = Arc::new(MemoryStore::new(Arc::new(SystemClock)));
    let config = Config::new(storage.clone(), store, sources.clone());
    Handle {
        farm: Arc::new(Farm::new(config)),
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_job_that_nobody_enters_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("bunny.mov");
    std::fs::write(&source, b"not looked at").unwrap();
    let sources = SourceRoots::new([folder.path().to_str().unwrap()]).unwrap();
    let submission = Submission {
        source_url: format!("file://{}", source.display()),
        idempotency_key: "upload-17".to_owned(),
        ..Submission::default()
    };
    let storage = Storage::open("memory:").unwrap();
    let first = handle(&storage, &sources)
        .submit(&submission)
        .await
        .unwrap();
    let path = layout::ticket(&first.job.id);
    let ticket: Ticket = storage.get_json(&path).await.unwrap();

    // The ticket is there, and the submission that wrote it is about to enter the job.
    let (second, before) = (handle(&storage, &sources), current_epoch(&storage).await);
    let entering = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        enter(&second.farm, &ticket).await.unwrap();
    };
    let (answer, ()) = tokio::join!(second.submit(&submission), entering);
    let answer = answer.unwrap();
    assert_eq!((answer.job.id, answer.existed), (first.job.id, true));
    let before = before.unwrap();
    assert_eq!(current_epoch(&storage).await.unwrap(), before);

    let after_a_loss = handle(&storage, &sources);
    let again = after_a_loss.submit(&submission).await.unwrap();
    assert_eq!(current_epoch(&storage).await.unwrap(), before + 1);
    assert!(again.job.version > answer.job.version);
}
