//! Each mutant of the store is noticed, and for its own fault.

use super::mutant::Mutant;
use super::shape::Shape;
use super::world::run;

/// Farms in which a mutant must show.
const SEEDS: u64 = 300;

/// Runs farms until the mutant is noticed, and answers by which words.
fn noticed(mutant: Mutant) -> String {
    let mut found = (0..SEEDS).map(|seed| run(&Shape::troubled(seed), Some(mutant)).violations);
    let violations = found.find(|violations| !violations.is_empty());
    violations.unwrap_or_default().join("\n")
}

#[track_caller]
fn assert_noticed(mutant: Mutant, words: &str) {
    let violations = noticed(mutant);
    assert!(
        violations.contains(words),
        "{mutant:?} shows as {violations:?}"
    );
}

#[test]
fn a_store_without_a_fence_is_noticed() {
    assert_noticed(Mutant::DropsTheFence, "a stale ");
}

#[test]
fn a_store_that_renews_the_lease_of_another_is_noticed() {
    assert_noticed(Mutant::RenewsForOthers, "that had ended was renewed");
}

#[test]
fn a_store_that_ends_the_lease_of_another_is_noticed() {
    assert_noticed(Mutant::FailsOthers, "a stale failure ended a lease");
}

#[test]
fn a_store_that_queues_dependants_twice_is_noticed() {
    assert_noticed(Mutant::ReleasesTwice, "is held by two");
}

#[test]
fn a_store_that_forgets_an_edge_is_noticed() {
    assert_noticed(Mutant::ReleasesEarly, "waits: true");
}

#[test]
fn a_store_that_forgets_the_second_half_is_noticed() {
    assert_noticed(Mutant::ForgetsTheHalf, "a lease that nobody was given");
}

#[test]
fn a_store_that_counts_a_commit_twice_is_noticed() {
    assert_noticed(Mutant::CommitsTwice, "was counted twice");
}

#[test]
fn a_store_whose_counts_do_not_balance_is_noticed() {
    assert_noticed(Mutant::Miscounts, "counts (");
}

#[test]
fn a_store_that_forgets_leases_that_ended_is_noticed() {
    assert_noticed(Mutant::ForgetsExpired, "is still ");
}

#[test]
fn a_store_that_throws_late_commits_away_is_noticed() {
    assert_noticed(Mutant::DropsLateCommits, "was thrown away");
}
