//! One run of a command, measured from outside: either its wall time and the processor time of the
//! whole process tree, or the peak of the tree's memory. Never both: to read a process's memory, the kernel walks its
//! pages under the lock that its page faults need, which slows large trees most. Shared pages count once
//! (PSS), because a farm of worker processes shares its libraries.

use anyhow::{Context, ensure};
use serde::Serialize;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Memory is sampled at this distance; shorter peaks may be missed, for every peer alike.
const SAMPLE_EVERY: Duration = Duration::from_millis(25);

/// Clock ticks per second of `/proc/<pid>/stat`, fixed at 100 by the Linux ABI.
const TICKS_PER_SECOND: f64 = 100.0;

/// What one run took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// From start to end.
    pub wall_seconds: f64,
    /// User and system time of the process and of all its descendants that were waited for.
    pub cpu_seconds: f64,
}

/// Times a command to its end; fails when the command does.
pub(crate) fn time(command: &mut Command) -> anyhow::Result<Measured> {
    let shown = format!("{command:?}");
    let before = children_cpu_seconds()?;
    let start = Instant::now();
    let status = spawn(command, &shown)?.wait()?;
    let wall_seconds = start.elapsed().as_secs_f64();
    ensure!(status.success(), "{shown} ended with {status}");
    Ok(Measured {
        wall_seconds,
        cpu_seconds: children_cpu_seconds()? - before,
    })
}

/// Runs a command to its end and gives the highest sum of its tree's proportional set sizes, in KiB;
/// fails when the command does.
pub(crate) fn peak_memory_kib(command: &mut Command) -> anyhow::Result<u64> {
    let shown = format!("{command:?}");
    let mut child = spawn(command, &shown)?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak = peak.max(tree_memory_kib(child.id()));
        std::thread::sleep(SAMPLE_EVERY);
    };
    ensure!(status.success(), "{shown} ended with {status}");
    Ok(peak)
}

fn spawn(command: &mut Command, shown: &str) -> anyhow::Result<Child> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .with_context(|| shown.to_owned())
}

/// Processor time of all children of this process that have been waited for (`proc(5)`, fields
/// cutime and cstime).
fn children_cpu_seconds() -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat
        .rsplit_once(')')
        .context("/proc/self/stat has no name")?
        .1;
    let numbers: Vec<f64> = fields
        .split_whitespace()
        .skip(13)
        .take(2)
        .filter_map(|text| text.parse().ok())
        .collect();
    ensure!(numbers.len() == 2, "/proc/self/stat is too short");
    Ok((numbers[0] + numbers[1]) / TICKS_PER_SECOND)
}

fn tree_memory_kib(root: u32) -> u64 {
    let mut total = 0;
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        total += memory_kib(pid);
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            waiting.extend(
                children
                    .split_whitespace()
                    .filter_map(|text| text.parse::<u32>().ok()),
            );
        }
    }
    total
}

fn memory_kib(pid: u32) -> u64 {
    // A process that ended between the listing and this read holds nothing any more.
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_child_of_a_child_is_counted() {
        let script = "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'; true";
        let measured = time(Command::new("sh").args(["-c", script])).unwrap();
        assert!(measured.cpu_seconds > 0.02, "{measured:?}");
        assert!(
            measured.wall_seconds >= measured.cpu_seconds * 0.5,
            "{measured:?}"
        );
    }

    #[test]
    fn the_memory_of_a_child_of_a_child_is_counted() {
        let script = "sh -c 'sleep 0.2'; true";
        let with_child = peak_memory_kib(Command::new("sh").args(["-c", script])).unwrap();
        let alone = peak_memory_kib(Command::new("sleep").arg("0.2")).unwrap();
        assert!(alone > 0);
        assert!(with_child > alone, "{with_child} {alone}");
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(time(&mut Command::new("false")).is_err());
        assert!(peak_memory_kib(&mut Command::new("false")).is_err());
    }
}
