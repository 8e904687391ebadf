//! The peer: the queue of the crate apalis in Redis, driven through the interface that its own workers use.
//! A claim is its fetch, and a commit is its lock of the task and its result, which are two scripts; without
//! locks it is one. With a batch of ten, its default, it fetches ten tasks with one script, and locks and
//! finishes them with two: single operations wait for the others then, and have no latency of their own.

use crate::load::Holder;
use anyhow::{Context, Result, anyhow};
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::error::BoxDynError;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::status::Status;
use apalis_core::worker::context::WorkerContext;
use apalis_redis::queries::push_tasks;
use apalis_redis::{Config, RedisStorage, RedisTask};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use std::future::poll_fn;
use std::time::Duration;
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt};

/// Tasks that are pushed together. A fetch makes all that are due ready with one call of `unpack`, which
/// fails for some 8,000.
const PUSHED: u32 = 1_000;

/// What a fetch may take: without work it waits for a worker to wake it.
const FETCH_BOUND: Duration = Duration::from_secs(10);

/// What an answer may take; the same as of Magpie's store.
const ANSWER_BOUND: Duration = Duration::from_secs(5);

/// The queue.
pub struct Queue {
    connection: ConnectionManager,
    config: Config,
}

impl Queue {
    /// Connects.
    pub async fn open(url: &str, batch: usize, locks: bool) -> Result<Self> {
        let config = Config::default().queue("units").batch_size(batch);
        Ok(Self {
            connection: connect(url).await?,
            config: config.lock_tasks(locks),
        })
    }

    /// Pushes so many tasks.
    pub async fn fill(&self, tasks: u32) -> Result<()> {
        let single = self.config.clone().batch_size(1);
        let mut worker = Worker::with(&self.connection, single, "filler");
        let mut connection = self.connection.clone();
        for first in (0..tasks).step_by(PUSHED as usize) {
            let one = |number| {
                let unit = format!("{{\"task\":\"job-0/video-h264\",\"unit\":{number}}}");
                TaskBuilder::new(unit.into_bytes()).build()
            };
            let pushed: Vec<RedisTask> = (first..first + PUSHED).map(one).collect();
            push_tasks(&mut connection, &self.config, &pushed).await?;
            worker.claim().await?;
            worker.commit().await?;
        }
        worker.finish().await
    }

    /// A worker of its own name.
    pub fn worker(&self, number: usize) -> Worker {
        let name = format!("worker-{number}");
        Worker::with(&self.connection, self.config.clone(), &name)
    }

    /// The set of those that are done.
    pub fn done_set(&self) -> String {
        self.config.done_jobs_set()
    }
}

/// Its own way to connect gives up after half a second, which a disk that syncs may take.
async fn connect(url: &str) -> Result<ConnectionManager> {
    let config = ConnectionManagerConfig::new().set_response_timeout(Some(ANSWER_BOUND));
    let client = redis::Client::open(url)?;
    Ok(ConnectionManager::new_with_config(client, config).await?)
}

/// A worker.
pub struct Worker {
    storage: RedisStorage<String>,
    context: WorkerContext,
    service: BoxCloneService<RedisTask, (), BoxDynError>,
    task: Option<RedisTask>,
    batch: usize,
}

impl Worker {
    fn with(connection: &ConnectionManager, config: Config, name: &str) -> Self {
        let batch = config.batch_size;
        let mut storage = RedisStorage::new(connection.clone()).with_config(config);
        let mut context = WorkerContext::new(name);
        // What its worker loop does around a handler that has nothing to do.
        let handler = tower::service_fn(|task: RedisTask| async move {
            task.raw_status().store(Status::Done);
            Ok::<(), BoxDynError>(())
        });
        let service = storage.middleware(&mut context).layer(handler);
        Self {
            storage,
            context,
            service: BoxCloneService::new(service),
            task: None,
            batch,
        }
    }

    /// Sends what was locked and finished, unless fetched tasks are left to do.
    async fn flush(&mut self) -> Result<()> {
        let (storage, context) = (&mut self.storage, &self.context);
        Ok(poll_fn(|cx| storage.poll_ready(cx, context)).await?)
    }
}

impl Holder for Worker {
    async fn claim(&mut self) -> Result<()> {
        self.flush().await?;
        let (storage, context) = (&mut self.storage, &self.context);
        let fetch = poll_fn(|cx| storage.poll_next(cx, context));
        let fetched = tokio::time::timeout(FETCH_BOUND, fetch).await;
        let fetched = fetched.context("nothing is queued any more")?;
        self.task = Some(fetched.context("the queue ended")??);
        Ok(())
    }

    async fn commit(&mut self) -> Result<()> {
        let task = self.task.take().context("nothing is held")?;
        let broken = |error: BoxDynError| anyhow!("{error}");
        let service = self.service.ready().await.map_err(broken)?;
        service.call(task).await.map_err(broken)?;
        if self.batch == 1 {
            self.flush().await?;
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<()> {
        if self.batch == 1 {
            return self.flush().await;
        }
        // Nothing comes after it, and what was fetched and not done goes back.
        let (storage, context) = (&mut self.storage, &self.context);
        Ok(poll_fn(|cx| storage.poll_close(cx, context)).await?)
    }
}
