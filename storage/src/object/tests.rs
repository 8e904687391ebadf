//! What only a local disk can show: inodes, links and files beside the objects. What all storages do
//! alike is in `storage/tests/contract/`.

use super::*;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path as FilePath;

fn storage(folder: &FilePath) -> Storage {
    Storage::open(folder.to_str().unwrap()).unwrap()
}

fn inode(file: &FilePath) -> u64 {
    std::fs::metadata(file).unwrap().ino()
}

/// Every file below a folder that is no lock.
fn files(folder: &FilePath) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(folder)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            match path.is_dir() {
                true if name == LOCKS => {}
                true => folders.push(path),
                false => found.push(name),
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn a_copy_is_a_hard_link_and_leaves_nothing_beside_it() {
    let place = tempfile::tempdir().unwrap();
    let (root, storage) = (place.path(), storage(place.path()));
    storage.put("from", "first".into()).await.unwrap();
    storage.put("old", "old".into()).await.unwrap();
    for to in ["new/to", "old", "new/to", "from"] {
        storage.copy("from", to).await.unwrap();
        assert_eq!(inode(&root.join("from")), inode(&root.join(to)), "{to}");
    }
    assert_eq!(files(root), ["from", "new/to", "old"]);
}

#[tokio::test]
async fn a_copy_follows_no_link_out_of_the_root() {
    let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, storage) = (place.path(), storage(place.path()));
    std::fs::write(outside.path().join("secret"), "secret").unwrap();
    symlink(outside.path().join("secret"), root.join("link")).unwrap();
    symlink(outside.path(), root.join("folder")).unwrap();
    storage.put("mine", "mine".into()).await.unwrap();
    for (from, to) in [
        ("link", "to"),
        ("folder/secret", "to"),
        ("mine", "folder/to"),
    ] {
        let error = storage.copy(from, to).await.unwrap_err();
        assert!(
            matches!(error, Error::Denied { .. }),
            "{from} {to}: {error}"
        );
    }
    assert!(!root.join("to").exists());
    assert_eq!(files(outside.path()), ["secret"]);
}

#[tokio::test]
async fn a_write_that_cannot_be_done_leaves_nothing_and_names_the_object() {
    let place = tempfile::tempdir().unwrap();
    let (root, storage) = (place.path(), storage(place.path()));
    storage.put("file", "old".into()).await.unwrap();
    // What is a file cannot be a folder, and the other way round.
    storage.put("folder/file", "old".into()).await.unwrap();
    for path in ["file/below", "folder"] {
        let error = storage.put(path, "new".into()).await.unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
        let change = |_: Option<u64>| Some(1);
        let error = storage.update_json(path, change).await.unwrap_err();
        assert!(error.to_string().contains(path), "{error}");
    }
    assert_eq!(files(root), ["file", "folder/file"]);
}

#[tokio::test]
async fn a_folder_that_is_not_ours_is_denied() {
    if rustix::process::geteuid().is_root() {
        // The superuser is denied nothing by permissions; the kernel file system denies him too.
        let denied = Storage::open("/proc/storage").err().unwrap();
        assert!(
            matches!(denied, Error::Corrupt { .. } | Error::Denied { .. }),
            "{denied}"
        );
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let storage = storage(place.path());
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let denied = storage.put("a", "a".into()).await.unwrap_err();
    std::fs::set_permissions(place.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(denied, Error::Denied { .. }), "{denied}");
}

#[tokio::test]
async fn a_file_that_is_in_the_way_of_a_write_is_said() {
    let place = tempfile::tempdir().unwrap();
    let storage = storage(place.path());
    std::fs::write(place.path().join("folder"), "").unwrap();
    let change = |_: Option<u64>| Some(1);
    let below = place.path().join("folder/below");
    for error in [
        storage.put("folder/a", "a".into()).await.err(),
        storage.put_if_absent("folder/a", "a".into()).await.err(),
        storage.update_json("folder/a", change).await.err(),
        Storage::open(below.to_str().unwrap()).err(),
    ] {
        let error = error.unwrap().to_string();
        assert!(
            error.contains("folder/") && error.contains("is a file"),
            "{error}"
        );
    }
    assert!(!storage.exists("folder/a").await.unwrap());
}

#[tokio::test]
async fn what_a_killed_writer_left_goes_with_the_next_write() {
    let place = tempfile::tempdir().unwrap();
    let (root, storage) = (place.path(), storage(place.path()));
    for path in ["folder/a", "folder/b"] {
        storage.put(path, "old".into()).await.unwrap();
        std::fs::write(root.join(format!("{path}#0")), "ha").unwrap();
    }
    std::fs::write(root.join("folder/c#0"), "ha").unwrap();
    storage.put("folder/a", "new".into()).await.unwrap();
    let there = storage.put_if_absent("folder/b", "new".into()).await;
    assert_eq!(there.unwrap(), Created::Existed);
    let made = storage.put_if_absent("folder/c", "new".into()).await;
    assert_eq!(made.unwrap(), Created::New);
    assert_eq!(files(root), ["folder/a", "folder/b", "folder/c"]);
    assert_eq!(storage.get("folder/b").await.unwrap(), "old");
    assert_eq!(storage.get("folder/c").await.unwrap(), "new");
}

#[tokio::test]
async fn an_object_that_is_being_written_is_in_no_listing() {
    let place = tempfile::tempdir().unwrap();
    let (root, storage) = (place.path(), storage(place.path()));
    storage.put("folder/whole", "whole".into()).await.unwrap();
    for half in ["folder/half#0", "folder/half#1", "half#1"] {
        std::fs::write(root.join(half), "ha").unwrap();
    }
    assert_eq!(storage.names("folder").await.unwrap(), ["whole"]);
    assert_eq!(storage.names("").await.unwrap(), ["folder"]);
    assert_eq!(storage.list("").await.unwrap().len(), 1);
}
