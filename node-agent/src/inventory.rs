//! What this host is. Facts only; what a node takes is decided by the scheduler.

use crate::agent::shared;
use crate::config::Config;
use crate::error::{Error, Result};
use model::memory::slot_bytes;
use model::node::NodeInfo;
use model::profile::Profile;
use model::rendition::EncoderFamily;
use sysinfo::{CpuRefreshKind, MemoryRefreshKind, RefreshKind, System};

/// Memory that one slot needs: the encoders of a whole group at 1080p, two segments of each rendition
/// on their way to storage, and the blocks of its source.
const SLOT_BYTES: u64 = 2 << 30;

/// Up to so many cores, a slot for each: the tail of a title, when slots run dry, weighs most where they
/// are few.
const SLOT_EACH_CORES: u32 = 4;

/// Slots of a host: one for each of its first cores, and three for every four of more; not more than one
/// for every 2 GiB of memory, and one at least. A 1080p ladder keeps nearly two cores busy in each slot,
/// but a title's tail does not.
pub fn slots_for(cores: u32, memory_bytes: u64) -> u32 {
    let by_memory = u32::try_from(memory_bytes / SLOT_BYTES).unwrap_or(u32::MAX);
    let by_cores = (cores * 3).div_ceil(4).max(cores.min(SLOT_EACH_CORES));
    by_cores.min(by_memory).max(1)
}

/// H.264 ladders of the profile `web` that so much memory holds at a time, of sources of 16:9 with so many
/// lines: each takes a slot, and a slot that finds no room waits for it.
pub fn ladders_for(memory_bytes: u64, lines: u32) -> u64 {
    let size = |lines: u32| (lines * 16 / 9, lines);
    let rungs = Profile::built_in("web").map_or_else(|_| Vec::new(), |web| web.video.rungs);
    let rungs = rungs.iter().map(|rung| rung.short_edge);
    let rungs = rungs.filter(|&edge| edge <= lines);
    let ladder = slot_bytes(
        size(lines),
        rungs.map(|edge| (size(edge), EncoderFamily::X264)),
    );
    match memory_bytes / ladder {
        0 => 0,
        // Several leave a part to others.
        _ => (shared(memory_bytes) / ladder).max(1),
    }
}

/// What a node says of itself when it registers.
pub fn node_info(config: &Config) -> Result<NodeInfo> {
    let wanted = RefreshKind::nothing()
        .with_cpu(CpuRefreshKind::nothing())
        .with_memory(MemoryRefreshKind::nothing().with_ram());
    let system = System::new_with_specifics(wanted).map_err(|e| Error::Inventory {
        reason: e.to_string(),
    })?;
    let cores = std::thread::available_parallelism().map_err(|e| Error::Inventory {
        reason: format!("cores: {e}"),
    })?;
    let cores = u32::try_from(cores.get()).unwrap_or(u32::MAX);
    let memory_bytes = config.memory_bytes.unwrap_or_else(|| {
        system
            .cgroup_limits()
            .map_or(system.total_memory(), |limits| limits.total_memory)
    });
    Ok(NodeInfo {
        id: config.node.clone(),
        host: System::host_name().unwrap_or_else(|_| "unknown".to_owned()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        cores,
        memory_bytes,
        cpu: system
            .cpus()
            .first()
            .map(|cpu| cpu.brand().trim().to_owned())
            .unwrap_or_default(),
        gpus: Vec::new(),
        slots: config
            .slots
            .unwrap_or_else(|| slots_for(cores, memory_bytes))
            .max(1),
        builds: pipeline::build_ids(),
        unfit: String::new(),
        leaving: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_follow_the_scarcer_of_cores_and_memory() {
        assert_eq!(slots_for(16, 64 << 30), 12);
        assert_eq!(slots_for(5, 64 << 30), 4);
        assert_eq!(slots_for(4, 64 << 30), 4);
        assert_eq!(slots_for(16, 4 << 30), 2);
        assert_eq!(slots_for(1, 1 << 30), 1);
    }

    #[test]
    fn the_ladders_that_memory_holds_are_as_many_as_were_measured() {
        let mebibytes = |count: u64| count << 20;
        // Peaks of whole workers: 961 MiB at 1080 lines, 3.5 GiB at 2160.
        assert_eq!(ladders_for(mebibytes(950), 1080), 0);
        assert_eq!(ladders_for(mebibytes(1050), 1080), 1);
        assert_eq!(ladders_for(mebibytes(3 << 10), 2160), 0);
        assert_eq!(ladders_for(mebibytes(4 << 10), 2160), 1);
        assert_eq!(ladders_for(mebibytes(24 << 10), 2160), 5);
        assert_eq!(ladders_for(mebibytes(24 << 10), 1080), 22);
    }
}
