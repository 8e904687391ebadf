//! A Redis server of one's own, reached through a Unix socket so that no port can clash. It can be
//! killed and started again on the same data, or on none.

use crate::{Place, Process, wait_until};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::Shutdown;
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
        format!("redis+unix://{}", self.socket().display())
    }

    /// The socket that it listens on.
    pub fn socket(&self) -> PathBuf {
        socket(&self.folder)
    }

    /// Kills the server without a goodbye.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Forgets everything, as an operator's slip makes it.
    pub fn flush(&self) -> Result<()> {
        let answer = ask(&socket(&self.folder), b"FLUSHALL\r\n", 5);
        ensure!(answer.as_deref() == Some(b"+OK\r\n"), "{answer:?}");
        Ok(())
    }

    /// Kills the server and takes from its append-only file what was written after a moment, as a host
    /// that loses power does with what was not synced. `written` is what [`Redis::length`] was then.
    pub fn kill_and_lose(&mut self, written: u64) -> Result<()> {
        self.kill()?;
        let path = self.last_file()?;
        let bytes = std::fs::read(&path)?;
        let kept = usize::try_from(written)?;
        ensure!(kept < bytes.len(), "nothing was written after {written}");
        // A command of which a part is kept is taken away whole.
        let mut rest = &bytes[..kept];
        let mut whole = kept;
        while next_command(&mut rest).is_some() {
            whole = kept - rest.len();
        }
        let file = std::fs::OpenOptions::new().write(true).open(&path)?;
        file.set_len(whole as u64).context("cut the data of redis")
    }

    /// Bytes in the append-only file.
    pub fn length(&self) -> Result<u64> {
        Ok(std::fs::metadata(self.last_file()?)?.len())
    }

    /// The file that the server appends to.
    fn last_file(&self) -> Result<PathBuf> {
        let files = self.files()?;
        let is_written = |path: &&PathBuf| path.to_string_lossy().ends_with(".incr.aof");
        let last = files.iter().rfind(is_written);
        Ok(last.context("redis appends to a file")?.clone())
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

    /// Every command that changed something, in order, with its arguments: what the append-only file
    /// says. A command that was being written when the server was killed is left out.
    pub fn written(&self) -> Result<Vec<Vec<String>>> {
        let mut commands = Vec::new();
        for file in self.files()? {
            let bytes = std::fs::read(&file).with_context(|| format!("read {}", file.display()))?;
            let mut rest = &bytes[..];
            while let Some(command) = next_command(&mut rest) {
                commands.push(command);
            }
        }
        Ok(commands)
    }

    fn files(&self) -> Result<Vec<PathBuf>> {
        let mut files = vec![];
        for folder in [self.folder.clone(), self.folder.join("appendonlydir")] {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.context("list the data of redis")?.path();
                files.extend(path.extension().is_some_and(|x| x == "aof").then_some(path));
            }
        }
        files.sort();
        Ok(files)
    }

    /// Runs a script in Lua that returns a text. `redis-cli` is not needed for it.
    pub fn evaluate(&self, script: &str) -> Result<String> {
        let mut stream = UnixStream::connect(self.socket()).context("reach redis")?;
        let length = script.len();
        write!(
            stream,
            "*3\r\n$4\r\nEVAL\r\n${length}\r\n{script}\r\n$1\r\n0\r\n"
        )
        .context("ask redis")?;
        stream.shutdown(Shutdown::Write).context("ask redis")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).context("hear redis")?;
        let mut rest = &answer[..];
        let text = next_number(&mut rest, b'$').and_then(|length| rest.get(..length));
        let text = text.with_context(|| String::from_utf8_lossy(&answer).into_owned())?;
        Ok(String::from_utf8_lossy(text).into_owned())
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

/// Takes one command of the protocol of Redis: its count of words, then each with its length.
fn next_command(rest: &mut &[u8]) -> Option<Vec<String>> {
    let count = next_number(rest, b'*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length = next_number(rest, b'$')?;
        words.push(String::from_utf8_lossy(rest.get(..length)?).into_owned());
        *rest = rest.get(length + 2..)?;
    }
    Some(words)
}

fn next_number(rest: &mut &[u8], mark: u8) -> Option<usize> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = rest[..end].strip_prefix(&[mark])?;
    *rest = &rest[end + 2..];
    std::str::from_utf8(line).ok()?.parse().ok()
}

/// Whether the server answers a ping. While it loads its data it answers with an error instead.
fn answers(socket: &Path) -> bool {
    ask(socket, b"PING\r\n", 7).as_deref() == Some(b"+PONG\r\n")
}

/// The first bytes of the answer to a command.
fn ask(socket: &Path, command: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let mut answer = vec![0; bytes];
    let timeout = Some(Duration::from_secs(1));
    stream.set_read_timeout(timeout).ok()?;
    stream.write_all(command).ok()?;
    stream.read_exact(&mut answer).ok()?;
    Some(answer)
}
