//! The component: built from a configuration, served over any transport, run until told to stop.

use crate::config::Config;
use crate::farm::Farm;
use crate::handle::Handle;
use crate::recover::{self, Progress, Recovered};
use crate::service::{FarmApi, Gate, KedaApi, NodeApi};
use crate::{Error, Result, driver, losses, reaper, retire, stranded, webhook};
use hyper_util::rt::TokioIo;
use proto::keda::external_scaler_server::ExternalScalerServer;
use proto::v1::farm_service_server::FarmServiceServer;
use proto::v1::node_service_server::NodeServiceServer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::Router;
use tonic::transport::{Channel, Endpoint, Server};
use tracing::{error, warn};

/// A connection without a sign of life for so long is asked for one.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Bytes in flight of a connection inside the process.
const DUPLEX_BYTES: usize = 64 << 10;

/// A scheduler.
pub struct Scheduler {
    farm: Arc<Farm>,
}

impl Scheduler {
    /// Builds a scheduler; nothing runs yet.
    pub fn new(config: Config) -> Result<Self> {
        config.check()?;
        Ok(Self {
            farm: Arc::new(Farm::new(config)),
        })
    }

    /// The way to it for the rest of the process.
    pub fn handle(&self) -> Handle {
        Handle {
            farm: self.farm.clone(),
        }
    }

    /// Gives the store the jobs that it does not know, beside [`Self::run`], until that is done; `None`
    /// when `shutdown` comes first. From this call on, not only from the first poll, what is not known is
    /// said to be recovering.
    pub fn recovery(
        &self,
        shutdown: CancellationToken,
    ) -> impl Future<Output = Option<Recovered>> + use<> {
        self.farm.recovers(Some(Progress::default()));
        recover::run(self.farm.clone(), shutdown)
    }

    /// Does the same again, after [`Self::recovery`], whenever the store may have lost something, until
    /// `shutdown`; returns at once where [`Config::lapses`] tells nothing.
    pub fn recoveries(&self, shutdown: CancellationToken) -> impl Future<Output = ()> + use<> {
        recover::watch(self.farm.clone(), shutdown)
    }

    /// The services behind the token check, with health and reflection; to be served over a listener
    /// that [`Config::check_listener`] allows, or over a stream inside the process.
    pub async fn services(&self) -> Result<Router> {
        let config = &self.farm.config;
        let bytes_max = config.limits.message_bytes_max;
        let gate = Gate::new(config.token.as_ref());
        let farm = FarmServiceServer::new(FarmApi::new(self.handle()))
            .max_decoding_message_size(bytes_max);
        let node = NodeServiceServer::new(NodeApi::new(&self.handle()))
            .max_decoding_message_size(bytes_max);
        // It looks for the token itself: where KEDA bears it, no interceptor sees it.
        let keda = ExternalScalerServer::new(KedaApi::new(self.handle(), gate.clone()))
            .max_decoding_message_size(bytes_max);
        let reflection = described().build_v1().map_err(unreadable)?;
        // Under its first name too: the tools of many distributions know no other.
        let reflection_alpha = described().build_v1alpha().map_err(unreadable)?;
        let (reporter, health) = tonic_health::server::health_reporter();
        reporter.set_serving::<FarmServiceServer<FarmApi>>().await;
        reporter.set_serving::<NodeServiceServer<NodeApi>>().await;
        let scaler = reporter.set_serving::<ExternalScalerServer<KedaApi>>();
        scaler.await;
        let routes = Routes::new(InterceptedService::new(farm, gate.clone()))
            .add_service(InterceptedService::new(node, gate.clone()))
            .add_service(keda)
            .add_service(InterceptedService::new(reflection, gate.clone()))
            .add_service(InterceptedService::new(reflection_alpha, gate))
            .add_service(health);
        Ok(Server::builder()
            .max_concurrent_streams(config.limits.requests_per_connection_max)
            .http2_keepalive_interval(Some(KEEPALIVE))
            .add_routes(routes))
    }

    /// Serves the services on a stream inside the process until `shutdown`, and connects to it.
    pub async fn in_process(&self, shutdown: CancellationToken) -> Result<Channel> {
        let router = self.services().await?;
        let (accepted, connections) = mpsc::channel::<std::io::Result<_>>(16);
        let incoming = tokio_stream::wrappers::ReceiverStream::new(connections);
        tokio::spawn(async move {
            let stopped = shutdown.cancelled_owned();
            if let Err(error) = router.serve_with_incoming_shutdown(incoming, stopped).await {
                error!(%error, "services inside the process ended");
            }
        });
        let connector = tower::service_fn(move |_: tonic::transport::Uri| {
            let accepted = accepted.clone();
            async move {
                let (near, far) = tokio::io::duplex(DUPLEX_BYTES);
                let closed = |_| std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
                accepted.send(Ok(far)).await.map_err(closed)?;
                Ok::<_, std::io::Error>(TokioIo::new(near))
            }
        });
        Ok(Endpoint::from_static("http://magpie.internal").connect_with_connector_lazy(connector))
    }

    /// Decides, reaps and notifies until `shutdown`. What was begun is finished.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { farm } = self;
        let stop_waits = async {
            shutdown.cancelled().await;
            // Long polls end now, so that servers can stop.
            farm.stopping.cancel();
        };
        let notify = async {
            let sent = webhook::run(farm.clone(), shutdown.clone());
            if let Err(error) = sent.await {
                warn!(%error, "webhooks are not sent");
            }
        };
        tokio::join!(
            driver::run(farm.clone(), shutdown.clone()),
            reaper::run(farm.clone(), shutdown.clone()),
            losses::run(farm.clone(), shutdown.clone()),
            retire::run(farm.clone(), shutdown.clone()),
            stranded::run(farm.clone(), shutdown.clone()),
            notify,
            stop_waits,
        );
    }
}

/// Everything that a client may want described.
fn described() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

fn unreadable(error: tonic_reflection::server::Error) -> Error {
    Error::Config {
        setting: "reflection",
        reason: error.to_string(),
    }
}
