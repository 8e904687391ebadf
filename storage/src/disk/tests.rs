//! Order of syncing is what no test without a power cut can see; what can be seen is here.

use super::*;
use std::io::Write;

fn skip(why: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED: {why}");
}

fn disk() -> (tempfile::TempDir, Disk) {
    let place = tempfile::tempdir().unwrap();
    let (disk, _) = Disk::open("test", place.path()).unwrap();
    (place, disk)
}

#[test]
fn a_lock_keeps_others_out_until_it_is_given_back() {
    let (_place, disk) = disk();
    let (one, other) = (Location::from("a"), Location::from("b"));
    let held = disk.hold(&one, Duration::ZERO).unwrap();
    assert!(held.is_some());
    assert!(disk.hold(&one, Duration::ZERO).unwrap().is_none());
    assert!(disk.hold(&other, Duration::ZERO).unwrap().is_some());
    drop(held);
    assert!(disk.hold(&one, Duration::ZERO).unwrap().is_some());
}

#[test]
fn content_that_cannot_be_read_to_its_end_replaces_nothing() {
    struct Broken;
    impl io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(ErrorKind::StorageFull.into())
        }
    }
    let (place, disk) = disk();
    let location = Location::from("a");
    std::fs::write(place.path().join("a"), "old").unwrap();
    let held = disk.hold(&location, LOCK_WAIT).unwrap().unwrap();
    let error = held.replace(&mut Broken).unwrap_err();
    assert!(matches!(Error::from_io("a", &error), Error::Full { .. }));
    drop(held);
    assert_eq!(
        std::fs::read_to_string(place.path().join("a")).unwrap(),
        "old"
    );
    assert!(!place.path().join("a#0").exists());
}

#[test]
fn where_links_are_refused_the_content_is_copied() {
    let (place, disk) = disk();
    let there = Path::new("/dev/shm");
    let other = |path: &Path| std::fs::metadata(path).map(|found| found.dev()).ok();
    let Ok(source) = tempfile::NamedTempFile::new_in(there) else {
        skip("a file in /dev/shm cannot be made");
        return;
    };
    if other(there) == other(place.path()) {
        skip("/dev/shm is no other filesystem");
        return;
    }
    std::fs::write(source.path(), "content").unwrap();
    let held = disk
        .hold(&Location::from("a/b"), LOCK_WAIT)
        .unwrap()
        .unwrap();
    held.replace_with_copy(source.path()).unwrap();
    drop(held);
    assert_eq!(
        std::fs::read_to_string(place.path().join("a/b")).unwrap(),
        "content"
    );
    assert!(!place.path().join("a/b#0").exists());
}
