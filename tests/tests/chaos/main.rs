//! Chaos on real processes: two schedulers on one Redis and four nodes make real titles while a seed kills,
//! stops, cuts off, delays and restarts each of them for a while. What comes of it must be what comes of a
//! farm that nothing befalls: the same bytes, each unit committed once, one version of each title, and
//! nothing left running.
//!
//! Ways between processes are carried by the test (`way`), and not laid through network namespaces: those
//! need rights, and can lose no answer of a request that arrived.

mod farm;
mod ledger;
mod outcome;
mod part;
mod plan;
mod spoil;
mod sweep;
mod titles;
mod way;

use anyhow::{Context, Result, ensure};
use farm::Farm;
use ledger::Ledger;
use outcome::Outcome;
use plan::{Plan, Storm};
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use sweep::sweep;
use tests::{Place, lines_of_json};
use titles::Title;

/// Debug builds on busy cores are slow; what is promised has bounds of its own.
const BOUND: Duration = Duration::from_secs(240);

/// Pause between two looks at a farm: short against a disturbance.
const PAUSE: Duration = Duration::from_millis(20);

/// Pause between two questions to a farm that has calmed down.
const ASK_PAUSE: Duration = Duration::from_millis(500);

/// Jobs have ended when nothing of them is left: what was handed out is asked for once more at most.
const REST_BOUND: Duration = Duration::from_secs(60);

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

/// Programs that are not ours.
struct Tools {
    ffmpeg: PathBuf,
    redis: PathBuf,
}

/// What was seen of one farm.
struct Seen {
    outcome: Outcome,
    elapsed: Duration,
    /// Submissions that were not answered and repeated.
    repeated: u32,
}

/// Runs a farm to its end.
fn run(plan: &Plan, storm: Storm, tools: &Tools) -> Result<Seen> {
    let place = Place::new()?;
    let titles = titles::titles(&place, storm, &tools.ffmpeg)?;
    let mut farm = Farm::start(&place, &tools.redis)?;
    let ended = drive(&mut farm, plan, &titles);
    if ended.is_err() {
        farm.bury()?;
    }
    ended
}

fn drive(farm: &mut Farm, plan: &Plan, titles: &[Title]) -> Result<Seen> {
    let (doors, program) = (farm.doors(), farm.program().to_owned());
    let began = Instant::now();
    let submit = |at: usize| {
        let (after, first) = plan.submissions[at];
        std::thread::sleep(after.saturating_sub(began.elapsed()));
        titles::submit(&program, &titles[at], &doors, first)
    };
    // Threads of their own: a call that nobody answers must not hold up what befalls the farm.
    let jobs = std::thread::scope(|scope| -> Result<Vec<(String, u32)>> {
        let calls: Vec<_> = (0..titles.len())
            .map(|at| scope.spawn(move || submit(at)))
            .collect();
        rage(farm, plan, began)?;
        while calls.iter().any(|call| !call.is_finished()) {
            farm.look()?;
            std::thread::sleep(PAUSE);
        }
        let jobs = calls.into_iter().map(|call| call.join().expect("no panic"));
        jobs.collect()
    })?;
    wait_for_ends(farm, jobs.len())?;
    wait_for_rest(farm)?;
    let repeated = jobs.iter().map(|(_, tries)| tries - 1).sum();
    let names = jobs.into_iter().zip(titles);
    let jobs: Vec<_> = names
        .map(|((job, _), title)| (job, title.name.clone()))
        .collect();
    let outcome = Outcome::of(farm, &jobs)?;
    let elapsed = began.elapsed();
    if plan.disturbances.is_empty() {
        let count = spoil::each_is_noticed(farm, &jobs)?;
        say(&format!("{count} spoilt farms noticed"));
    }
    farm.stop()?;
    Ok(Seen {
        outcome,
        elapsed,
        repeated,
    })
}

/// Carries out all that is planned.
fn rage(farm: &mut Farm, plan: &Plan, began: Instant) -> Result<()> {
    let mut events: Vec<_> = Vec::new();
    for one in &plan.disturbances {
        events.extend([(one.from, true, one), (one.until, false, one)]);
    }
    // What begins comes first: a disturbance may be over at once.
    events.sort_by_key(|(at, begins, _)| (*at, !begins));
    for (at, begins, one) in events {
        while began.elapsed() < at {
            farm.look()?;
            std::thread::sleep(PAUSE);
        }
        if begins {
            say(&format!("{:5} ms {one:?}", began.elapsed().as_millis()));
            farm.begin(one).with_context(|| format!("begin {one:?}"))?;
        } else {
            farm.end(one).with_context(|| format!("end {one:?}"))?;
        }
    }
    Ok(())
}

/// Waits until each job has ended. Both schedulers are asked in turn.
fn wait_for_ends(farm: &mut Farm, jobs: usize) -> Result<()> {
    let (began, mut asked) = (Instant::now(), 0);
    loop {
        let until = Instant::now() + ASK_PAUSE;
        while Instant::now() < until {
            farm.look()?;
            std::thread::sleep(PAUSE);
        }
        let listed = farm.ask(asked % plan::SCHEDULERS, &["jobs", "--json"])?;
        asked += 1;
        let listed = listed
            .map(|listed| lines_of_json(&listed.stdout))
            .transpose()?;
        let listed = listed.unwrap_or_default();
        let has_ended = |job: &&serde_json::Value| {
            let phase = job["phase"].as_str().unwrap_or_default();
            ["published", "failed", "rejected", "cancelled", "review"].contains(&phase)
        };
        if listed.iter().filter(has_ended).count() == jobs {
            return Ok(());
        }
        ensure!(began.elapsed() < BOUND, "no rest: {listed:?}");
    }
}

/// Waits until nothing is leased, queued or alive.
fn wait_for_rest(farm: &mut Farm) -> Result<()> {
    let began = Instant::now();
    loop {
        farm.look()?;
        let ledger = Ledger::of(farm)?;
        if ledger.is_at_rest() {
            return Ok(());
        }
        ensure!(began.elapsed() < REST_BOUND, "work is left: {ledger:?}");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn farms_in_brief_storms_end_as_a_calm_one() -> Result<()> {
    sweep(Storm::Brief, 2)
}

#[test]
#[ignore = "takes a minute a seed; MAGPIE_CHAOS_SEEDS says how many"]
fn farms_in_short_storms_end_as_a_calm_one() -> Result<()> {
    sweep(Storm::Short, 20)
}

#[test]
#[ignore = "takes minutes a seed; MAGPIE_CHAOS_SEEDS says how many"]
fn farms_in_long_storms_end_as_a_calm_one() -> Result<()> {
    sweep(Storm::Long, 8)
}
