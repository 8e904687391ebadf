//! A farm without nodes, and what tests ask of it.

use crate::node::{Node, Script};
use proto::v1;
use proto::v1::farm_service_client::FarmServiceClient;
use scheduler::webhook::Targets;
use scheduler::{Config, Handle, Recovered, Scheduler};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use storage::{SourceRoots, Storage};
use store::memory::MemoryStore;
use store::{Clock, Store, SystemClock};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::transport::Channel;

/// Nothing in these tests takes longer; what does, hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running scheduler. Stops when it is dropped.
pub(crate) struct Farm {
    pub(crate) storage: Storage,
    pub(crate) config: Config,
    pub(crate) channel: Channel,
    pub(crate) handle: Handle,
    pub(crate) sources: TempDir,
    stop: CancellationToken,
    _guard: DropGuard,
    running: JoinHandle<()>,
}

impl Farm {
    /// A farm on the host's clock.
    pub(crate) async fn start() -> Self {
        Self::with(Arc::new(SystemClock), |_| {}).await
    }

    /// A farm on a clock of the test's, with a changed configuration.
    pub(crate) async fn with(clock: Arc<dyn Clock>, change: impl FnOnce(&mut Config)) -> Self {
        let storage = Storage::open("memory:").unwrap();
        Self::on(storage, clock, change).await
    }

    /// A farm with an empty store on storage that may hold something already; recovers first.
    pub(crate) async fn on(
        storage: Storage,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let (farm, recovery) = Self::recovering(storage, clock, change).await;
        recovery.await;
        farm
    }

    /// The same with the recovery still to be awaited.
    pub(crate) async fn recovering(
        storage: Storage,
        clock: Arc<dyn Clock>,
        change: impl FnOnce(&mut Config),
    ) -> (Self, impl Future<Output = Option<Recovered>>) {
        let sources = tempfile::tempdir().unwrap();
        std::fs::write(sources.path().join("bunny.mov"), b"not looked at").unwrap();
        let epoch = scheduler::raise_epoch(&storage).await.unwrap();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::with_epoch(clock, epoch));
        let roots = SourceRoots::new([sources.path().to_str().unwrap()]).unwrap();
        let mut config = Config::new(storage.clone(), store, roots);
        config.webhook_targets = Targets::new(["127.0.0.0/8"]).unwrap();
        change(&mut config);
        let scheduler = Scheduler::new(config.clone()).unwrap();
        let stop = CancellationToken::new();
        let handle = scheduler.handle();
        let channel = scheduler.in_process(stop.clone()).await.unwrap();
        let recovery = scheduler.recovery(stop.clone());
        let running = tokio::spawn(scheduler.run(stop.clone()));
        let _guard = stop.clone().drop_guard();
        let farm = Self {
            storage,
            config,
            channel,
            handle,
            sources,
            stop,
            _guard,
            running,
        };
        (farm, recovery)
    }

    /// Another scheduler on the same store and storage, until this one stops.
    pub(crate) fn spawn_replica(&self) {
        let replica = Scheduler::new(self.config.clone()).unwrap();
        tokio::spawn(replica.run(self.stop.clone()));
    }

    /// Stops it and waits until it has stopped.
    pub(crate) async fn stop(self) -> Storage {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.running)
            .await
            .expect("stops")
            .unwrap();
        self.storage
    }

    pub(crate) fn client(&self) -> FarmServiceClient<Channel> {
        FarmServiceClient::new(self.channel.clone())
    }

    /// A node that follows a script until the farm stops.
    pub(crate) fn spawn_node(&self, id: &str, script: Script) {
        let mut node = self.node(id, script);
        let stop = self.stop.clone();
        tokio::spawn(async move {
            node.register().await;
            tokio::select! {
                () = stop.cancelled() => {}
                () = node.work() => {}
            }
        });
    }

    pub(crate) fn node(&self, id: &str, script: Script) -> Node {
        Node::new(id, self.channel.clone(), self.storage.clone(), script)
    }

    /// What a submitter sends for the one source there is.
    pub(crate) fn request(&self) -> v1::SubmitJobRequest {
        v1::SubmitJobRequest {
            source_url: url(&self.sources.path().join("bunny.mov")),
            ..empty()
        }
    }

    pub(crate) async fn submit(&self) -> String {
        self.submit_with(|_| {}).await
    }

    pub(crate) async fn submit_with(
        &self,
        change: impl FnOnce(&mut v1::SubmitJobRequest),
    ) -> String {
        let mut request = self.request();
        change(&mut request);
        let answer = self
            .client()
            .submit_job(request)
            .await
            .unwrap()
            .into_inner();
        answer.job.unwrap().id
    }

    /// Watches a job until it is in a phase; fails when it ends in another one.
    pub(crate) async fn reaches(&self, job: &str, phase: &str) -> v1::JobDetail {
        let request = v1::GetJobRequest { id: job.to_owned() };
        let mut watch = self.client().watch_job(request).await.unwrap().into_inner();
        let reached = async {
            let mut last = None;
            while let Some(detail) = watch.message().await.unwrap() {
                if detail.job.as_ref().unwrap().phase == phase {
                    return detail;
                }
                last = Some(detail);
            }
            panic!("the job never was {phase}; in the end: {last:#?}");
        };
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap_or_else(|_| panic!("{phase} in time"))
    }
}

/// Looks until something is there.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let found = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found)
        .await
        .unwrap_or_else(|_| panic!("{what} in time"))
}

fn empty() -> v1::SubmitJobRequest {
    v1::SubmitJobRequest::default()
}

fn url(path: &Path) -> String {
    format!("file://{}", path.display())
}
