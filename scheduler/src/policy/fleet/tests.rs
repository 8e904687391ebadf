//! Schedules that can be worked out by hand, and what holds for any.

use super::{Assumed, Demand, Fleet};
use model::job::Phase;
use model::work::{JobWork, WorkOf};
use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

const NOW_MS: u64 = 1_000_000_000;
const MINUTE: f64 = 60.0;

fn job(id: &str, units: u32, unit_seconds: f64) -> JobWork {
    JobWork {
        of: WorkOf {
            job: id.parse().unwrap(),
            title: "film".parse().unwrap(),
            phase: Phase::Processing,
            deadline_ms: None,
            held_max: None,
            paused: false,
        },
        open_units: units,
        open_seconds: f64::from(units) * unit_seconds,
        later_seconds: 0.0,
        later_chain_seconds: 0.0,
        chain_seconds: unit_seconds,
    }
}

fn due(seconds: f64, job: JobWork) -> JobWork {
    let mut job = job;
    job.of.deadline_ms = NOW_MS.checked_add_signed((seconds * 1e3) as i64);
    job
}

fn demand(jobs: &[JobWork]) -> Demand<'_> {
    Demand::new(jobs, NOW_MS, &Assumed::default())
}

fn tightest<'a>(fleet: &Fleet<'a>) -> (&'a str, f64) {
    let (work, slack) = fleet.tightest.as_ref().unwrap();
    (work.of.job.as_str(), *slack)
}

#[test]
fn one_job_takes_the_nodes_that_its_deadline_asks_for() {
    let jobs = [due(10.0 * MINUTE, job("a", 1_000, 24.0))];
    let fleet = demand(&jobs).least(4);
    assert_eq!((fleet.nodes, fleet.finish_seconds), (10, 600.0));
    assert_eq!(tightest(&fleet), ("a", 0.0));
    assert_eq!(demand(&jobs).least(64).nodes, 1, "40 slots in one node");
}

#[test]
fn the_earliest_deadline_is_served_first_and_the_rest_has_what_is_left() {
    // Newest first: b is older, and neither age nor place matters beside the deadlines.
    let jobs = [
        due(100.0, job("a", 10, 100.0)),
        due(300.0, job("b", 100, 20.0)),
        job("c", 5, 10.0),
    ];
    let fleet = demand(&jobs).least(1);
    // a has ten slots for 100 s; b all ten for the 200 s after it.
    assert_eq!(fleet.nodes, 10);
    assert_eq!(tightest(&fleet), ("a", 0.0));
    assert_eq!(fleet.finish_seconds, 310.0, "c, whose unit lasts 10 s");
    let ends = demand(&jobs).ends(12.0);
    // Two slots for 100 s, then twelve.
    assert_eq!(ends[0], 100.0);
    assert_eq!(ends[1], 250.0);
}

#[test]
fn a_job_uses_no_more_slots_than_it_has_units_or_may_hold() {
    let mut jobs = vec![due(600.0, job("a", 100, 30.0))];
    assert_eq!(demand(&jobs).least(1).nodes, 5);
    jobs[0].of.held_max = Some(3);
    let hopeless = demand(&jobs).hopeless();
    assert_eq!(
        (hopeless[0].least_seconds, hopeless[0].due_seconds),
        (1_000.0, 600.0)
    );
    assert_eq!(demand(&jobs).ends(1e6), [1_000.0]);
}

#[test]
fn a_chain_that_is_longer_than_the_time_is_said_and_the_others_are_planned() {
    let mut film = due(120.0, job("film", 100, 4.0));
    (
        film.later_seconds,
        film.later_chain_seconds,
        film.chain_seconds,
    ) = (30.0, 30.0, 210.0);
    let jobs = [
        film,
        due(600.0, job("talk", 100, 60.0)),
        due(-5.0, job("late", 1, 1.0)),
    ];
    let demand = demand(&jobs);
    let hopeless = demand.hopeless();
    let named: Vec<_> = hopeless
        .iter()
        .map(|one| one.work.of.job.as_str())
        .collect();
    assert_eq!(named, ["late", "film"]);
    assert_eq!(
        (hopeless[1].least_seconds, hopeless[1].due_seconds),
        (210.0, 120.0)
    );
    let fleet = demand.least(1);
    assert_eq!(fleet.nodes, 11, "6431 seconds of work in 600");
    assert_eq!(tightest(&fleet).0, "talk");
}

#[test]
fn what_comes_after_the_segments_takes_its_time() {
    let mut jobs = [due(160.0, job("a", 100, 10.0))];
    (jobs[0].later_seconds, jobs[0].later_chain_seconds) = (60.0, 60.0);
    let fleet = demand(&jobs).least(1);
    assert_eq!((fleet.nodes, fleet.finish_seconds), (10, 160.0));
}

#[test]
fn without_deadlines_one_node_is_enough_unless_a_time_is_given() {
    let mut new = job("new", 1, 2.0);
    new.of.phase = Phase::Probing;
    let mut paused = job("paused", 9, 9.0);
    paused.of.paused = true;
    let jobs = [paused, new, job("a", 300, 12.0)];
    let fleet = demand(&jobs).least(4);
    assert_eq!(
        (demand(&jobs).jobs(), fleet.nodes, fleet.tightest),
        (2, 1, None)
    );
    let assumed = Assumed {
        within: Some(300.0),
        new_job_seconds: 1_198.0,
    };
    let demand_within = Demand::new(&jobs, NOW_MS, &assumed);
    assert_eq!(
        demand_within.least(4).nodes,
        4,
        "4800 seconds of work in 300"
    );
    let nothing = demand(&jobs[..1]).least(4);
    assert_eq!((nothing.nodes, nothing.finish_seconds), (0, 0.0));
}

fn any_jobs() -> impl Strategy<Value = Vec<JobWork>> {
    let one = (
        1..60_u32,
        0.1..50.0_f64,
        proptest::option::of(0..2_000_u32),
        0.0..40.0_f64,
    );
    vec(one, 0..30).prop_map(|jobs| {
        let jobs = jobs.into_iter().enumerate();
        jobs.map(|(at, (units, unit_seconds, in_seconds, later))| {
            let mut one = job(&format!("j{at}"), units, unit_seconds);
            (one.later_seconds, one.later_chain_seconds) = (later, later);
            one.chain_seconds += later;
            match in_seconds {
                Some(seconds) => due(f64::from(seconds), one),
                None => one,
            }
        })
        .collect()
    })
}

proptest! {
    #[test]
    fn the_least_number_meets_what_can_be_met_and_one_less_does_not(
        jobs in any_jobs(),
        slots in 1..9_u32,
    ) {
        let demand = demand(&jobs);
        let fleet = demand.least(slots);
        let ends = |nodes: u32| demand.ends(f64::from(slots * nodes));
        prop_assert!(fleet.tightest.as_ref().is_none_or(|(_, slack)| *slack >= -1e-6));
        if fleet.nodes > 1 {
            prop_assert!(!demand.is_met(&ends(fleet.nodes - 1)));
        }
        prop_assert_eq!(fleet.nodes == 0, demand.jobs() == 0);
    }

    #[test]
    fn more_slots_end_no_job_later_and_do_no_more_than_they_can(
        jobs in any_jobs(),
        slots in 1..200_u32,
    ) {
        let demand = demand(&jobs);
        let (few, more) = (demand.ends(f64::from(slots)), demand.ends(f64::from(slots + 1)));
        for ((need, few), more) in demand.jobs.iter().zip(&few).zip(&more) {
            prop_assert!(*more <= few + 1e-6);
            prop_assert!(*few >= need.least() - 1e-6);
        }
        let last = few.iter().copied().fold(0.0, f64::max);
        let work: f64 = demand.jobs.iter().map(|need| need.total).sum();
        prop_assert!(last * f64::from(slots) >= work - 1e-3);
    }
}
