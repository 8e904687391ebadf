//! That a source stays the one that was opened.

use super::*;
use model::FailureKind;
use std::path::PathBuf;

fn place(content: &[u8]) -> (tempfile::TempDir, PathBuf, String, SourceRoots) {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().canonicalize().unwrap().join("a.mp4");
    std::fs::write(&file, content).unwrap();
    let url = format!("file://{}", file.display());
    let roots = SourceRoots::new([place.path().to_str().unwrap()]).unwrap();
    (place, file, url, roots)
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_and_the_hash_is_of_the_whole() {
    let content: Vec<u8> = (0..HASH_STEP_BYTES + 77).map(|i| (i % 251) as u8).collect();
    let (_place, _, url, roots) = place(&content);
    let source = Source::open(&url, &roots).await.unwrap();
    assert_eq!(
        (source.url(), source.size_bytes()),
        (&*url, content.len() as u64)
    );
    let end = content.len() as u64;
    let inverted = std::ops::Range { start: 5, end: 3 };
    for range in [0..10, end - 3..end + 10, end..end + 1, 7..7, inverted] {
        let found = source.read(range.clone()).await.unwrap();
        let (from, until) = (range.start.min(end) as usize, range.end.min(end) as usize);
        assert_eq!(found, content[from..until.max(from)], "{range:?}");
    }
    assert_eq!(
        source.sha256().await.unwrap(),
        hex::encode(Sha256::digest(&content))
    );
}

#[tokio::test]
async fn a_file_that_is_swapped_after_it_was_opened_is_not_read() {
    let (place, file, url, roots) = place(b"first");
    let source = Source::open(&url, &roots).await.unwrap();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "other").unwrap();
    std::fs::rename(&file, place.path().join("old")).unwrap();
    std::os::unix::fs::symlink(secret.path(), &file).unwrap();
    assert_eq!(source.read(0..5).await.unwrap(), "first");
    let outside = Source::open(&url, &roots).await.err().unwrap();
    assert_eq!(outside.kind(), FailureKind::Policy);
    // The same between the check and the opening.
    let late = open_file(&url, &file, &roots).err().unwrap();
    assert!(late.to_string().contains(&url), "{late}");
    let folder = secret.path().parent().unwrap().to_owned();
    std::fs::remove_file(&file).unwrap();
    let moved = open_file(
        &url,
        &folder.join(secret.path().file_name().unwrap()),
        &roots,
    );
    assert_eq!(moved.err().unwrap().kind(), FailureKind::BadInput);
}

#[tokio::test]
async fn a_file_that_is_written_while_it_is_read_is_the_submitters_mistake() {
    let (_place, file, url, roots) = place(b"0123456789");
    for other in ["0123", "98765432109876543210"] {
        let source = Source::open(&url, &roots).await.unwrap();
        std::fs::write(&file, other).unwrap();
        let read = source.read(0..4).await.unwrap_err();
        let hashed = source.sha256().await.unwrap_err();
        for error in [read, hashed] {
            assert_eq!(error.kind(), FailureKind::BadInput);
            assert!(error.to_string().contains(&url), "{error}");
        }
        let again = Source::open(&url, &roots).await.unwrap();
        assert_ne!(again.identity(), source.identity());
        assert_eq!(again.size_bytes(), other.len() as u64);
    }
}

#[tokio::test]
async fn the_same_file_keeps_its_identity_and_another_one_has_its_own() {
    let (place, file, url, roots) = place(b"first");
    let first = Source::open(&url, &roots).await.unwrap();
    let again = Source::open(&url, &roots).await.unwrap();
    assert_eq!(first.identity(), again.identity());
    std::fs::write(place.path().join("other"), "other").unwrap();
    std::fs::rename(place.path().join("other"), &file).unwrap();
    let other = Source::open(&url, &roots).await.unwrap();
    assert_ne!(first.identity(), other.identity());
}

#[tokio::test]
async fn a_fifo_that_takes_the_place_of_a_file_is_not_waited_for() {
    let (_place, file, url, roots) = place(b"first");
    std::fs::remove_file(&file).unwrap();
    let mode = Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &file, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let late = open_file(&url, &file, &roots).err().unwrap();
    assert_eq!(late.kind(), FailureKind::BadInput);
    let error = Source::open(&url, &roots).await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::BadInput);
}

#[tokio::test]
async fn a_file_that_is_not_there_or_not_readable_is_the_submitters_mistake() {
    let (_place, file, url, roots) = place(b"first");
    let missing = format!("{url}.nothing");
    let error = Source::open(&missing, &roots).await.err().unwrap();
    assert_eq!(error.kind(), FailureKind::BadInput);
    assert_eq!(
        error.to_string(),
        format!("{missing}: there is no such file")
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o000);
    std::fs::set_permissions(&file, mode).unwrap();
    match Source::open(&url, &roots).await {
        Err(error) => assert_eq!(error.kind(), FailureKind::BadInput, "{error}"),
        // The superuser reads what he likes.
        Ok(_) => assert!(rustix::process::geteuid().is_root()),
    }
}
