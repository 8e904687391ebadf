//! What a worker does to itself before it reads its first message, and the proof that it held.
//! Nothing here can be undone. The one fact to know: libraries are loaded by then, so a library that
//! opens files lazily (character sets, debug information) does without them.

use super::syscalls::filters;
use crate::config::{Limits, Sandbox};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus,
    Scope,
};
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;

/// How a worker shall confine itself; its only argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// Whether it must give up when a layer is missing.
    pub(crate) sandbox: Sandbox,
    /// Address space and processor time.
    pub(crate) limits: Limits,
}

/// What held when it was tried: the worker's first words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proof {
    /// What is missing for a strict sandbox, in words; empty when nothing is.
    pub(crate) missing: Vec<String>,
}

/// Open descriptors of a worker: standard input, output and error, the socket, and room for the
/// files that an attempt to open would need, so that a refusal is the sandbox's and not the limit's.
const OPEN_FILES_MAX: u64 = 16;

/// Confines this process for ever and returns what could not be had.
pub(crate) fn confine(confinement: &Confinement) -> Proof {
    let mut missing = Vec::new();
    let mut note = |layer: &str, result: Result<(), String>| {
        if let Err(reason) = result {
            missing.push(format!("{layer}: {reason}"));
        }
    };
    // When the host runs out of memory, a worker goes and the agent stays. Refused at worst.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    // A worker dies with the thread that started it; see `Spawner` for why that is no accident.
    let dies_with_parent = set_parent_process_death_signal(Some(Signal::KILL));
    note(
        "parent death signal",
        dies_with_parent.map_err(|e| e.to_string()),
    );
    note(
        "limits",
        limit(&confinement.limits).map_err(|e| e.to_string()),
    );
    note("landlock", close_file_system());
    note("seccomp", close_system_calls());
    note("proof", prove());
    Proof { missing }
}

/// Threads are not limited: the limit of the kernel counts all processes of a user, and a worker's
/// address space bounds its threads already.
fn limit(limits: &Limits) -> rustix::io::Result<()> {
    let bounds = [
        (Resource::As, limits.address_space_bytes),
        (Resource::Cpu, limits.cpu.as_secs().max(1)),
        (Resource::Nofile, OPEN_FILES_MAX),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ];
    for (resource, bound) in bounds {
        let maximum = match resource {
            // SIGXCPU at the soft limit says what happened; SIGKILL at the hard one would not.
            Resource::Cpu => bound + 1,
            _ => bound,
        };
        setrlimit(
            resource,
            Rlimit {
                current: Some(bound),
                maximum: Some(maximum),
            },
        )?;
    }
    Ok(())
}

/// Denies every access to files, TCP ports and abstract sockets that this kernel can deny.
fn close_file_system() -> Result<(), String> {
    let newest = ABI::V6;
    let status = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.restrict_self())
        .map_err(|e| e.to_string())?;
    match status.ruleset {
        // An older kernel lacks the rules for ports and sockets; seccomp refuses those calls anyway.
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
        RulesetStatus::NotEnforced => Err("the kernel does not have it".to_owned()),
    }
}

fn close_system_calls() -> Result<(), String> {
    let filters = filters().map_err(|e| e.to_string())?;
    for filter in &filters {
        seccompiler::apply_filter_all_threads(filter).map_err(|e| e.to_string())?;
    }
    Ok(())
}

/// Tries what must not work. A sandbox that is only configured is none.
fn prove() -> Result<(), String> {
    if std::fs::File::open("/proc/self/status").is_ok() || std::fs::File::open("/").is_ok() {
        return Err("a file could be opened".to_owned());
    }
    if TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).is_ok() {
        return Err("a socket could be made".to_owned());
    }
    if Command::new("/proc/self/exe")
        .arg("--version")
        .spawn()
        .is_ok()
    {
        return Err("a program could be started".to_owned());
    }
    Ok(())
}
