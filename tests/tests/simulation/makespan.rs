//! How long farms take where nothing goes wrong, over the time that no schedule can beat.

use super::shape::{Shape, Splitting};
use super::world::{Outcome, run};
use super::{NODES, SEED, assert_clean, number, record, say};
use serde_json::json;
use std::time::Instant;

/// About how many units there are for each node.
const UNITS: &str = "MAGPIE_SIMULATION_UNITS";

/// What the start of a chunk takes where its source is at hand, and it takes four times as long where not.
const START_MS: &str = "MAGPIE_SIMULATION_START_MS";

/// Over the bound, what a farm that splits what is stolen may take.
const OVER_MAX: f64 = 1.03;

/// Slowest and fastest node.
const EQUAL: (f64, f64) = (1.0, 1.0);
const MIXED: (f64, f64) = (0.5, 2.0);

fn calm(shape: &Shape) -> Outcome {
    let outcome = run(shape, None);
    assert_clean(&outcome);
    let published = outcome.phases.get("published").copied();
    assert_eq!(
        published,
        Some(shape.jobs),
        "seed {}: {:?}",
        shape.seed,
        outcome.phases
    );
    outcome
}

#[test]
fn calm_farms_publish_everything_at_the_first_try_and_in_the_time_that_is_promised() {
    let (mut worst, mut nearest): (f64, f64) = (0.0, 0.0);
    for seed in 0..100 {
        let shape = Shape {
            arrivals_ms: 0,
            ..Shape::calm(seed)
        };
        let outcome = calm(&shape);
        let counts = outcome.counts;
        let troubles = (
            counts.failed,
            counts.expired,
            counts.adopted,
            counts.already,
        );
        assert_eq!(troubles, (0, 0, 0, 0), "seed {seed}");
        let (makespan, bound, promise) = (
            outcome.makespan,
            outcome.bound.seconds,
            outcome.bound.promise,
        );
        assert!(makespan >= bound, "seed {seed} beats {bound} s");
        assert!(
            makespan <= promise,
            "seed {seed} takes {makespan} s, promised are {promise} s"
        );
        worst = worst.max(makespan / bound);
        nearest = nearest.max(makespan / promise);
    }
    say(&format!(
        "makespan: at most {worst:.2} of its bound and {nearest:.2} of what is promised"
    ));
}

/// Runs a farm and says how long it took over max(work over speed, longest unit).
fn compare(name: &str, shape: &Shape) -> f64 {
    let started = Instant::now();
    let outcome = calm(shape);
    let (counts, fastest) = (outcome.counts, shape.speeds.1);
    let longest = outcome.bound.longest / fastest;
    let bound = outcome.bound.share.max(longest);
    let over = outcome.makespan / bound;
    say(&format!(
        "{} nodes of speed {:?} | {name} | makespan {:.0} s | bound {bound:.0} s | {over:.4} | tail {:.0} s, \
         longest unit {:.0} s | {} units, {} chunks begun, {} of them stolen | {} store calls | {:.0} s",
        shape.nodes,
        shape.speeds,
        outcome.makespan,
        outcome.tail,
        outcome.bound.longest / shape.speeds.0,
        counts.accepted,
        counts.grants,
        counts.steals,
        counts.calls,
        started.elapsed().as_secs_f64()
    ));
    let round = |seconds: f64| (seconds * 1e4).round() / 1e4;
    record(&json!({
        "what": "makespan", "scheduler": name, "seed": shape.seed, "nodes": shape.nodes,
        "speeds": [shape.speeds.0, shape.speeds.1], "jobs": shape.jobs, "units": counts.accepted,
        "segment_seconds": shape.segment_seconds, "start_ms": shape.start_ms,
        "fetch_ms": shape.fetch_ms,
        "makespan_seconds": round(outcome.makespan), "bound_seconds": round(bound),
        "over": round(over), "tail_seconds": round(outcome.tail),
        "longest_unit_seconds": round(outcome.bound.longest), "chunks_begun": counts.grants,
        "steals": counts.steals, "yields": counts.yields, "store_calls": counts.calls,
        "wall_seconds": round(started.elapsed().as_secs_f64()),
    }));
    over
}

/// A farm in which one way of cutting and moving work is compared with others.
fn farm(nodes: u32, units: u32, speeds: (f64, f64), splitting: Splitting) -> Shape {
    let seed = number(SEED).unwrap_or(2);
    Shape {
        speeds,
        ..Shape::large(seed, nodes, units, splitting)
    }
}

#[test]
fn a_hundred_nodes_come_within_three_percent_and_their_peers_do_not() {
    let farm = |splitting| farm(100, 400, EQUAL, splitting);
    let over = compare("split when stolen", &farm(Splitting::Stolen));
    assert!(over <= OVER_MAX, "{over}");
    let fixed = compare("fifo of 16", &farm(Splitting::Fixed(16)));
    let whole = compare("never split", &farm(Splitting::Never));
    assert!(over < fixed && fixed < whole, "{over}, {fixed}, {whole}");
}

#[test]
fn a_hundred_nodes_of_which_some_are_slow_come_within_three_percent() {
    let farm = farm(100, 400, MIXED, Splitting::Stolen);
    let over = compare("split when stolen", &farm);
    assert!(over <= OVER_MAX, "{over}");
}

#[test]
fn splitting_alone_spreads_a_lone_title_over_an_idle_farm() {
    let lone = |cut_for| Shape {
        jobs: 1,
        shortest: 1_200,
        longest: 1_201,
        cut_for,
        ..farm(100, 1, EQUAL, Splitting::Stolen)
    };
    let cut = compare("a lone title, cut for all nodes", &lone(None));
    let uncut = compare("a lone title, uncut", &lone(Some(1)));
    assert!(uncut <= 1.15 * cut, "{uncut}, {cut}");
}

/// Compares farms of both speeds, of as many nodes, units and milliseconds as was asked for.
fn compare_large(name: &str, splitting: Splitting, change: impl Fn(Shape) -> Shape) {
    let nodes = number(NODES).unwrap_or(1_000) as u32;
    let units = number(UNITS).unwrap_or(400) as u32;
    for speeds in [EQUAL, MIXED] {
        let mut shape = change(farm(nodes, units, speeds, splitting));
        shape.start_ms = number(START_MS).unwrap_or(shape.start_ms);
        shape.fetch_ms = 3 * shape.start_ms;
        compare(name, &shape);
    }
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_that_split_what_is_stolen() {
    compare_large("split when stolen", Splitting::Stolen, |shape| shape);
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_that_begin_with_whole_titles_and_split_them() {
    compare_large(
        "split when stolen, titles uncut",
        Splitting::Stolen,
        |shape| Shape {
            cut_for: Some(1),
            ..shape
        },
    );
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_that_split_and_are_fair_to_three_tenants() {
    compare_large(
        "split when stolen, three tenants",
        Splitting::Stolen,
        |shape| Shape {
            is_plain: false,
            ..shape
        },
    );
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_with_a_queue_of_single_segments() {
    compare_large("fifo of 1", Splitting::Fixed(1), |shape| shape);
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_with_a_queue_of_fixed_chunks() {
    compare_large("fifo of 16", Splitting::Fixed(16), |shape| shape);
    compare_large("fifo of 64", Splitting::Fixed(64), |shape| shape);
}

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn large_farms_that_never_split() {
    compare_large("never split", Splitting::Never, |shape| shape);
}
