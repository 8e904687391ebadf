//! How many nodes tables of queues are worth, and what holds for any queue.

use super::{Wish, nodes_worth};
use model::job::Phase;
use model::work::{JobWork, WorkOf};
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};

const NOW_MS: u64 = 1_000_000_000;

fn wish(slots: u32, target_seconds: f64) -> Wish {
    Wish {
        slots,
        target_seconds,
        min_unit_seconds: 0.0,
        new_job_seconds: 0.0,
    }
}

fn job(units: u32, seconds: f64) -> JobWork {
    JobWork {
        of: WorkOf {
            job: "j1".parse().unwrap(),
            title: "film".parse().unwrap(),
            phase: Phase::Processing,
            deadline_ms: None,
            held_max: None,
            paused: false,
        },
        open_units: units,
        open_seconds: seconds,
        later_seconds: 0.0,
        later_chain_seconds: 0.0,
        chain_seconds: 0.0,
    }
}

fn due(seconds: i64, job: JobWork) -> JobWork {
    let mut job = job;
    job.of.deadline_ms = NOW_MS.checked_add_signed(seconds * 1_000);
    job
}

#[test]
fn a_queue_is_worth_the_nodes_that_finish_it_in_time() {
    let hour = wish(4, 3_600.0);
    for (what, jobs, wish, nodes) in [
        ("nothing is left", vec![], hour, 0),
        ("all waits for something else", vec![job(0, 0.0)], hour, 0),
        ("one short unit", vec![job(1, 2.0)], hour, 1),
        ("work of unknown length", vec![job(3, 0.0)], hour, 1),
        (
            "an hour for four slots",
            vec![job(1_000, 4.0 * 3_600.0)],
            hour,
            1,
        ),
        (
            "a second more",
            vec![job(1_000, 4.0 * 3_600.0 + 1.0)],
            hour,
            2,
        ),
        (
            "two jobs add up",
            vec![job(500, 8.0 * 3_600.0), job(500, 8.0 * 3_600.0)],
            hour,
            4,
        ),
        ("no more than units", vec![job(5, 1e9)], hour, 2),
        ("a deadline", vec![due(600, job(1_000, 24_000.0))], hour, 10),
        (
            "a deadline after the target",
            vec![due(7_200, job(1_000, 14_400.0))],
            hour,
            1,
        ),
        (
            "a deadline that has passed",
            vec![due(-9, job(8, 240.0))],
            hour,
            1,
        ),
        (
            "late with much to do",
            vec![due(-9, job(80, 1e6))],
            hour,
            20,
        ),
        (
            "the urgent job asks for more than both in an hour",
            vec![job(1_000, 3_600.0), due(600, job(1_000, 4_800.0))],
            hour,
            2,
        ),
    ] {
        assert_eq!(nodes_worth(&jobs, NOW_MS, &wish), nodes, "{what}");
    }
}

#[test]
fn a_job_asks_for_no_more_than_it_may_use() {
    let hour = wish(1, 3_600.0);
    let mut paused = job(100, 1e6);
    paused.of.paused = true;
    assert_eq!(nodes_worth(&[paused], NOW_MS, &hour), 0);
    let mut held = job(100, 1e6);
    held.of.held_max = Some(3);
    assert_eq!(nodes_worth(&[held], NOW_MS, &hour), 3);
    let mut tail = due(900, job(100, 6_000.0));
    assert_eq!(nodes_worth(std::slice::from_ref(&tail), NOW_MS, &hour), 7);
    tail.later_chain_seconds = 300.0;
    assert_eq!(
        nodes_worth(&[tail], NOW_MS, &hour),
        10,
        "time for what comes after"
    );
    let coarse = Wish {
        min_unit_seconds: 100.0,
        ..wish(1, 60.0)
    };
    assert_eq!(nodes_worth(&[job(100, 450.0)], NOW_MS, &coarse), 5);
}

#[test]
fn a_job_that_is_not_planned_is_taken_for_what_the_operator_says() {
    let wish = Wish {
        new_job_seconds: 1_800.0,
        ..wish(4, 3_600.0)
    };
    let mut new = job(1, 2.0);
    new.of.phase = Phase::Probing;
    assert_eq!(nodes_worth(&vec![new; 100], NOW_MS, &wish), 13);
    assert_eq!(nodes_worth(&vec![job(1, 2.0); 100], NOW_MS, &wish), 1);
}

fn any_job() -> impl Strategy<Value = JobWork> {
    let numbers = (0..200_u32, 0.0..1e5, proptest::option::of(-600..90_000_i64));
    let flags = (
        any::<bool>(),
        proptest::option::of(1..50_u32),
        any::<bool>(),
    );
    (numbers, flags).prop_map(
        |((units, seconds, in_seconds), (paused, held_max, probing))| {
            let mut job = job(units, if units == 0 { 0.0 } else { seconds });
            if let Some(in_seconds) = in_seconds {
                job = due(in_seconds, job);
            }
            (job.of.paused, job.of.held_max) = (paused, held_max);
            if probing {
                job.of.phase = Phase::Probing;
            }
            job
        },
    )
}

fn any_wish() -> impl Strategy<Value = Wish> {
    let seconds = (1.0..20_000.0, 0.0..500.0, 0.0..5_000.0);
    (0..33_u32, seconds).prop_map(|(slots, (target, min_unit, new_job))| Wish {
        slots,
        target_seconds: target,
        min_unit_seconds: min_unit,
        new_job_seconds: new_job,
    })
}

proptest! {
    #[test]
    fn more_work_never_asks_for_less_and_nothing_asks_for_more_than_its_units(
        jobs in vec(any_job(), 0..20),
        wish in any_wish(),
        more in (0..20_usize, 0..100_u32, 0.0..1e5),
    ) {
        let nodes = nodes_worth(&jobs, NOW_MS, &wish);
        let usable: Vec<_> = jobs.iter().filter(|job| !job.of.paused).collect();
        let units: u32 = usable.iter().map(|job| job.open_units).sum();
        prop_assert!(nodes <= units.div_ceil(wish.slots.max(1)));
        prop_assert!((nodes == 0) == (units == 0));
        let (at, units, seconds) = more;
        let mut grown = jobs;
        let Some(job) = grown.get_mut(at) else { return Ok(()) };
        job.open_units += units;
        if job.open_units > 0 {
            job.open_seconds += seconds;
        }
        prop_assert!(nodes_worth(&grown, NOW_MS, &wish) >= nodes);
    }
}
