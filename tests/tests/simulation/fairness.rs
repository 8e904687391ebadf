//! While tenants wait for the same nodes, each gets work by its weight, and what it gets differs from that
//! by no more than a bound: what a tenant may be ahead, and what the slots have claimed.

use super::mutant::Mutant;
use super::say;
use super::shape::Shape;
use super::titles::TENANTS;
use super::world::{World, run_until};
use store::{LEAD_SECONDS, Share};

const WEIGHTS: [u32; 3] = [1, 2, 5];

/// Expected seconds of what each tenant has claimed, over its weight.
fn served(world: &World) -> [f64; 3] {
    let served = world.store.served();
    std::array::from_fn(|at| {
        let tenant = TENANTS[at].parse().expect("an identifier");
        served.get(&tenant).copied().unwrap_or(0.0) / f64::from(WEIGHTS[at])
    })
}

fn least(served: [f64; 3]) -> f64 {
    served.into_iter().fold(f64::MAX, f64::min)
}

/// A slot holds two claimed units at most, and gives the chunk back before a third.
fn bound(world: &World) -> f64 {
    let slots = f64::from(world.shape.nodes * world.shape.slots);
    LEAD_SECONDS + 2.0 * world.store.longest_unit() * slots
}

/// How far tenants are apart in seconds when each was served enough, and the bound of that.
fn apart(seed: u64, mutant: Option<Mutant>) -> (f64, f64) {
    let shares = TENANTS.into_iter().zip(WEIGHTS).map(|(tenant, weight)| {
        let held_max = None;
        (tenant, Share { weight, held_max })
    });
    let shape = Shape {
        nodes: 2 + (seed % 5) as u32,
        slots: 1,
        jobs: 60,
        shortest: 60,
        longest: 61,
        arrivals_ms: 0,
        look_each: u64::MAX,
        // What is served is counted in seconds as they are expected.
        learns: false,
        shares: shares.collect(),
        ..Shape::calm(seed)
    };
    let is_enough = |world: &World| {
        let bound = bound(world);
        bound > LEAD_SECONDS && least(served(world)) > 4.0 * bound
    };
    let world = run_until(&shape, mutant, is_enough);
    assert_eq!(world.store.violations(), [""; 0], "seed {seed}");
    assert!(is_enough(&world), "seed {seed} has too little to do");
    let (each, bound) = (served(&world), bound(&world));
    let apart = each.into_iter().fold(0.0, f64::max) - least(each);
    say(&format!(
        "seed {seed}: served over weight {each:.0?} s, apart by {apart:.0}, bound {bound:.0}"
    ));
    (apart, bound)
}

#[test]
fn tenants_get_work_by_weight_within_a_bound() {
    for seed in 0..20 {
        let (apart, bound) = apart(seed, None);
        assert!(apart <= bound, "seed {seed}: {apart}");
    }
}

#[test]
fn a_store_that_knows_no_weights_is_noticed() {
    let (apart, bound) = apart(0, Some(Mutant::IgnoresWeights));
    assert!(apart > bound, "{apart}, bound {bound}");
}
