//! A farm of real processes with a Redis of its own: a scheduler and nodes, started as an operator starts
//! them. All of them end with the value.

use crate::process::{cpu_seconds, descendants_cpu_seconds};
use crate::server::{Fsync, Server};
use anyhow::{Context, Result, bail, ensure};
use proto::v1;
use proto::v1::farm_service_client::FarmServiceClient;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use tonic::transport::Channel;

/// A cold start of a debug build on a busy machine.
const START_BOUND: Duration = Duration::from_secs(60);

/// A running program.
#[derive(Debug)]
pub struct Program {
    child: Child,
    lines: Receiver<String>,
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; the wait is what leaves no zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Program {
    fn start(command: &mut Command) -> Result<Self> {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MAGPIE_")) {
            command.env_remove(name);
        }
        let shown = format!("{command:?}");
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().context(shown)?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let (way, lines) = channel();
        // Reads to the end also when nobody listens any more, or the program would stand still.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = way.send(line);
            }
        });
        Ok(Self { child, lines })
    }

    fn wait_for(&self, text: &str) -> Result<String> {
        let deadline = Instant::now() + START_BOUND;
        let mut seen = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) if line.contains(text) => return Ok(line),
                Ok(line) => seen.push(line),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    bail!("did not say {text:?}:\n{}", seen.join("\n"));
                }
            }
        }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

/// A running farm.
#[derive(Debug)]
pub struct Farm {
    // Dropped in this order.
    nodes: Vec<Program>,
    /// The scheduler.
    pub scheduler: Program,
    /// Its Redis.
    pub redis: Server,
    url: String,
    magpie: PathBuf,
    sources: PathBuf,
}

/// Processor time of the parts of a farm.
#[derive(Debug, Clone, Copy)]
pub struct Cpu {
    /// Of the scheduler.
    pub scheduler: f64,
    /// Of Redis.
    pub redis: f64,
    /// Of the nodes without their workers.
    pub nodes: f64,
    /// Of the workers.
    pub workers: f64,
}

impl Farm {
    /// Starts Redis and a scheduler, which takes so many open jobs or as many as it does by itself, all in
    /// one folder.
    pub async fn start(magpie: &Path, folder: &Path, jobs_max: Option<u32>) -> Result<Self> {
        let make = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir(&path).map(|()| path)
        };
        let (redis, storage, sources) = (make("redis")?, make("storage")?, make("sources")?);
        let redis = Server::start(&redis, Fsync::EverySecond).await?;
        let mut command = Command::new(magpie);
        command.arg("scheduler").arg("--storage").arg(&storage);
        command.arg("--source-root").arg(&sources);
        command.args(["--redis", &redis.url(), "--listen", "127.0.0.1:0"]);
        command.args(["--dashboard", "127.0.0.1:0"]);
        if let Some(most) = jobs_max {
            command.args(["--jobs-max", &most.to_string()]);
        }
        let scheduler = Program::start(&mut command)?;
        let line = scheduler.wait_for("api at http://")?;
        let url = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        Ok(Self {
            nodes: Vec::new(),
            scheduler,
            redis,
            url: url.context("the scheduler names its address")?.to_owned(),
            magpie: magpie.to_owned(),
            sources,
        })
    }

    /// Starts one more node with so many slots, and waits until it takes work.
    pub fn add_node(&mut self, slots: u32) -> Result<()> {
        let mut command = Command::new(&self.magpie);
        command.arg("node").args(["--scheduler", &self.url]);
        command.args(["--id", &format!("node-{}", self.nodes.len() + 1)]);
        command
            .args(["--slots", &slots.to_string(), "--source-root"])
            .arg(&self.sources);
        let node = Program::start(&mut command)?;
        node.wait_for("takes work")?;
        self.nodes.push(node);
        Ok(())
    }

    /// A client of it, over a connection of its own.
    pub async fn client(&self) -> Result<FarmServiceClient<Channel>> {
        Ok(FarmServiceClient::connect(self.url.clone()).await?)
    }

    /// Puts a file where its nodes may read it; answers its URL.
    pub fn source(&self, file: &Path) -> Result<String> {
        let path = self.sources.join("source.mp4");
        std::fs::copy(file, &path).with_context(|| file.display().to_string())?;
        Ok(format!("file://{}", path.display()))
    }

    /// The same with a test picture of so many seconds, under a name of its own. Segments of equal sources
    /// are found and not made again, so each name makes other bytes.
    pub fn test_source(&self, name: &str, seconds: u32) -> Result<String> {
        let path = self.sources.join(format!("{name}.mp4"));
        let picture = format!("testsrc2=size=1280x720:rate=25:duration={seconds}");
        let status = Command::new("ffmpeg")
            .args([
                "-nostdin",
                "-loglevel",
                "error",
                "-f",
                "lavfi",
                "-i",
                &picture,
            ])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "50"])
            .args(["-pix_fmt", "yuv420p", "-metadata"])
            .arg(format!("title={name}"))
            .arg(&path)
            .status()
            .context("start ffmpeg")?;
        ensure!(status.success(), "ffmpeg ended with {status}");
        Ok(format!("file://{}", path.display()))
    }

    /// What its processes have taken so far.
    pub fn cpu(&self) -> Result<Cpu> {
        let sum = |of: fn(u32) -> Result<f64>| {
            let all = self.nodes.iter().map(|node| of(node.id()));
            all.sum::<Result<f64>>()
        };
        Ok(Cpu {
            scheduler: cpu_seconds(self.scheduler.id())?,
            redis: self.redis.cpu_seconds()?,
            nodes: sum(cpu_seconds)?,
            workers: sum(descendants_cpu_seconds)?,
        })
    }
}

/// A job of the profile `web`.
pub fn request(title: &str, source_url: &str) -> v1::SubmitJobRequest {
    v1::SubmitJobRequest {
        title: title.to_owned(),
        source_url: source_url.to_owned(),
        ..v1::SubmitJobRequest::default()
    }
}
