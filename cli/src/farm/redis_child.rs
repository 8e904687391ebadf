//! A private redis-server: started when no Redis is named, on a Unix socket in the scheduler's own
//! folder, with an append-only file, so that one machine has a durable farm without setting up a
//! service. It ends with the scheduler, however that ends; two servers on one append-only file would
//! ruin it.

mod folder;
mod keeper;
mod leftover;

pub use keeper::{ROLE, become_server};

use crate::exit::usage;
use keeper::Keeper;
use rustix::process::Signal;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

/// A cold start that replays a large append-only file may take a while.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// What the server may take to write its last bytes.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// `sun_path` has 108 bytes (`unix(7)`); some are left for the server's own use.
const SOCKET_BYTES_MAX: usize = 100;

/// Where the server listens, in its folder.
const SOCKET: &str = "redis.sock";

/// A running redis-server; killed when dropped.
#[derive(Debug)]
pub struct RedisChild {
    server: Keeper,
    socket: PathBuf,
    /// Held as long as a scheduler uses the folder.
    _lock: File,
}

impl RedisChild {
    /// Starts a server whose data is in `folder`, and waits until it listens. One that a killed
    /// scheduler left behind in the same folder is ended first.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        let folder = folder::open(folder)?;
        let lock = folder::lock(&folder)?;
        let socket = folder.join(SOCKET);
        if socket.as_os_str().len() > SOCKET_BYTES_MAX {
            return Err(usage(
                format!("{} is too long for a Unix socket", socket.display()),
                "name a shorter folder with --redis-folder",
            ));
        }
        leftover::end(&folder, &socket).await?;
        // A socket that a killed server left behind would be in the way of the new one.
        let _ = std::fs::remove_file(&socket);
        let server = Keeper::start(&arguments(&folder, &socket)).await?;
        let mut started = Self {
            server,
            socket,
            _lock: lock,
        };
        started.wait_until_ready(&folder).await?;
        Ok(started)
    }

    /// URL of the server of the scheduler that runs in `folder`, if one does.
    pub fn of_running(folder: &Path) -> Option<String> {
        let folder = folder.canonicalize().ok()?;
        folder::is_locked(&folder).then(|| url(&folder.join(SOCKET)))
    }

    async fn wait_until_ready(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            if UnixStream::connect(&self.socket).await.is_ok() {
                return Ok(());
            }
            match self.server.status() {
                Some(status) if status.code() == Some(keeper::NOT_STARTED.into()) => {
                    return Err(usage(
                        "redis-server cannot be started",
                        "install it (apt-get install redis-server) or name a Redis with --redis",
                    ));
                }
                Some(status) => {
                    let log = folder.join("redis.log");
                    anyhow::bail!("redis-server ended with {status}; see {}", log.display());
                }
                None => {}
            }
            if tokio::time::Instant::now() > deadline {
                anyhow::bail!("redis-server did not listen within {START_TIMEOUT:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// URL of the server.
    pub fn url(&self) -> String {
        url(&self.socket)
    }

    /// Ends the server so that its data is whole.
    pub async fn stop(mut self) {
        self.server.signal(Signal::TERM);
        let _ = tokio::time::timeout(STOP_TIMEOUT, self.server.ended()).await;
    }
}

fn url(socket: &Path) -> String {
    format!("redis+unix://{}", socket.display())
}

fn arguments(folder: &Path, socket: &Path) -> Vec<OsString> {
    let log = folder.join("redis.log");
    let settings = [
        ("--port", "0".into()),
        ("--daemonize", "no".into()),
        ("--save", "".into()),
        ("--appendonly", "yes".into()),
        ("--appendfsync", "everysec".into()),
        ("--unixsocketperm", "700".into()),
        ("--unixsocket", socket.as_os_str().to_owned()),
        ("--dir", folder.as_os_str().to_owned()),
        ("--logfile", log.into_os_string()),
    ];
    let words = settings.map(|(name, value): (&str, OsString)| [name.into(), value]);
    words.into_iter().flatten().collect()
}
