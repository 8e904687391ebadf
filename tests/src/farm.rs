//! A farm of real processes: a scheduler with its private Redis and any number of nodes, in a place
//! of their own.

use crate::{Magpie, Place, Process};
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Start-up includes a cold redis-server and a debug build's first page faults.
const START_BOUND: Duration = Duration::from_secs(60);

/// A running farm. Everything in it dies with the value.
#[derive(Debug)]
pub struct Farm {
    scheduler: Process,
    nodes: Vec<(String, Process)>,
    url: String,
    storage: PathBuf,
    sources: PathBuf,
    started: u32,
}

impl Farm {
    /// Starts a scheduler whose storage, Redis and allowed sources are inside the place.
    pub fn start(place: &Place) -> Result<Self> {
        let storage = place.folder("storage")?;
        let sources = place.folder("sources")?;
        let redis = place.join("redis");
        let mut scheduler = Magpie::new([
            "scheduler".as_ref(),
            "--storage".as_ref(),
            storage.as_os_str(),
            "--redis-folder".as_ref(),
            redis.as_os_str(),
            "--source-root".as_ref(),
            sources.as_os_str(),
            "--listen".as_ref(),
            "127.0.0.1:0".as_ref(),
            "--dashboard".as_ref(),
            "127.0.0.1:0".as_ref(),
        ])?
        .start()?;
        let line = scheduler.wait_for_line("api at http://", START_BOUND)?;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url.context("the scheduler names its address")?.to_owned();
        Ok(Self {
            scheduler,
            nodes: Vec::new(),
            url,
            storage,
            sources,
            started: 0,
        })
    }

    /// Where its storage is.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The address of its scheduler.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The scheduler.
    pub fn scheduler(&mut self) -> &mut Process {
        &mut self.scheduler
    }

    /// Puts a file where nodes may read it.
    pub fn source(&self, file: &Path) -> Result<PathBuf> {
        let name = file.file_name().context("a source has a name")?;
        let path = self.sources.join(name);
        std::fs::copy(file, &path).with_context(|| format!("copy {}", file.display()))?;
        Ok(path)
    }

    /// Starts one more node with these further arguments, and waits until it is registered.
    pub fn add_node(&mut self, arguments: &[&str]) -> Result<String> {
        self.started += 1;
        let id = format!("node-{}", self.started);
        let mut all = vec!["node", "--scheduler", &self.url, "--id", &id];
        let sources = self.sources.to_string_lossy().into_owned();
        all.extend(["--source-root", &sources]);
        all.extend(arguments);
        let mut process = Magpie::new(all)?.start()?;
        process.wait_for_line("takes work", START_BOUND)?;
        self.nodes.push((id.clone(), process));
        Ok(id)
    }

    /// Kills the oldest node with all its workers, as a host that loses power; answers whether there
    /// was one.
    pub fn kill_oldest_node(&mut self) -> Result<bool> {
        if self.nodes.is_empty() {
            return Ok(false);
        }
        let (_, mut process) = self.nodes.remove(0);
        process.kill()?;
        Ok(true)
    }

    /// A node by its id.
    pub fn node(&mut self, id: &str) -> Result<&mut Process> {
        let found = self.nodes.iter_mut().find(|(name, _)| name == id);
        found
            .map(|(_, process)| process)
            .with_context(|| format!("{id} is not running"))
    }

    /// A call of `magpie` against this farm.
    pub fn call(&self, arguments: &[&str]) -> Result<Magpie> {
        Ok(Magpie::new(arguments)?.env("MAGPIE_SCHEDULER", &self.url))
    }
}

/// SHA-256 of every file below a folder, by its path there.
pub fn hashes(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(next) = waiting.pop() {
        for entry in std::fs::read_dir(&next).with_context(|| next.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                found.insert(name, hex::encode(Sha256::digest(std::fs::read(&path)?)));
            }
        }
    }
    Ok(found)
}
