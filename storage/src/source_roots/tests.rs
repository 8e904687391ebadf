//! Ways out of a root, and whether they are closed.

use super::*;
use model::FailureKind;
use std::os::unix::fs::symlink;

/// `inside/` is a root with a file in it; `insider/` is not, and neither is what is beside it.
fn place() -> (tempfile::TempDir, PathBuf, SourceRoots) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().canonicalize().unwrap();
    for folder in ["inside/folder", "insider"] {
        std::fs::create_dir_all(path.join(folder)).unwrap();
    }
    for file in [
        "inside/a.mp4",
        "inside/a b#ä.mp4",
        "insider/a.mp4",
        "secret",
    ] {
        std::fs::write(path.join(file), file).unwrap();
    }
    let roots = SourceRoots::new([path.join("inside").to_str().unwrap()]).unwrap();
    (place, path, roots)
}

#[track_caller]
fn refused(roots: &SourceRoots, url: &str, kind: FailureKind) {
    let error = roots.allow(url).expect_err(url);
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.to_string().starts_with(url), "{error}");
}

#[test]
fn a_file_below_a_root_is_allowed_by_its_encoded_url() {
    let (_place, path, roots) = place();
    for file in ["inside/a.mp4", "inside/a b#ä.mp4"] {
        let url = Url::from_file_path(path.join(file)).unwrap();
        roots.allow(url.as_str()).unwrap();
    }
    let here = path.display();
    roots
        .allow(&format!("file://localhost{here}/inside/%61.mp4"))
        .unwrap();
    roots
        .allow(&format!("file://{here}/insider/../inside/a.mp4"))
        .unwrap();
    symlink("a.mp4", path.join("inside/link.mp4")).unwrap();
    roots
        .allow(&format!("file://{here}/inside/link.mp4"))
        .unwrap();
}

#[test]
fn every_way_out_of_a_root_is_closed() {
    let (_place, path, roots) = place();
    symlink("../secret", path.join("inside/link")).unwrap();
    symlink("..", path.join("inside/up")).unwrap();
    let outside = [
        "insider/a.mp4",
        "inside/../secret",
        "inside/%2e%2e/secret",
        "inside/..%2Fsecret",
        "inside/folder/../../secret",
        "inside/link",
        "inside/up/secret",
        "secret",
    ];
    for way in outside {
        let url = format!("file://{}/{way}", path.display());
        let error = roots.allow(&url).expect_err(&url);
        let reason = error.to_string();
        assert!(
            reason.contains("not below an allowed source root"),
            "{reason}"
        );
        assert_eq!(error.kind(), FailureKind::Policy);
    }
    refused(&roots, "file:///etc/hostname", FailureKind::Policy);
    refused(
        &SourceRoots::default(),
        "file:///etc/hostname",
        FailureKind::Policy,
    );
}

#[test]
fn a_refusal_names_the_real_path_the_roots_and_the_setting() {
    let (_place, path, roots) = place();
    symlink("../secret", path.join("inside/link")).unwrap();
    let url = format!("file://{}/inside/link", path.display());
    let reason = roots.allow(&url).expect_err(&url).to_string();
    let secret = path.join("secret").display().to_string();
    let inside = format!("({})", path.join("inside").display());
    for words in [&url, &secret, &inside, "--source-root", "MAGPIE_SOURCES"] {
        assert!(reason.contains(words), "{words}: {reason}");
    }
    let none = SourceRoots::default().allow(&url).expect_err(&url);
    assert!(none.to_string().contains("none is allowed"), "{none}");
    let buckets = SourceRoots::new(["s3://bucket/pre"]).unwrap();
    let other = buckets.allow("s3://bucket/a").expect_err("outside");
    assert!(other.to_string().contains("(s3://bucket/pre)"), "{other}");
}

#[test]
fn what_is_no_file_is_the_submitters_mistake() {
    let (_place, path, roots) = place();
    let pipe = path.join("inside/pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    symlink("nowhere", path.join("inside/dangling")).unwrap();
    for name in [
        "inside",
        "inside/",
        "inside/folder",
        "inside/pipe",
        "inside/nothing",
    ] {
        let url = format!("file://{}/{name}", path.display());
        refused(&roots, &url, FailureKind::BadInput);
    }
    let below = format!("file://{}/inside/a.mp4/below", path.display());
    refused(&roots, &below, FailureKind::BadInput);
    let dangling = format!("file://{}/inside/dangling", path.display());
    refused(&roots, &dangling, FailureKind::BadInput);
    let devices = SourceRoots::new(["/dev"]).unwrap();
    refused(&devices, "file:///dev/zero", FailureKind::BadInput);
}

#[test]
fn urls_that_mean_something_else_are_refused() {
    let (_place, path, roots) = place();
    let file = path.join("inside/a.mp4");
    let file = file.to_str().unwrap();
    refused(&roots, &format!("file://host{file}"), FailureKind::Policy);
    refused(&roots, &format!("file://{file}?x"), FailureKind::Policy);
    refused(&roots, &format!("file://{file}#x"), FailureKind::Policy);
    refused(&roots, file, FailureKind::Policy);
    for url in ["a.mp4", "", "http://host/a.mp4", "data:,a", "file:a.mp4"] {
        assert!(roots.allow(url).is_err(), "{url}");
    }
}

#[test]
fn a_prefix_of_a_bucket_holds_whole_names() {
    let roots = SourceRoots::new(["s3://bucket/pre", "s3://whole", "s3://b/a%20b/"]).unwrap();
    for url in [
        "s3://bucket/pre/a",
        "s3://bucket/pre/a/b%20c",
        "s3://whole/a",
        "s3://b/a%20b/c",
    ] {
        roots.allow(url).unwrap();
    }
    let outside = [
        "s3://bucket/prefix2/a",
        "s3://bucket/pre",
        "s3://bucket/pre/",
        "s3://bucket/a",
        "s3://bucket2/pre/a",
        "s3://whole2/a",
        "s3://whole",
        "s3://BUCKET/pre/a",
        "s3://bucket/pre/../a",
        "s3://bucket/pre/%2e%2e/a",
        "s3://bucket/pre/..%2Fa",
        "s3://bucket/pre//a",
        "s3://bucket%2Fpre/a",
        "s3://user@bucket/pre/a",
        "s3:///pre/a",
        "s3:bucket/pre/a",
    ];
    for url in outside {
        let error = roots.allow(url).expect_err(url);
        assert_eq!(error.kind(), FailureKind::Policy, "{error}");
    }
}

#[test]
fn roots_are_folders_or_places_in_buckets() {
    let (_place, path, _) = place();
    let encoded = Url::from_directory_path(path.join("inside")).unwrap();
    let roots = SourceRoots::new([encoded.as_str()]).unwrap();
    roots.allow(&format!("{encoded}a.mp4")).unwrap();
    std::fs::create_dir(path.join("a b")).unwrap();
    std::fs::write(path.join("a b/c"), "c").unwrap();
    let encoded = Url::from_directory_path(path.join("a b")).unwrap();
    let roots = SourceRoots::new([encoded.as_str()]).unwrap();
    roots.allow(&format!("{encoded}c")).unwrap();
    let file = path.join("secret");
    let wrong = [
        "",
        "relative",
        "file://host/a",
        "s3://",
        "http://a",
        "/does/not/exist",
    ];
    for root in wrong.into_iter().chain([file.to_str().unwrap()]) {
        let error = SourceRoots::new([root]).expect_err(root);
        assert!(error.to_string().contains(root), "{error}");
    }
}
