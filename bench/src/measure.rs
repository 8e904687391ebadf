//! One run of a command, measured from outside: either its wall time and the processor time of the
//! whole process tree, or the peak of the tree's memory. Never both: to read a process's memory, the kernel walks its
//! pages under the lock that its page faults need, which slows large trees most. Shared pages count once
//! (PSS), because a farm of worker processes shares its libraries.

use anyhow::{Context, ensure};
use serde::Serialize;
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Memory is sampled at this distance; shorter peaks may be missed, for every peer alike.
const SAMPLE_EVERY: Duration = Duration::from_millis(25);

/// Clock ticks per second of `/proc/<pid>/stat`, fixed at 100 by the Linux ABI.
const TICKS_PER_SECOND: f64 = 100.0;

/// No such process: what `proc(5)` files of one say that ended after they were opened.
const ESRCH: i32 = 3;

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
/// fails when the command does, and when the memory of one of its processes cannot be read.
pub(crate) fn peak_memory_kib(command: &mut Command) -> anyhow::Result<u64> {
    let shown = format!("{command:?}");
    let mut child = spawn(command, &shown)?;
    let mut peak = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        match tree_memory_kib(child.id()) {
            Ok(memory) => peak = peak.max(memory),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                return Err(error);
            }
        }
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

fn tree_memory_kib(root: u32) -> anyhow::Result<u64> {
    let mut total = 0;
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        total += memory_kib(pid)?;
        let folder = format!("/proc/{pid}/task");
        for task in unless_gone(std::fs::read_dir(&folder), &folder)?
            .into_iter()
            .flatten()
        {
            let Some(task) = unless_gone(task, &folder)? else {
                continue;
            };
            let file = task.path().join("children");
            let shown = file.display().to_string();
            let children = unless_gone(std::fs::read_to_string(&file), &shown)?;
            let children = children.unwrap_or_default();
            waiting.extend(
                children
                    .split_whitespace()
                    .filter_map(|text| text.parse::<u32>().ok()),
            );
        }
    }
    Ok(total)
}

fn memory_kib(pid: u32) -> anyhow::Result<u64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = unless_gone(std::fs::read_to_string(&file), &file)?.unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Pss:"));
    Ok(line
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0))
}

/// What was read of a process, or nothing of one that has ended since it was listed: it holds no memory any
/// more. Whatever else stands in the way is an error, because what cannot be read would count as none, in
/// favour of whoever's processes those are.
fn unless_gone<T>(read: io::Result<T>, shown: &str) -> anyhow::Result<Option<T>> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(ESRCH) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| shown.to_owned()),
    }
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
    fn a_process_that_ended_holds_nothing_and_one_that_cannot_be_read_is_an_error() {
        let read = |error| unless_gone::<String>(Err(error), "smaps_rollup");
        for gone in [
            io::ErrorKind::NotFound.into(),
            io::Error::from_raw_os_error(ESRCH),
        ] {
            assert!(read(gone).unwrap().is_none());
        }
        let refused = read(io::ErrorKind::PermissionDenied.into()).unwrap_err();
        assert!(refused.to_string().contains("smaps_rollup"), "{refused}");
        assert!(memory_kib(std::process::id()).unwrap() > 0);
        let mut child = Command::new("true").spawn().unwrap();
        let zombie = child.id();
        while std::fs::read_to_string(format!("/proc/{zombie}/stat"))
            .is_ok_and(|stat| !stat.contains(") Z "))
        {
            std::thread::yield_now();
        }
        assert_eq!(tree_memory_kib(zombie).unwrap(), 0);
        child.wait().unwrap();
        assert_eq!(tree_memory_kib(zombie).unwrap(), 0);
    }

    #[test]
    fn a_command_that_fails_is_an_error() {
        assert!(time(&mut Command::new("false")).is_err());
        assert!(peak_memory_kib(&mut Command::new("false")).is_err());
    }
}
