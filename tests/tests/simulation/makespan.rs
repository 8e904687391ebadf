//! How long farms take where nothing goes wrong, over the time that no schedule can beat.

use super::shape::{Shape, Splitting};
use super::world::{Outcome, run};
use super::{assert_clean, number, say};
use std::time::Instant;

/// Nodes of the farms that are compared.
const NODES: &str = "MAGPIE_SIMULATION_NODES";

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
        let (makespan, bound, promise) = (outcome.makespan, outcome.bound, outcome.promise);
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

#[test]
#[ignore = "takes minutes; MAGPIE_SIMULATION_NODES says how many nodes"]
fn splitting_what_is_stolen_is_compared_with_fixed_chunks_and_whole_titles() {
    let nodes = number(NODES).unwrap_or(1_000) as u32;
    say("nodes | how work is cut | makespan s | bound s | over | promise s | steals | run s");
    for splitting in [Splitting::Stolen, Splitting::Fixed(16), Splitting::Never] {
        let started = Instant::now();
        let outcome = calm(&Shape::large(1, nodes, splitting));
        let (makespan, bound) = (outcome.makespan, outcome.bound);
        say(&format!(
            "{nodes} | {splitting:?} | {makespan:.0} | {bound:.0} | {:.3} | {:.0} | {} | {:.0}",
            makespan / bound,
            outcome.promise,
            outcome.counts.steals,
            started.elapsed().as_secs_f64()
        ));
    }
}
