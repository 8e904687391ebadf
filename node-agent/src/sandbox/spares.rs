//! Workers that wait. Starting one costs about 100 ms (215 shared libraries); a spare hides that.
//! Each worker serves one request and is never used again.

use super::confine::Confinement;
use super::process::WorkerProcess;
use super::spawner::Spawner;
use crate::error::Result;
use parking_lot::Mutex;
use std::sync::Arc;

/// A few started, confined, waiting workers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Spares {
    spawner: Spawner,
    confinement: Confinement,
    waiting: Arc<Mutex<Vec<WorkerProcess>>>,
    wanted: usize,
}

impl Spares {
    /// Keeps up to `wanted` spares; starts none yet.
    pub(crate) fn new(spawner: Spawner, confinement: Confinement, wanted: usize) -> Self {
        Self {
            spawner,
            confinement,
            waiting: Arc::default(),
            wanted,
        }
    }

    /// A worker: a waiting one, or a new one. Starts a replacement in the background.
    pub(crate) async fn take(&self) -> Result<WorkerProcess> {
        let spare = self.living();
        let worker = match spare {
            Some(worker) => worker,
            None => WorkerProcess::start(&self.spawner, self.confinement).await?,
        };
        let refill = self.clone();
        tokio::spawn(async move {
            if let Err(error) = refill.fill().await {
                tracing::warn!(%error, "no spare worker");
            }
        });
        Ok(worker)
    }

    /// Starts workers until enough are waiting. Also the proof, at start, that the sandbox holds.
    pub(crate) async fn fill(&self) -> Result<()> {
        while self.waiting.lock().len() < self.wanted {
            let worker = WorkerProcess::start(&self.spawner, self.confinement).await?;
            let mut waiting = self.waiting.lock();
            // Two refills may run at once; what is too much is dropped and so killed.
            if waiting.len() < self.wanted {
                waiting.push(worker);
            }
        }
        Ok(())
    }

    fn living(&self) -> Option<WorkerProcess> {
        let mut waiting = self.waiting.lock();
        while let Some(mut worker) = waiting.pop() {
            if worker.is_alive() {
                return Some(worker);
            }
        }
        None
    }
}
