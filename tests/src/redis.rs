//! A Redis server of one's own, reached through a Unix socket so that no port can clash. It can be
//! killed and started again on the same data, or on none.

use crate::{Place, Process, wait_until};
use anyhow::{Context, Result};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A server starts in well under 0.1 s; the rest is for a machine that is busy with other tests.
const START_BOUND: Duration = Duration::from_secs(10);

/// A running Redis server.
#[derive(Debug)]
pub struct Redis {
    program: PathBuf,
    folder: PathBuf,
    process: Process,
}

impl Redis {
    /// Starts the server program in a folder of the place, with an append-only file that is synced
    /// every second, as `deploy/` recommends.
    pub fn start(program: &Path, place: &Place) -> Result<Self> {
        let folder = place.folder("redis")?;
        let process = start(program, &folder)?;
        Ok(Self {
            program: program.to_owned(),
            folder,
            process,
        })
    }

    /// The URL that clients connect to.
    pub fn url(&self) -> String {
        format!("redis+unix://{}", socket(&self.folder).display())
    }

    /// Kills the server without a goodbye.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Stops answering, without closing connections.
    pub fn freeze(&self) -> Result<()> {
        self.process.freeze()
    }

    /// Answers again.
    pub fn thaw(&self) -> Result<()> {
        self.process.thaw()
    }

    /// Starts the server anew on what it had written.
    pub fn restart(&mut self) -> Result<()> {
        self.process = start(&self.program, &self.folder)?;
        Ok(())
    }

    /// Removes what a killed server had written: the next start finds nothing.
    pub fn wipe(&mut self) -> Result<()> {
        std::fs::remove_dir_all(&self.folder).context("remove the data of redis")?;
        std::fs::create_dir_all(&self.folder).context("make the folder of redis")
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("socket")
}

fn start(program: &Path, folder: &Path) -> Result<Process> {
    let socket = socket(folder);
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .args(["--port", "0", "--unixsocket"])
        .arg(&socket);
    command.args([
        "--save",
        "",
        "--appendonly",
        "yes",
        "--appendfsync",
        "everysec",
    ]);
    let process = Process::start("redis-server", command)?;
    wait_until("redis-server", START_BOUND, || {
        Ok(answers(&socket).then_some(()))
    })
    .with_context(|| format!("{}{}", process.stdout(), process.stderr()))?;
    Ok(process)
}

/// Whether the server answers a ping. While it loads its data it answers with an error instead.
fn answers(socket: &Path) -> bool {
    let Ok(mut stream) = UnixStream::connect(socket) else {
        return false;
    };
    let mut answer = [0; 7];
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .is_ok()
        && stream.write_all(b"PING\r\n").is_ok()
        && stream.read_exact(&mut answer).is_ok()
        && &answer == b"+PONG\r\n"
}
