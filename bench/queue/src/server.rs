//! A redis-server of one's own on a Unix socket, with an append-only file that is synced each second or
//! with each answer. It dies with the value.

use crate::process;
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

const START_BOUND: Duration = Duration::from_secs(30);

/// When the append-only file is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fsync {
    /// Once a second: a power loss costs the last second.
    EverySecond,
    /// Before anything is answered.
    Always,
}

impl Fsync {
    /// The value of `appendfsync`.
    pub fn word(self) -> &'static str {
        match self {
            Self::EverySecond => "everysec",
            Self::Always => "always",
        }
    }
}

impl fmt::Display for Fsync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Child,
    socket: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; the wait is what leaves no zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts one in an empty folder and waits until it answers.
    pub async fn start(folder: &Path, fsync: Fsync) -> Result<Self> {
        let socket = folder.join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            .args(["--appendfsync", fsync.word(), "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start redis-server")?;
        let server = Self { child, socket };
        let start = Instant::now();
        while server.info("redis_version").await.is_err() {
            if start.elapsed() > START_BOUND {
                bail!("redis-server does not answer");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(server)
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time that it has taken.
    pub fn cpu_seconds(&self) -> Result<f64> {
        process::cpu_seconds(self.id())
    }

    /// A line of what it says of itself.
    pub async fn info(&self, field: &str) -> Result<String> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(b"INFO all\r\nQUIT\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(value
            .with_context(|| format!("INFO has no {field}"))?
            .to_owned())
    }

    /// The same as a number.
    pub async fn number(&self, field: &str) -> Result<u64> {
        let text = self.info(field).await?;
        text.trim()
            .parse()
            .with_context(|| format!("{field}: {text}"))
    }

    /// Scripts that it was asked to run.
    pub async fn scripts(&self) -> Result<u64> {
        let line = self.info("cmdstat_evalsha").await?;
        let calls = line.split(',').find_map(|part| part.strip_prefix("calls="));
        Ok(calls.with_context(|| line.clone())?.parse()?)
    }

    /// Members of a set.
    pub async fn count(&self, set: &str) -> Result<u64> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream
            .write_all(format!("SCARD {set}\r\nQUIT\r\n").as_bytes())
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        let line = text.lines().next().and_then(|line| line.strip_prefix(':'));
        Ok(line
            .with_context(|| format!("SCARD {set}: {text}"))?
            .parse()?)
    }
}
