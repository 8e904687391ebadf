//! What Linux says of processes (`proc(5)`): their processor time and their memory.

use anyhow::{Context, Result};

/// Clock ticks per second of `/proc/<pid>/stat`, fixed at 100 by the Linux ABI.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields 14 to 17 of `/proc/<pid>/stat`: own user and system time, and that of children that ended.
fn times(pid: u32) -> Result<[f64; 4]> {
    let file = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    let fields = stat.rsplit_once(')').context("stat without a name")?.1;
    let numbers = fields.split_whitespace().skip(11).take(4);
    let numbers: Vec<f64> = numbers.map(str::parse).collect::<Result<_, _>>()?;
    let numbers: [f64; 4] = numbers.try_into().ok().context("stat is too short")?;
    Ok(numbers.map(|ticks| ticks / TICKS_PER_SECOND))
}

/// Processor time of the process itself.
pub fn cpu_seconds(pid: u32) -> Result<f64> {
    let [user, system, ..] = times(pid)?;
    Ok(user + system)
}

/// Processor time of all processes that it started, whether they live or not.
pub fn descendants_cpu_seconds(pid: u32) -> Result<f64> {
    let [.., user, system] = times(pid)?;
    let mut total = user + system;
    for child in children(pid)? {
        // One that ends meanwhile was counted with its parent, or is with the next look.
        let own = cpu_seconds(child).unwrap_or(0.0);
        total += own + descendants_cpu_seconds(child).unwrap_or(0.0);
    }
    Ok(total)
}

fn children(pid: u32) -> Result<Vec<u32>> {
    let folder = format!("/proc/{pid}/task");
    let mut found = Vec::new();
    for thread in std::fs::read_dir(&folder).context(folder)? {
        let text = std::fs::read_to_string(thread?.path().join("children")).unwrap_or_default();
        found.extend(
            text.split_whitespace()
                .filter_map(|pid| pid.parse::<u32>().ok()),
        );
    }
    Ok(found)
}

/// A line of `/proc/<pid>/status` in KiB, such as `VmRSS` or `VmHWM`.
pub fn memory_kib(pid: u32, field: &str) -> Result<u64> {
    let file = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&file).with_context(|| file.clone())?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    let value = value.and_then(|value| value.split_whitespace().next()?.parse().ok());
    value.with_context(|| format!("{file} has no {field}"))
}

/// Tasks that ran or waited for a processor, over 1, 5 and 15 minutes.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{cpu_seconds, descendants_cpu_seconds, memory_kib};
    use std::process::Command;

    #[test]
    fn a_process_has_memory_and_its_busy_child_counts_with_it() {
        let me = std::process::id();
        let now = memory_kib(me, "VmRSS").unwrap();
        assert!(now > 0 && memory_kib(me, "VmHWM").unwrap() >= now);
        assert!(memory_kib(me, "VmNothing").is_err());
        let script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let before = descendants_cpu_seconds(me).unwrap();
        Command::new("sh").args(["-c", script]).status().unwrap();
        assert!(descendants_cpu_seconds(me).unwrap() - before > 0.02);
        assert!(cpu_seconds(me).is_ok());
    }
}
