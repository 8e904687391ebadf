//! Listeners. An address beyond loopback is refused unless callers must show a token.

use crate::exit::usage;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Whether callers must show a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Anybody who reaches the address is let in.
    Open,
    /// A bearer token is asked for.
    Guarded,
}

/// Listens for gRPC.
pub async fn grpc_address(address: SocketAddr, door: Door) -> anyhow::Result<TcpListener> {
    if !address.ip().is_loopback() && door == Door::Open {
        return Err(usage(
            format!("{address} is reachable from other machines and nothing guards it"),
            "set --token-file, or listen on 127.0.0.1",
        ));
    }
    bind(address).await
}

/// Listens for HTTP on published titles, which anybody who may reach the address may see.
pub async fn http_address(address: SocketAddr) -> anyhow::Result<TcpListener> {
    bind(address).await
}

async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| {
        usage(
            format!("{address}: {e}"),
            "choose another address; port 0 takes a free one",
        )
    })
}

/// Open feeds and downloads are cut off so long after `stop`: a dashboard that is left open must not keep
/// the service alive.
const GRACE: Duration = Duration::from_secs(2);

/// Serves pages until `stop`.
pub async fn serve_http(
    listener: TcpListener,
    pages: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let stopped = stop.clone().cancelled_owned();
    let cut_off = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        served = axum::serve(listener, pages).with_graceful_shutdown(stopped) => Ok(served?),
        () = cut_off => Ok(()),
    }
}
