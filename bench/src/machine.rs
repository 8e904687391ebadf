//! The machine that made the figures, as every report names it.

use serde::Serialize;
use std::process::Command;

/// What a reader must know of a machine to judge its figures.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that the kernel offers.
    pub cores: usize,
    /// Memory.
    pub memory_kib: u64,
    /// Kernel.
    pub kernel: String,
    /// First line of `ffmpeg -version`.
    pub ffmpeg: String,
}

impl Machine {
    /// Describes this machine; what cannot be found out is said so.
    pub fn describe() -> Self {
        let unknown = || "unknown".to_owned();
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory = field(&read("/proc/meminfo"), "MemTotal");
        let memory = memory.and_then(|text| text.split(' ').next()?.parse().ok());
        let ffmpeg = Command::new("ffmpeg").arg("-version").output().ok();
        let ffmpeg =
            ffmpeg.and_then(|o| Some(String::from_utf8(o.stdout).ok()?.lines().next()?.to_owned()));
        Self {
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_kib: memory.unwrap_or(0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            ffmpeg: ffmpeg.unwrap_or_else(unknown),
        }
    }

    /// A short name for a folder.
    pub fn slug(&self) -> String {
        let text = format!("{}-{}cores", self.cpu, self.cores).to_lowercase();
        let kept = text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
        let mut slug: String = kept.collect();
        while slug.contains("--") {
            slug = slug.replace("--", "-");
        }
        slug.trim_matches('-').to_owned()
    }
}
