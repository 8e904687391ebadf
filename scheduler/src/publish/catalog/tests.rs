//! Switches of the catalog, as a function of what was there.

use super::{Again, switched};
use model::catalog::CatalogEntry;
use model::{JobId, Rational, TenantId, TitleId};

fn entry(version: u32) -> CatalogEntry {
    CatalogEntry {
        title: TitleId::new("bunny").unwrap(),
        tenant: TenantId::new("a").unwrap(),
        version,
        job: JobId::new(format!("j{version}")).unwrap(),
        path: format!("titles/bunny/v{version}"),
        hls: "hls.m3u8".to_owned(),
        dash: "dash.mpd".to_owned(),
        duration: Rational::ONE,
        published_at_ms: 0,
        revision: 0,
        history: Vec::new(),
        traceparent: String::new(),
    }
}

fn published(versions: &[u32]) -> CatalogEntry {
    let mut now = None;
    for &version in versions {
        now = switched(now.clone(), &entry(version), Again::Keep).or(now);
    }
    now.unwrap()
}

#[test]
fn the_last_that_finishes_wins_and_the_rest_is_history() {
    let now = published(&[1, 3, 2]);
    assert_eq!((now.version, now.revision), (2, 3));
    assert_eq!(now.history, [1, 3]);
}

#[test]
fn a_repeated_publish_changes_nothing_even_after_a_rollback() {
    let now = published(&[1, 2]);
    assert_eq!(switched(Some(now.clone()), &entry(2), Again::Keep), None);
    let back = switched(Some(now), &entry(1), Again::Switch).unwrap();
    assert_eq!(
        (back.version, back.revision, back.history.clone()),
        (1, 3, vec![2])
    );
    assert_eq!(switched(Some(back), &entry(2), Again::Keep), None);
}

#[test]
fn nobody_publishes_over_the_title_of_another_tenant() {
    let now = published(&[1]);
    let other = CatalogEntry {
        tenant: TenantId::new("b").unwrap(),
        ..entry(2)
    };
    assert_eq!(switched(Some(now), &other, Again::Keep), None);
}
