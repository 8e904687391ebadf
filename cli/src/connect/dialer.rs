//! Replicas of the scheduler behind one channel: each new connection goes to the next one that answers.
//! They are equal, so a call may go to any; what a replica had under way when it ended is its caller's to
//! ask again.

use crate::exit::usage;
use hyper_util::rt::TokioIo;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::transport::Uri;

/// Longest wait for one replica while there are others.
const DIAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Where the replicas are, and which one is next.
#[derive(Debug, Clone)]
pub struct Dialer {
    addresses: Arc<[(String, u16)]>,
    next: Arc<AtomicUsize>,
}

impl Dialer {
    /// For the URLs of replicas, of which the first is tried at a place in the list that differs between
    /// processes, so that not all of them go to one.
    pub fn new(urls: &[&str]) -> anyhow::Result<Self> {
        let addresses: anyhow::Result<Vec<_>> = urls.iter().map(|url| address(url)).collect();
        Ok(Self {
            addresses: addresses?.into(),
            next: Arc::new(AtomicUsize::new(std::process::id() as usize)),
        })
    }

    /// The longest that all replicas together take.
    pub fn timeout(&self) -> Duration {
        let replicas = u32::try_from(self.addresses.len()).unwrap_or(u32::MAX);
        DIAL_TIMEOUT.saturating_mul(replicas.saturating_add(1))
    }

    /// Connects to the next replica that answers.
    pub async fn dial(self) -> io::Result<TokioIo<TcpStream>> {
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut last = io::Error::from(io::ErrorKind::NotConnected);
        for step in 0..self.addresses.len() {
            let (host, port) = &self.addresses[first.wrapping_add(step) % self.addresses.len()];
            let connect = TcpStream::connect((host.as_str(), *port));
            match tokio::time::timeout(DIAL_TIMEOUT, connect).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(TokioIo::new(stream));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

fn address(url: &str) -> anyhow::Result<(String, u16)> {
    let wrong = |reason: &str| {
        usage(
            format!("scheduler URL {url:?}: {reason}"),
            "write it as http://host:port, and several with commas between them",
        )
    };
    let uri: Uri = url
        .parse()
        .map_err(|_| wrong("it is not written as a URL"))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some("https") => {
            let reason =
                "schedulers do not speak TLS; stay in a network that you trust, or take a tunnel";
            return Err(wrong(reason));
        }
        _ => return Err(wrong("it does not begin with http://")),
    }
    let host = uri.host().ok_or_else(|| wrong("it has no host"))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Ok((host.to_owned(), uri.port_u16().unwrap_or(80)))
}

#[cfg(test)]
mod tests {
    use super::{Dialer, address};
    use tokio::net::TcpListener;

    #[test]
    fn addresses_are_read_from_urls_and_others_are_refused() {
        assert_eq!(address("http://a:7400").unwrap(), ("a".to_owned(), 7400));
        assert_eq!(address("http://[::1]:1").unwrap(), ("::1".to_owned(), 1));
        for (bad, why) in [
            ("https://a:7400", "do not speak TLS"),
            ("a:7400", "does not begin with http://"),
            ("", "is not written as a URL"),
            ("http://", "is not written as a URL"),
        ] {
            let error = address(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{bad:?}: {error}");
        }
    }

    #[tokio::test]
    async fn each_connection_goes_to_the_next_replica_that_answers() {
        let listen = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (first, second, gone) = (listen().await, listen().await, listen().await);
        let listeners = [&first, &gone, &second];
        let urls = listeners.map(|one| format!("http://{}", one.local_addr().unwrap()));
        let dialer = Dialer::new(&urls.each_ref().map(String::as_str)).unwrap();
        drop(gone);
        let mut met = Vec::new();
        for _ in 0..3 {
            let stream = dialer.clone().dial().await.unwrap();
            met.push(stream.inner().peer_addr().unwrap());
        }
        let (first, second) = (first.local_addr().unwrap(), second.local_addr().unwrap());
        met.sort();
        met.dedup();
        let mut all = [first, second];
        all.sort();
        assert_eq!(met, all);
    }

    #[tokio::test]
    async fn where_no_replica_answers_the_error_is_said() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", gone.local_addr().unwrap());
        drop(gone);
        let dialer = Dialer::new(&[&url, &url]).unwrap();
        let error = dialer.dial().await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
