//! How kinds of nodes are typed and what a plan says.

use super::{Kind, plan};
use model::job::Phase;
use model::work::{JobWork, WorkOf};
use scheduler::policy::fleet::Assumed;

const NOW_MS: u64 = 1_000_000_000;

fn job(id: &str, due_seconds: i64, units: u32, unit_seconds: f64) -> JobWork {
    JobWork {
        of: WorkOf {
            job: id.parse().unwrap(),
            title: "film".parse().unwrap(),
            phase: Phase::Processing,
            deadline_ms: NOW_MS.checked_add_signed(due_seconds * 1_000),
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

fn lines(jobs: &[JobWork], kinds: &[&str]) -> Vec<String> {
    let kinds: Vec<Kind> = kinds.iter().map(|kind| kind.parse().unwrap()).collect();
    let text = plan(jobs, NOW_MS, &kinds, &Assumed::default()).lines();
    text.join("\n").lines().map(str::to_owned).collect()
}

#[test]
fn a_kind_of_node_is_a_name_slots_and_a_price() {
    let kind: Kind = "aws:c7g.4xlarge:16:0.58".parse().unwrap();
    assert_eq!(
        (&*kind.kind, kind.slots, kind.price_per_hour),
        ("aws:c7g.4xlarge", 16, 0.58)
    );
    for bad in [
        "",
        "a:4",
        "a:0:1",
        "a:x:1",
        ":4:1",
        "a:4:-1",
        "a:4:NaN",
        "a:70000:1",
    ] {
        assert!(bad.parse::<Kind>().is_err(), "{bad:?} was taken");
    }
}

#[test]
fn a_plan_is_a_row_for_each_kind_and_names_the_cheapest() {
    // 40 slots for ten minutes.
    let jobs = [job("a", 600, 1_000, 24.0)];
    let told = lines(&jobs, &["small:4:0.20", "large:64:2.40"]);
    let [head, small, large, cheapest] = &told[..] else {
        panic!("{told:?}");
    };
    let words = |line: &str| {
        line.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(head)[..4], ["kind", "slots", "price/h", "nodes"]);
    let expected = [
        "small", "4", "0.2", "10", "10", "min", "0", "s", "0.33", "a", "film", "0", "s",
    ];
    assert_eq!(words(small), expected);
    let expected = [
        "large", "64", "2.4", "1", "6", "min", "15", "s", "0.25", "a", "film",
    ];
    assert_eq!(words(large)[..11], expected);
    assert_eq!(words(large)[11..], ["3", "min", "45", "s"]);
    assert_eq!(cheapest, "cheapest: large");
}

#[test]
fn a_job_that_no_fleet_finishes_in_time_is_named_with_the_reason() {
    let mut film = job("film1", 120, 100, 4.0);
    film.chain_seconds = 180.5;
    let mut paused = job("p", 1, 1, 9.0);
    paused.of.paused = true;
    let jobs = [
        film,
        job("late", -90, 1, 2.0),
        job("talk", 600, 60, 10.0),
        paused,
    ];
    let told = lines(&jobs, &["small:4:0.20"]);
    assert_eq!(
        told[2..],
        [
            "late film is late with any number of nodes: it takes 2 s at least and was due 1 min 30 s ago",
            "film1 film is late with any number of nodes: it takes 3 min 1 s at least and is due in 2 min 0 s",
            "left out, because they are paused: 1",
        ]
    );
    assert!(told[1].contains("talk film"), "{told:?}");
    let many: Vec<JobWork> = (0..15).map(|n| job(&format!("j{n}"), -9, 1, 1.0)).collect();
    let told = lines(&many, &["small:4:0.20"]);
    assert_eq!(
        told.last().unwrap(),
        "5 more jobs are late with any number of nodes"
    );
    assert!(told[1].contains("no deadline to meet"), "{told:?}");
}

#[test]
fn nothing_to_do_is_a_sentence() {
    assert_eq!(
        lines(&[], &["small:4:0.20"]),
        ["there is no work to plan for"]
    );
}
