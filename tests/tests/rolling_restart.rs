//! Schedulers that are restarted one after the other while people and nodes use them: whoever asks a second
//! time is always answered.

use anyhow::{Result, ensure};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tests::{Farm, Finished, Magpie, Place, Redis, Title, listed, published, require, wait_until};

const BOUND: Duration = Duration::from_secs(600);

/// Calls that are answered between two restarts.
const CALLS: usize = 8;

/// What a person does again and again, and how often the first try failed.
struct Person {
    schedulers: String,
    /// Seen by who restarts the schedulers meanwhile.
    calls: Arc<AtomicUsize>,
    failed: Vec<String>,
}

impl Person {
    /// Calls a command, and calls it again where it failed.
    fn call(&mut self, arguments: &[&str]) -> Result<Finished> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let first = self.once(arguments)?;
        if first.code == Some(0) {
            return Ok(first);
        }
        self.failed.push(format!("{arguments:?}: {}", first.stderr));
        let second = self.once(arguments)?;
        ensure!(
            second.code == Some(0),
            "{arguments:?}: {first:?}, {second:?}"
        );
        Ok(second)
    }

    /// Submits titles, lists jobs and shows one until it is over; answers how many titles.
    fn ask(&mut self, source: &str, job: &str, is_over: &AtomicBool) -> Result<usize> {
        let preview = ["submit", source, "--profile", "preview", "--json"];
        let mut submitted = 0;
        while !is_over.load(Ordering::Relaxed) {
            let key = format!("extra-{submitted}");
            let key = ["--title", &key, "--idempotency-key", &key];
            let last = ["--priority", "1"];
            self.call(&[&preview[..], &key, &last].concat())?;
            submitted += 1;
            self.call(&["jobs", "--json"])?;
            self.call(&["jobs", job, "--json"])?;
        }
        Ok(submitted)
    }

    fn once(&self, arguments: &[&str]) -> Result<Finished> {
        let call = Magpie::new(arguments)?.env("MAGPIE_SCHEDULER", &self.schedulers);
        call.finish(BOUND)
    }
}

/// Restarts two schedulers one by one, twice each, so that both meet nodes that were led to them by the end
/// of the other.
fn restart_all(farm: &mut Farm, calls: &AtomicUsize) -> Result<()> {
    for at in [0, 1, 0, 1] {
        let asked = calls.load(Ordering::Relaxed);
        let heard = || Ok((calls.load(Ordering::Relaxed) >= asked + CALLS).then_some(()));
        wait_until("calls between two restarts", BOUND, heard)?;
        farm.restart_scheduler(at)?;
    }
    Ok(())
}

#[test]
fn schedulers_are_restarted_one_by_one_and_nobody_notices() -> Result<()> {
    let (Some(ffmpeg), Some(program)) = (require("ffmpeg"), require("redis-server")) else {
        return Ok(());
    };
    let place = Place::new()?;
    let title = Title::make(&place, &ffmpeg, 12)?;
    let calm = title.calm(&place)?;
    let redis = Redis::start(&program, &place)?;
    let mut farm = Farm::start_with(&place, &redis)?;
    farm.add_scheduler()?;
    let nodes = [
        farm.add_node(&["--slots", "1"])?,
        farm.add_node(&["--slots", "1"])?,
    ];
    let job = title.submit(&farm, "clip")?;
    let source = title.source(&farm)?;
    let calls = Arc::new(AtomicUsize::new(0));
    let mut person = Person {
        schedulers: farm.urls(),
        calls: Arc::clone(&calls),
        failed: Vec::new(),
    };
    let mut watch = farm.call(&["watch", &job, "--json"])?.start()?;

    let is_over = AtomicBool::new(false);
    let submitted = std::thread::scope(|scope| {
        let asks = scope.spawn(|| person.ask(&source, &job, &is_over));
        let restarted = restart_all(&mut farm, &calls);
        is_over.store(true, Ordering::Relaxed);
        let asked = asks.join().expect("no assertion stands there");
        restarted.and(asked)
    })?;
    writeln!(
        std::io::stderr(),
        "{} calls, {submitted} of them submissions; asked again: {:?}",
        calls.load(Ordering::Relaxed),
        person.failed
    )?;

    let status = watch.wait(BOUND)?;
    let said = watch.stdout() + &watch.stderr();
    ensure!(status.success(), "{status}: {said}");
    assert_eq!(calm, published(farm.storage(), "clip")?);
    for node in &nodes {
        let said = farm.node(node)?.stderr();
        ensure!(!said.contains("attempt failed"), "{said}");
    }
    wait_until("the other jobs", BOUND, || {
        let finished = farm
            .call(&["jobs", "--phase", "published", "--json"])?
            .finish(BOUND)?;
        let lines = finished.stdout.lines().count();
        Ok((lines == submitted + 1).then_some(()))
    })?;
    let known = listed(&farm, &job)?;
    ensure!(known.is_some(), "the job is listed");
    Ok(())
}
