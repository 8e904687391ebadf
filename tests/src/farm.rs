//! A farm of real processes: a scheduler with its private Redis, or several with one of all, and any
//! number of nodes, in a place of their own.

use crate::{Disk, Magpie, Place, Process, Redis};
use anyhow::{Context, Result, ensure};
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
    /// Further schedulers and their addresses.
    replicas: Vec<(String, Process)>,
    nodes: Vec<(String, Process)>,
    url: String,
    layout: Layout,
    started: u32,
}

/// Where the parts of a farm are.
#[derive(Debug)]
struct Layout {
    storage: PathBuf,
    sources: PathBuf,
    /// What a scheduler is told about Redis.
    redis: [String; 2],
}

impl Layout {
    /// Everything inside the place, with a private Redis.
    fn inside(place: &Place) -> Result<Self> {
        let folder = place.join("redis").to_string_lossy().into_owned();
        Ok(Self {
            storage: place.folder("storage")?,
            sources: place.folder("sources")?,
            redis: ["--redis-folder".to_owned(), folder],
        })
    }

    /// A scheduler that listens there.
    fn scheduler(&self, listen: &str) -> Result<Magpie> {
        let [redis, named] = &self.redis;
        Magpie::new([
            "scheduler".as_ref(),
            "--storage".as_ref(),
            self.storage.as_os_str(),
            redis.as_ref(),
            named.as_ref(),
            "--source-root".as_ref(),
            self.sources.as_os_str(),
            "--listen".as_ref(),
            listen.as_ref(),
            "--dashboard".as_ref(),
            "127.0.0.1:0".as_ref(),
        ])
    }

    /// A node with a name.
    fn node(&self, url: &str, id: &str, arguments: &[&str]) -> Result<Magpie> {
        let sources = self.sources.to_string_lossy();
        let mut all = vec!["node", "--scheduler", url, "--id", id];
        all.extend(["--source-root", &*sources]);
        all.extend(arguments);
        Magpie::new(all)
    }
}

impl Farm {
    /// Starts a scheduler whose storage, Redis and allowed sources are inside the place.
    pub fn start(place: &Place) -> Result<Self> {
        Self::with(Layout::inside(place)?, |scheduler| scheduler)
    }

    /// The same with its storage on a disk. Its nodes are started with [`Farm::add_node_inside`].
    pub fn start_on(place: &Place, disk: &Disk) -> Result<Self> {
        let storage = disk.folder().to_owned();
        let layout = Layout {
            storage,
            ..Layout::inside(place)?
        };
        Self::with(layout, |scheduler| disk.inside(scheduler))
    }

    /// The same with its private Redis on a disk.
    pub fn start_with_redis_on(place: &Place, disk: &Disk) -> Result<Self> {
        let folder = disk.folder().to_string_lossy().into_owned();
        let layout = Layout {
            redis: ["--redis-folder".to_owned(), folder],
            ..Layout::inside(place)?
        };
        Self::with(layout, |scheduler| disk.inside(scheduler))
    }

    /// The same with a Redis that is not the scheduler's own.
    pub fn start_with(place: &Place, redis: &Redis) -> Result<Self> {
        Self::start_at(place, redis.url())
    }

    /// The same with whatever this URL leads to.
    pub fn start_at(place: &Place, redis: String) -> Result<Self> {
        let redis = ["--redis".to_owned(), redis];
        let layout = Layout {
            redis,
            ..Layout::inside(place)?
        };
        Self::with(layout, |scheduler| scheduler)
    }

    fn with(layout: Layout, prepare: impl FnOnce(Magpie) -> Magpie) -> Result<Self> {
        let mut scheduler = prepare(layout.scheduler("127.0.0.1:0")?).start()?;
        let url = wait_for_url(&mut scheduler)?;
        Ok(Self {
            scheduler,
            replicas: Vec::new(),
            nodes: Vec::new(),
            url,
            layout,
            started: 0,
        })
    }

    /// Kills the scheduler and starts another one at the same address.
    pub fn replace_scheduler(&mut self) -> Result<()> {
        self.scheduler.kill()?;
        self.start_scheduler()
    }

    /// Starts a scheduler at the address of the one that was killed.
    pub fn start_scheduler(&mut self) -> Result<()> {
        let listen = self.url.trim_start_matches("http://");
        self.scheduler = self.layout.scheduler(listen)?.start()?;
        let url = wait_for_url(&mut self.scheduler)?;
        ensure!(url == self.url, "{url} is not {}", self.url);
        Ok(())
    }

    /// Starts one more scheduler beside the first. Nodes that are started and calls that are made from now
    /// on know all of them.
    pub fn add_scheduler(&mut self) -> Result<()> {
        let mut replica = self.layout.scheduler("127.0.0.1:0")?.start()?;
        let url = wait_for_url(&mut replica)?;
        self.replicas.push((url, replica));
        Ok(())
    }

    /// Asks a scheduler to end, 0 being the first, waits until it has, and starts another one at the same
    /// address.
    pub fn restart_scheduler(&mut self, index: usize) -> Result<()> {
        let (url, process) = match index {
            0 => (&self.url, &mut self.scheduler),
            more => {
                let replica = self.replicas.get_mut(more - 1);
                let (url, process) = replica.with_context(|| format!("no scheduler {more}"))?;
                (&*url, process)
            }
        };
        process.terminate()?;
        let status = process.wait(START_BOUND)?;
        ensure!(status.success(), "the scheduler ended with {status}");
        let listen = url.trim_start_matches("http://");
        *process = self.layout.scheduler(listen)?.start()?;
        wait_for_url(process)?;
        Ok(())
    }

    /// The addresses of all schedulers, as nodes and commands are told them.
    pub fn urls(&self) -> String {
        let replicas = self.replicas.iter().map(|(url, _)| url.as_str());
        let all: Vec<&str> = std::iter::once(self.url()).chain(replicas).collect();
        all.join(",")
    }

    /// The command that gives its Redis back what it lost.
    pub fn recover(&self) -> Result<Magpie> {
        let [redis, named] = &self.layout.redis;
        Magpie::new([
            "scheduler".as_ref(),
            "recover".as_ref(),
            "--json".as_ref(),
            "--storage".as_ref(),
            self.layout.storage.as_os_str(),
            redis.as_ref(),
            named.as_ref(),
        ])
    }

    /// Where its storage is.
    pub fn storage(&self) -> &Path {
        &self.layout.storage
    }

    /// The address of its scheduler.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address of its pages.
    pub fn dashboard(&mut self) -> Result<String> {
        let line = self
            .scheduler
            .wait_for_line("dashboard at http://", START_BOUND)?;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        Ok(url.context("the scheduler names its pages")?.to_owned())
    }

    /// The scheduler.
    pub fn scheduler(&mut self) -> &mut Process {
        &mut self.scheduler
    }

    /// Puts a file where nodes may read it.
    pub fn source(&self, file: &Path) -> Result<PathBuf> {
        let name = file.file_name().context("a source has a name")?;
        let path = self.layout.sources.join(name);
        std::fs::copy(file, &path).with_context(|| format!("copy {}", file.display()))?;
        Ok(path)
    }

    /// Starts one more node with these further arguments, and waits until it is registered.
    pub fn add_node(&mut self, arguments: &[&str]) -> Result<String> {
        self.add(arguments, |node| node)
    }

    /// Starts one more node, which is not waited for.
    pub fn start_node(&self, id: &str, arguments: &[&str]) -> Result<Process> {
        self.layout.node(&self.urls(), id, arguments)?.start()
    }

    /// As [`Self::add_node`], for a node that sees a disk.
    pub fn add_node_inside(&mut self, disk: &Disk, arguments: &[&str]) -> Result<String> {
        self.add(arguments, |node| disk.inside(node))
    }

    fn add(
        &mut self,
        arguments: &[&str],
        prepare: impl FnOnce(Magpie) -> Magpie,
    ) -> Result<String> {
        self.started += 1;
        let id = format!("node-{}", self.started);
        let node = self.layout.node(&self.urls(), &id, arguments)?;
        let mut process = prepare(node).start()?;
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
        self.kill_node(0)?;
        Ok(true)
    }

    /// Kills one of the running nodes, counted from the oldest.
    pub fn kill_node(&mut self, index: usize) -> Result<()> {
        ensure!(index < self.nodes.len(), "there is no node {index}");
        let (_, mut process) = self.nodes.remove(index);
        process.kill()
    }

    /// How many nodes were started and not killed.
    pub fn nodes(&self) -> usize {
        self.nodes.len()
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
        Ok(Magpie::new(arguments)?.env("MAGPIE_SCHEDULER", self.urls()))
    }
}

fn wait_for_url(scheduler: &mut Process) -> Result<String> {
    let line = scheduler.wait_for_line("api at http://", START_BOUND)?;
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("http://"));
    Ok(url.context("the scheduler names its address")?.to_owned())
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
