//! Workers that crash, spin, eat, and reach out: each must be stopped, and its end named.

use crate::{Case, block_on};
use anyhow::{Context, Result, bail, ensure};
use model::{Failure, FailureKind};
use node_agent::trial::{self, Misbehaviour};
use node_agent::{Config, Limits, Sandbox, WorkerProgram, prove_sandbox};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};
use storage::{Source, SourceRoots};

/// First argument of an agent process that has a spinning worker.
pub(crate) const SPINNER: &str = "spinner";

pub(crate) const CASES: &[Case] = &[
    ("a_worker_dies_with_its_agent", dies_with_its_agent),
    (
        "a_signal_to_the_group_of_the_agent_reaches_no_worker",
        has_a_group_of_its_own,
    ),
    (
        "a_worker_reaches_no_file_socket_process_or_limit",
        reaches_nothing,
    ),
    ("a_segmentation_fault_ends_the_worker_only", segfault),
    ("an_endless_loop_is_killed_for_making_no_progress", spin),
    (
        "an_endless_loop_ends_at_its_processor_time",
        spin_until_the_limit,
    ),
    ("a_worker_that_eats_memory_aborts_at_its_limit", eat_memory),
    ("a_panic_is_a_bug_with_its_message", panic),
    ("an_endless_error_output_leaves_its_end_as_evidence", rant),
    ("bytes_that_are_no_frame_end_the_worker", babble),
    ("reading_the_source_for_ever_is_no_progress", reread),
    ("reporting_progress_for_ever_is_no_progress", pretend),
    ("a_program_that_is_no_worker_is_refused", no_worker),
    ("this_host_can_confine_strictly", strict),
];

fn limits() -> Limits {
    Limits {
        address_space_bytes: 2 << 30,
        cpu: Duration::from_secs(60),
        stall: Duration::from_secs(20),
        ..Limits::default()
    }
}

fn misbehave(
    how: Misbehaviour,
    limits: Limits,
) -> Result<std::result::Result<Vec<String>, Failure>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().canonicalize()?.join("source");
    std::fs::write(&file, [7; 10_000])?;
    let roots = SourceRoots::new([folder.path().to_str().context("a path in UTF-8")?])?;
    block_on(async {
        let source = Source::open(&format!("file://{}", file.display()), &roots).await?;
        Ok(trial::run(WorkerProgram::this_executable(), limits, source, how).await?)
    })
}

fn failure(how: Misbehaviour, limits: Limits) -> Result<Failure> {
    misbehave(how, limits)?
        .err()
        .context("the worker ended well")
}

fn is_node_fault(failure: &Failure, word: &str) -> Result<()> {
    ensure!(failure.kind == FailureKind::NodeFault, "{failure}");
    ensure!(failure.message.contains(word), "{failure}");
    Ok(())
}

fn reaches_nothing() -> Result<()> {
    let reached = misbehave(Misbehaviour::ReachOut, limits())?.map_err(anyhow::Error::from)?;
    ensure!(reached.is_empty(), "reached {reached:?}");
    Ok(())
}

fn segfault() -> Result<()> {
    is_node_fault(&failure(Misbehaviour::Segfault, limits())?, "SIGSEGV")
}

fn spin() -> Result<()> {
    let started = Instant::now();
    let limits = Limits {
        stall: Duration::from_secs(1),
        ..limits()
    };
    is_node_fault(&failure(Misbehaviour::Spin, limits)?, "no progress for 1 s")?;
    ensure!(
        started.elapsed() < Duration::from_secs(15),
        "took {:?}",
        started.elapsed()
    );
    Ok(())
}

fn spin_until_the_limit() -> Result<()> {
    let limits = Limits {
        cpu: Duration::from_secs(1),
        ..limits()
    };
    is_node_fault(&failure(Misbehaviour::Spin, limits)?, "SIGXCPU")
}

fn eat_memory() -> Result<()> {
    let found = failure(Misbehaviour::EatMemory, limits())?;
    is_node_fault(&found, "SIGABRT")?;
    ensure!(found.evidence.contains("memory allocation of"), "{found:?}");
    Ok(())
}

fn panic() -> Result<()> {
    let found = failure(Misbehaviour::Panic, limits())?;
    let says_why = found.message.contains("asked to panic");
    ensure!(found.kind == FailureKind::Bug && says_why, "{found}");
    ensure!(
        found.evidence.contains("misbehave.rs"),
        "{}",
        found.evidence
    );
    Ok(())
}

fn rant() -> Result<()> {
    let found = failure(Misbehaviour::Rant, limits())?;
    is_node_fault(&found, "exited with code 3")?;
    ensure!(
        found.evidence.ends_with("rant 19999\n"),
        "{}",
        found.evidence
    );
    ensure!(found.evidence.len() <= model::failure::EVIDENCE_BYTES_MAX);
    Ok(())
}

fn babble() -> Result<()> {
    is_node_fault(
        &failure(Misbehaviour::Babble, limits())?,
        "broke the protocol",
    )
}

fn reread() -> Result<()> {
    let limits = Limits {
        stall: Duration::from_secs(1),
        ..limits()
    };
    let found = failure(Misbehaviour::Reread, limits)?;
    ensure!(
        found.evidence.contains("bytes 0 to 4096 of 10000"),
        "{}",
        found.evidence
    );
    is_node_fault(&found, "no progress")
}

fn pretend() -> Result<()> {
    let limits = Limits {
        stall: Duration::from_secs(1),
        ..limits()
    };
    is_node_fault(&failure(Misbehaviour::Pretend, limits)?, "no progress")
}

fn config() -> Result<Config> {
    Ok(Config::new("node".parse()?, SourceRoots::default()))
}

fn no_worker() -> Result<()> {
    let config = config()?.with_program("/bin/true");
    let refused = block_on(async { Ok(prove_sandbox(&config).await) })?;
    let error = refused.err().context("it was taken for a worker")?;
    ensure!(error.to_string().contains("hello"), "{error}");
    Ok(())
}

fn strict() -> Result<()> {
    let config = config()?;
    ensure!(config.sandbox == Sandbox::Strict);
    block_on(async { Ok(prove_sandbox(&config).await?) })
}

/// What the process of [`SPINNER`] does.
pub(crate) fn spin_for_ever() -> ExitCode {
    let endless = Limits {
        stall: Duration::from_secs(600),
        ..limits()
    };
    match misbehave(Misbehaviour::Spin, endless) {
        Ok(_) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn children(process: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten();
    let lists = threads
        .flatten()
        .map(|thread| thread.path().join("children"));
    let lists = lists.filter_map(|list| std::fs::read_to_string(list).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|id| id.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Gone, or dead and not yet reaped by whoever inherited it.
fn is_dead(process: u32) -> bool {
    let stat = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    stat.map_or(true, |stat| {
        stat.rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('Z'))
    })
}

/// Looks again and again, for half a minute: no other process can be waited for.
fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        if let Some(found) = look() {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("{what}: not within 30 s")
}

/// Process group of a process, the third field after its name.
fn group(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit(") ").next()?.split(' ').nth(2)?.parse().ok()
}

fn has_a_group_of_its_own() -> Result<()> {
    let mut agent = Command::new(std::env::current_exe()?)
        .arg(SPINNER)
        .spawn()?;
    let grouped = soon("the worker leads a process group", || {
        let worker = children(agent.id()).first().copied()?;
        (group(worker)? == worker).then_some(())
    });
    let own = group(agent.id());
    agent.kill()?;
    agent.wait()?;
    grouped?;
    ensure!(
        own == group(std::process::id()),
        "the agent has left its group"
    );
    Ok(())
}

fn dies_with_its_agent() -> Result<()> {
    let mut agent = Command::new(std::env::current_exe()?)
        .arg(SPINNER)
        .spawn()?;
    let worker = soon("the agent has a worker", || {
        children(agent.id()).first().copied()
    });
    agent.kill()?;
    agent.wait()?;
    let worker = worker?;
    soon("the worker is dead", || is_dead(worker).then_some(()))
}
