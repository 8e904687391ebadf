//! A private redis-server: started when no Redis is named, on a Unix socket in the scheduler's own
//! folder, with an append-only file, so that one machine has a durable farm without setting up a
//! service. It ends with the scheduler.

use crate::exit::usage;
use anyhow::Context;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

/// A cold start that replays a large append-only file may take a while.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// A running redis-server; killed when dropped.
#[derive(Debug)]
pub struct RedisChild {
    child: Child,
    socket: PathBuf,
}

impl RedisChild {
    /// Starts a server whose data is in `folder`, and waits until it listens.
    pub async fn start(folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
        let folder = folder.canonicalize()?;
        let socket = folder.join("redis.sock");
        if socket.as_os_str().len() > 100 {
            return Err(usage(
                format!("{} is too long for a Unix socket", socket.display()),
                "name a shorter folder with --redis-folder",
            ));
        }
        // A socket that a killed server left behind would look like a running one.
        if UnixStream::connect(&socket).await.is_ok() {
            return Err(usage(
                format!("another redis-server runs in {}", folder.display()),
                "name it with --redis, or another folder with --redis-folder",
            ));
        }
        let _ = std::fs::remove_file(&socket);
        let child = Command::new("redis-server")
            .args([
                "--port",
                "0",
                "--daemonize",
                "no",
                "--save",
                "",
                "--appendonly",
                "yes",
            ])
            .args([
                "--appendfsync",
                "everysec",
                "--unixsocketperm",
                "700",
                "--unixsocket",
            ])
            .arg(&socket)
            .arg("--dir")
            .arg(&folder)
            .arg("--logfile")
            .arg(folder.join("redis.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal goes to the whole group; the server must outlive the last write.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|e| {
                usage(
                    format!("redis-server cannot be started: {e}"),
                    "install it (apt-get install redis-server) or name a Redis with --redis",
                )
            })?;
        let mut started = Self { child, socket };
        started.wait_until_ready(&folder).await?;
        Ok(started)
    }

    async fn wait_until_ready(&mut self, folder: &Path) -> anyhow::Result<()> {
        let deadline = tokio::time::Instant::now() + START_TIMEOUT;
        loop {
            if UnixStream::connect(&self.socket).await.is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                let log = folder.join("redis.log");
                anyhow::bail!("redis-server ended with {status}; see {}", log.display());
            }
            if tokio::time::Instant::now() > deadline {
                anyhow::bail!("redis-server did not listen within {START_TIMEOUT:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// URL of the server.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Ends the server so that its data is whole.
    pub async fn stop(mut self) {
        if let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok())
            && let Some(pid) = rustix::process::Pid::from_raw(id)
        {
            // A server that is gone already has nothing left to write.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
    }
}
