//! Chaos on real processes: two schedulers on one Redis and four nodes make real titles while a seed kills,
//! stops, cuts off, delays and restarts each of them for a while. What comes of it must be what comes of a
//! farm that nothing befalls: the same bytes, each unit committed once, one version of each title, and
//! nothing left running.
//!
//! Ways between processes are carried by the test (`way`), and not laid through network namespaces: those
//! need rights, and can lose no answer of a request that arrived.

mod farm;
mod outcome;
mod part;
mod plan;
mod titles;
mod way;

use anyhow::{Context, Result, ensure};
use farm::Farm;
use outcome::Outcome;
use plan::{Plan, Storm};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tests::{Place, lines_of_json, require};
use titles::Title;

/// Debug builds on busy cores are slow; what is promised has bounds of its own.
const BOUND: Duration = Duration::from_secs(240);

/// Pause between two looks at a farm: short against a disturbance.
const PAUSE: Duration = Duration::from_millis(20);

/// Pause between two questions to a farm that has calmed down.
const ASK_PAUSE: Duration = Duration::from_millis(500);

/// A farm to look at again, and how many farms are looked at.
const SEED: &str = "MAGPIE_CHAOS_SEED";
const SEEDS: &str = "MAGPIE_CHAOS_SEEDS";

fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("standard error is open");
}

fn number(name: &str) -> Result<Option<u64>> {
    match std::env::var(name) {
        Ok(text) => Ok(Some(
            text.parse()
                .with_context(|| format!("{name} is a number"))?,
        )),
        Err(_) => Ok(None),
    }
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
    wait_for_rest(farm, jobs.len())?;
    let repeated = jobs.iter().map(|(_, tries)| tries - 1).sum();
    let names = jobs.into_iter().zip(titles);
    let jobs: Vec<_> = names
        .map(|((job, _), title)| (job, title.name.clone()))
        .collect();
    let outcome = Outcome::of(farm, &jobs)?;
    let elapsed = began.elapsed();
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
fn wait_for_rest(farm: &mut Farm, jobs: usize) -> Result<()> {
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

/// Runs a calm farm and one for each seed, and compares.
fn sweep(storm: Storm, seeds: impl Iterator<Item = u64>) -> Result<()> {
    let (Some(ffmpeg), Some(redis)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let tools = Tools { ffmpeg, redis };
    let titles = 2 + storm.long_titles().len();
    let calm = run(&Plan::calm(titles), storm, &tools).context("the calm farm")?;
    let (calm, elapsed) = (calm.outcome, calm.elapsed.as_secs_f64());
    let units = calm.commits.len();
    say(&format!(
        "calm: {units} units, {} files, {elapsed:.1} s",
        calm.files()
    ));
    ensure!(units >= 50 && calm.files() > 120, "{calm:?}");
    ensure!(calm.duplicates() == 0, "{calm:?}");
    let mut kinds = BTreeMap::new();
    let (mut farms, mut seconds, mut repeated) = (0, elapsed, 0);
    for seed in seeds {
        let plan = Plan::of(seed, storm, titles);
        let again = format!(
            "seed {seed}; replay: {SEED}={seed} cargo test -p tests --test chaos -- --nocapture \
             --include-ignored {}",
            storm.name()
        );
        let seen = run(&plan, storm, &tools).with_context(|| again.clone())?;
        let outcome = seen.outcome;
        say(&format!(
            "seed {seed}: {} disturbances {:?}, {titles} jobs, {} units, {} duplicates, {} lost, {} \
             submissions repeated, {:.1} s",
            plan.disturbances.len(),
            plan.counts(),
            outcome.commits.len(),
            outcome.duplicates(),
            outcome.lost(&calm),
            seen.repeated,
            seen.elapsed.as_secs_f64()
        ));
        let differences = outcome.differences(&calm);
        ensure!(
            differences.is_empty(),
            "{again}\n{}",
            differences.join("\n")
        );
        for (kind, count) in plan.counts() {
            *kinds.entry(kind).or_insert(0) += count;
        }
        farms += 1;
        seconds += seen.elapsed.as_secs_f64();
        repeated += seen.repeated;
    }
    say(&format!(
        "{farms} seeds like the calm one: {kinds:?}, {} jobs, {} units, {repeated} submissions repeated, \
         {seconds:.0} s with the calm one",
        farms * titles,
        farms * units,
    ));
    Ok(())
}

/// The seed to look at again, or so many from the first on.
fn seeds(count: u64) -> Result<std::ops::Range<u64>> {
    Ok(match (number(SEED)?, number(SEEDS)?) {
        (Some(seed), _) => seed..seed + 1,
        (None, count_or_none) => 0..count_or_none.unwrap_or(count),
    })
}

#[test]
fn farms_in_short_storms_end_as_a_calm_one() -> Result<()> {
    sweep(Storm::Short, seeds(2)?)
}

#[test]
#[ignore = "takes minutes; MAGPIE_CHAOS_SEEDS says how many"]
fn farms_in_long_storms_end_as_a_calm_one() -> Result<()> {
    sweep(Storm::Long, seeds(8)?)
}
