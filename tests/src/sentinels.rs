//! A Redis with a replica, and three sentinels that put the replica in its place when it is gone. They
//! need ports, because a sentinel names servers by host and port.

use crate::{Place, Process, free_address, wait_until};
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// Servers start in well under 0.1 s, and find each other within some seconds.
const START_BOUND: Duration = Duration::from_secs(60);

/// How many there are; two of them must agree.
const SENTINELS: usize = 3;

/// The user as whom the replica reads.
const READER: &str = "reader";

/// What ends an answer.
const ENOUGH: &str = "that-was-all";

/// Running servers.
#[derive(Debug)]
pub struct Sentinels {
    primary: (SocketAddr, Process),
    replica: (SocketAddr, Process),
    sentinels: Vec<(SocketAddr, Process)>,
}

impl Sentinels {
    /// Starts all of them in folders of the place, and waits until the sentinels know the replica and each
    /// other.
    pub fn start(program: &Path, place: &Place) -> Result<Self> {
        let primary = server(program, place, "primary", &[])?;
        let allow = format!("ACL SETUSER {READER} on nopass +psync +replconf +ping");
        ensure!(
            ask(primary.0, &allow)?.starts_with("+OK"),
            "no user {READER}"
        );
        let port = primary.0.port().to_string();
        let follow = [
            "--replicaof",
            &format!("127.0.0.1 {port}"),
            "--masteruser",
            READER,
        ];
        let follow = [&follow[..], &["--masterauth", "any"]].concat();
        let replica = server(program, place, "replica", &follow)?;
        let sentinels: Result<Vec<_>> = (0..SENTINELS)
            .map(|number| sentinel(program, place, number, primary.0))
            .collect();
        let all = Self {
            primary,
            replica,
            sentinels: sentinels?,
        };
        all.wait_until_known()?;
        Ok(all)
    }

    fn wait_until_known(&self) -> Result<()> {
        let others = format!("num-other-sentinels\r\n$1\r\n{}", SENTINELS - 1);
        for (address, _) in &self.sentinels {
            wait_until("sentinels that know all", START_BOUND, || {
                let known = ask(*address, "SENTINEL MASTER farm")?;
                let is_all = known.contains("num-slaves\r\n$1\r\n1") && known.contains(&others);
                Ok(is_all.then_some(()))
            })?;
        }
        wait_until("a replica that follows", START_BOUND, || {
            let info = ask(self.replica.0, "INFO replication")?;
            Ok(info.contains("master_link_status:up").then_some(()))
        })
    }

    /// The URL that leads to whoever is the primary.
    pub fn url(&self) -> String {
        let sentinels = self
            .sentinels
            .iter()
            .map(|(address, _)| address.to_string());
        let sentinels: Vec<_> = sentinels.collect();
        format!("redis+sentinel://{}/farm", sentinels.join(","))
    }

    /// Cuts the replica off: what is written from now on reaches it no more.
    pub fn cut_replica_off(&self) -> Result<()> {
        let off = ask(self.primary.0, &format!("ACL SETUSER {READER} off"))?;
        let killed = ask(self.primary.0, &format!("CLIENT KILL USER {READER}"))?;
        ensure!(
            off.starts_with("+OK") && killed.starts_with(":1"),
            "{off} {killed}"
        );
        Ok(())
    }

    /// Kills the primary without a goodbye.
    pub fn kill_primary(&mut self) -> Result<()> {
        self.primary.1.kill()
    }

    /// Whether the replica has taken the primary's place. At that moment it hangs up on everybody.
    pub fn is_failed_over(&self) -> bool {
        ask(self.replica.0, "ROLE").is_ok_and(|role| role.contains("master"))
    }
}

fn server(
    program: &Path,
    place: &Place,
    name: &str,
    settings: &[&str],
) -> Result<(SocketAddr, Process)> {
    let address = free_address()?;
    let mut command = Command::new(program);
    command
        .current_dir(place.folder(name)?)
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
        .args(["--repl-diskless-sync-delay", "0", "--port"])
        .arg(address.port().to_string())
        .args(settings);
    started(name, command, address)
}

fn sentinel(
    program: &Path,
    place: &Place,
    number: usize,
    primary: SocketAddr,
) -> Result<(SocketAddr, Process)> {
    let address = free_address()?;
    let name = format!("sentinel-{number}");
    let folder = place.folder(&name)?;
    let file = folder.join("sentinel.conf");
    let (host, port) = (primary.ip(), primary.port());
    let settings = format!(
        "bind 127.0.0.1\nport {}\nsentinel monitor farm {host} {port} 2\n\
         sentinel down-after-milliseconds farm 1000\nsentinel failover-timeout farm 10000\n",
        address.port()
    );
    std::fs::write(&file, settings)?;
    let mut command = Command::new(program);
    command.current_dir(&folder).arg(&file).arg("--sentinel");
    started(&name, command, address)
}

fn started(name: &str, command: Command, address: SocketAddr) -> Result<(SocketAddr, Process)> {
    let process = Process::start(name, command)?;
    wait_until(name, START_BOUND, || {
        let answer = ask(address, "PING").unwrap_or_default();
        Ok(answer.starts_with("+PONG").then_some(()))
    })
    .with_context(|| format!("{}{}", process.stdout(), process.stderr()))?;
    Ok((address, process))
}

/// The answer to a command, as it is on the wire.
fn ask(address: SocketAddr, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "{command}\r\nECHO {ENOUGH}\r\n")?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    // The answer to the second command, or that it is not known, follows the one to the first.
    let (mut answer, mut part) = (String::new(), [0; 4096]);
    while !answer.contains(ENOUGH) && !answer.contains("-ERR unknown command") {
        let read = stream.read(&mut part)?;
        ensure!(read > 0, "{address} hung up: {answer}");
        answer += &String::from_utf8_lossy(&part[..read]);
    }
    Ok(answer)
}
