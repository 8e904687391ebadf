//! The contract of storage, held to by memory and by a local disk. `tests/tests/object_storage.rs`
//! holds an S3 server to the same.

#[cfg(test)]
#[path = "contract/suite.rs"]
mod suite;

use storage::Storage;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    suite::run(&Storage::open("memory:").unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_local_disk_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    suite::run(&Storage::open(folder.path().to_str().unwrap()).unwrap()).await;
}
