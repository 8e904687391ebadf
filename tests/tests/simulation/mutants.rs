//! Each mutant of the store is noticed, and for its own fault.

use super::mutant::Mutant;
use super::shape::Shape;
use super::world::run;
use super::{record, say};
use serde_json::json;

/// Farms in which a mutant must show.
const SEEDS: u64 = 300;

/// Runs farms until the mutant is noticed by these words; answers which noticed it and all that it said, or
/// the last that noticed it by others.
fn noticed(mutant: Mutant, words: &str) -> Option<(u64, String)> {
    let mut others = None;
    for seed in 0..SEEDS {
        let violations = run(&Shape::troubled(seed), Some(mutant)).violations;
        let violations = violations.join("; ");
        if violations.contains(words) {
            return Some((seed, violations));
        }
        if !violations.is_empty() {
            others = Some((seed, violations));
        }
    }
    others
}

#[track_caller]
fn assert_noticed(mutant: Mutant, words: &str) {
    let (seed, violations) = noticed(mutant, words).unwrap_or_default();
    assert!(
        violations.contains(words),
        "{mutant:?} shows as {violations:?}"
    );
    say(&format!("{mutant:?} | seed {seed} | {violations}"));
    record(
        &json!({"what": "mutant", "mutant": format!("{mutant:?}"), "seed": seed, "noticed": violations}),
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
fn a_store_that_ends_a_lease_that_was_renewed_is_noticed() {
    assert_noticed(Mutant::EndsTheRenewed, "was renewed and expired");
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

#[test]
fn a_store_that_gives_a_thief_what_is_claimed_is_noticed() {
    assert_noticed(Mutant::StealsClaimed, "is claimed by two");
}

#[test]
fn a_store_that_accepts_a_commit_without_a_claim_is_noticed() {
    assert_noticed(Mutant::CommitsUnclaimed, "was accepted");
}

#[test]
fn a_store_that_loses_commits_is_noticed() {
    assert_noticed(Mutant::LosesCommits, "commits, ");
}

#[test]
fn a_store_that_lets_done_units_be_claimed_is_noticed() {
    assert_noticed(Mutant::ClaimsDone, "was claimed after its commit");
}

#[test]
fn a_store_whose_leases_do_not_end_is_noticed() {
    assert_noticed(Mutant::NeverExpires, " ends at ");
}

#[test]
fn a_store_whose_leases_end_early_is_noticed() {
    assert_noticed(Mutant::ExpiresEarly, " ends at ");
}

#[test]
fn a_store_whose_tokens_do_not_rise_is_noticed() {
    assert_noticed(Mutant::RepeatsTokens, "did not rise");
}

#[test]
fn a_store_that_queues_what_was_given_up_is_noticed() {
    assert_noticed(Mutant::IgnoresTheBound, "given up by the policy: true");
}

#[test]
fn a_store_that_counts_no_attempts_is_noticed() {
    assert_noticed(Mutant::ForgetsAttempts, "met Tried");
}

#[test]
fn a_store_that_gives_up_at_once_is_noticed() {
    assert_noticed(Mutant::BuriesAtOnce, "given up by the policy: false");
}

#[test]
fn a_store_that_grants_what_is_paused_is_noticed() {
    assert_noticed(Mutant::GrantsPaused, "of a paused job is granted");
}

#[test]
fn a_store_that_grants_to_nodes_that_drain_is_noticed() {
    assert_noticed(Mutant::GrantsToDraining, "drains and got");
}

#[test]
fn a_store_that_knows_no_limits_is_noticed() {
    assert_noticed(Mutant::IgnoresLimits, "it may hold");
}

#[test]
fn a_store_that_takes_steps_from_anywhere_is_noticed() {
    assert_noticed(Mutant::AdvancesFromAnywhere, "it was in");
}

#[test]
fn a_store_that_forgets_changes_is_noticed() {
    assert_noticed(Mutant::SettlesChanges, "is still ");
}

#[test]
fn a_store_that_does_not_wait_for_a_retry_is_noticed() {
    assert_noticed(Mutant::IgnoresDelays, "is granted before ");
}
