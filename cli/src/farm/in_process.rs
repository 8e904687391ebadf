//! The whole farm in one process: a memory store, a scheduler and a node that talks to it as any node
//! does, over a connection that never leaves the process. Storage is a folder, so a run that was
//! interrupted is taken up again when the same title is submitted: its ticket, plan and finished segments
//! are found there. Other jobs of the folder are left alone: this run may not even read their sources.

use crate::exit::usage;
use anyhow::Context;
use model::NodeId;
use node_agent::{Agent, Observer, Shutdown};
use rustix::fs::{FlockOperation, flock};
use scheduler::{Handle, Scheduler};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use storage::{SourceRoots, Storage};
use store::SystemClock;
use store::memory::MemoryStore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Held by the process that works in a folder.
const LOCK: &str = ".magpie.lock";

/// What a farm in one process needs.
pub struct Config {
    /// Where everything is kept.
    pub storage: Storage,
    /// Sources that may be read.
    pub roots: SourceRoots,
    /// The node's settings, with storage and roots filled in here.
    pub node: node_agent::Config,
    /// Is told what the node does.
    pub observer: Arc<dyn Observer>,
}

/// A running farm.
pub struct Farm {
    /// The way to ask and tell it things.
    pub handle: Handle,
    shutdown: Shutdown,
    stop: CancellationToken,
    scheduler: JoinHandle<()>,
    agent: JoinHandle<node_agent::Result<()>>,
}

impl Farm {
    /// Starts a farm.
    pub async fn start(config: Config, shutdown: Shutdown) -> anyhow::Result<Self> {
        let epoch = scheduler::raise_epoch(&config.storage).await?;
        let store = MemoryStore::with_epoch(Arc::new(SystemClock), epoch);
        let settings = scheduler::Config::new(
            config.storage.clone(),
            Arc::new(store),
            config.roots.clone(),
        );
        let scheduler = Scheduler::new(settings)?;
        let stop = CancellationToken::new();
        let channel = scheduler.in_process(stop.clone()).await?;
        let handle = scheduler.handle();
        let mut node = config.node;
        node.storage = Some(config.storage);
        node.roots = config.roots;
        let agent = Agent::new(node, channel).with_observer(config.observer);
        Ok(Self {
            handle,
            scheduler: tokio::spawn(scheduler.run(stop.clone())),
            agent: tokio::spawn(agent.run(shutdown.clone())),
            shutdown,
            stop,
        })
    }

    /// Waits until the node has ended by itself: because it was told to, or because it cannot work.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        (&mut self.agent).await.context("the node broke down")??;
        Ok(())
    }

    /// Ends the node, then the scheduler.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.drain.cancel();
        if !self.agent.is_finished() {
            self.agent.await.context("the node broke down")??;
        }
        self.stop.cancel();
        self.scheduler.await.context("the scheduler broke down")
    }
}

/// The id of the only node.
pub fn node_id() -> NodeId {
    NodeId::new("local").expect("a constant identifier")
}

/// A folder that this process alone works in, until it is dropped.
pub struct Folder {
    /// The folder as storage.
    pub storage: Storage,
    _lock: File,
}

/// Opens a folder as storage; fails when another process works in it.
pub fn open_folder(folder: &Path) -> anyhow::Result<Folder> {
    let (folder, lock) = make_folder(folder).map_err(|e| {
        let folder = folder.display();
        anyhow::anyhow!("{folder}: {e}; --out names a folder that can be made and written")
    })?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(usage(
            format!("another magpie works in {}", folder.display()),
            "wait for it, or name another folder with --out",
        ));
    }
    Ok(Folder {
        storage: Storage::open(&folder.to_string_lossy())?,
        _lock: lock,
    })
}

/// Makes the folder where it is missing; answers with its real path and its lock, not yet held.
fn make_folder(folder: &Path) -> std::io::Result<(PathBuf, File)> {
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let lock = File::create(folder.join(LOCK))?;
    Ok((folder, lock))
}
