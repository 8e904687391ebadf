//! Listeners. An address beyond loopback is refused unless callers must show a token.

use crate::exit::usage;
use axum::serve::ListenerExt;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tracing::debug;

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

/// Its connections. The last part of an answer does not wait until the client has acknowledged the first,
/// which clients put off by 40 ms (Nagle's algorithm and delayed acknowledgements).
pub fn grpc_connections(listener: TcpListener) -> TcpIncoming {
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

fn send_at_once(connection: &mut TcpStream) {
    if let Err(error) = connection.set_nodelay(true) {
        debug!(%error, "a connection answers late");
    }
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
    let listener = listener.tap_io(send_at_once);
    tokio::select! {
        served = axum::serve(listener, pages).with_graceful_shutdown(stopped) => Ok(served?),
        () = cut_off => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Door, grpc_address, grpc_connections};
    use futures::StreamExt;
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn no_answer_waits_for_an_acknowledgement() {
        let listener = grpc_address("127.0.0.1:0".parse().unwrap(), Door::Open).await;
        let listener = listener.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let connection = grpc_connections(listener).next().await.unwrap().unwrap();
        assert!(client.is_ok() && connection.nodelay().unwrap());
    }
}
