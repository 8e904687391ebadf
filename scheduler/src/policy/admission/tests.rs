//! What is let in and what is refused.

use super::{PRIORITY_DEFAULT, SLUG_BYTES_MAX, Submission, admit, valid_traceparent};
use crate::Error;
use model::plan::Sidecar;

fn submission(source_url: &str) -> Submission {
    Submission {
        source_url: source_url.to_owned(),
        ..Submission::default()
    }
}

#[test]
fn a_bare_source_gets_defaults() {
    let admitted = admit(&submission("file:///in/Big%20Buck_Bunny (1).final.MOV")).unwrap();
    assert_eq!(admitted.title.as_str(), "big-buck-bunny-1-final");
    assert_eq!(admitted.tenant.as_str(), "default");
    assert_eq!(admitted.profile.name, "web");
    assert_eq!(u32::from(admitted.urgency.priority), PRIORITY_DEFAULT);
}

#[test]
fn any_file_name_gives_a_title() {
    let long = format!("file:///{}.mp4", "x-".repeat(200));
    for url in [
        "file:///",
        "file:///.mov",
        "file:///%E4%BD%A0.mp4",
        "s3://b/k/---.mkv",
        &long,
    ] {
        let title = admit(&submission(url)).unwrap().title;
        assert!(title.as_str().len() <= SLUG_BYTES_MAX, "{title}");
    }
}

#[test]
fn names_in_any_script_give_titles_of_their_own() {
    for (name, title) in [
        ("talk.mov", "talk"),
        ("talk%20one.mov", "talk-one"),
        ("映画.mp4", "title-d626ecaf"),
        ("写真.mp4", "title-9c3250ff"),
        ("%E6%98%A0%E7%94%BB.mp4", "title-d626ecaf"),
        ("café.mp4", "caf-850f7dc4"),
        ("caf.mp4", "caf"),
        ("---.mkv", "title-cb3f91d5"),
        ("", "untitled"),
    ] {
        let admitted = admit(&submission(&format!("file:///in/{name}"))).unwrap();
        assert_eq!(admitted.title.as_str(), title, "{name}");
    }
}

fn sidecar(url: &str, language: &str) -> Submission {
    let sidecar = Sidecar {
        url: url.to_owned(),
        language: language.to_owned(),
        forced: false,
        hearing_impaired: false,
    };
    Submission {
        sidecars: vec![sidecar],
        ..submission("file:///a.mov")
    }
}

fn with(change: impl FnOnce(&mut Submission)) -> Submission {
    let mut submission = submission("file:///a.mov");
    change(&mut submission);
    submission
}

#[test]
fn what_is_wrong_is_named() {
    let long = format!("file:///{}", "x".repeat(3_000));
    let cases = [
        ("source_url", submission("")),
        ("source_url", submission("http://host/a.mov")),
        ("source_url", submission("s3://key:secret@bucket/a")),
        ("source_url", submission(&long)),
        ("priority", with(|s| s.priority = Some(101))),
        ("deadline_ms", with(|s| s.deadline_ms = u64::MAX)),
        ("tenant", with(|s| s.tenant = "../up".to_owned())),
        ("title", with(|s| s.title = "A B".to_owned())),
        ("profile", with(|s| s.profile = "nope".to_owned())),
        ("profile_toml", with(|s| s.profile_toml = "a =".to_owned())),
        (
            "webhook_url",
            with(|s| s.webhook_url = "file:///x".to_owned()),
        ),
        (
            "idempotency_key",
            with(|s| s.idempotency_key = "k".repeat(201)),
        ),
        ("sidecars.url", sidecar("file:///a.doc", "en")),
        ("sidecars.language", sidecar("file:///a.srt", "e\"n")),
    ];
    for (expected, submission) in cases {
        let Err(Error::Rejected { field, .. }) = admit(&submission) else {
            panic!("{expected} was let in: {submission:?}");
        };
        assert_eq!(field, expected);
    }
}

#[test]
fn only_a_real_traceparent_is_kept() {
    let real = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    assert_eq!(valid_traceparent(real), real);
    assert_eq!(valid_traceparent("00-4bf9-00f0-01"), "");
    assert_eq!(valid_traceparent("\r\nevil"), "");
}
