//! A redis-server that a killed scheduler left behind in its folder. It is ended as it would have been,
//! with its data whole, and only when it is certain that it is one of ours: the same user, at work in
//! the same folder. The caller holds the folder's lock, so no living scheduler uses it.

use crate::exit::usage;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, geteuid, pidfd_open, pidfd_send_signal};
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::UCred;

/// What it may take to write its last bytes.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// Ends the server that listens on `socket`, if there is one.
pub async fn end(folder: &Path, socket: &Path) -> anyhow::Result<()> {
    // A socket that refuses is one that a killed server left behind.
    let Ok(stream) = UnixStream::connect(socket).await else {
        return Ok(());
    };
    let peer = stream.peer_cred()?;
    let pid = peer.pid().and_then(Pid::from_raw);
    let Some(pid) = pid else {
        return Err(foreign(folder, "in another namespace"));
    };
    let process = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => process,
        Err(Errno::SRCH) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if !is_ours(&peer, pid, folder) {
        return Err(foreign(folder, &format!("as process {pid}")));
    }
    tracing::warn!(%pid, "a killed scheduler left its redis-server behind; it is ended");
    match pidfd_send_signal(&process, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.into()),
    }
    let deadline = tokio::time::Instant::now() + END_TIMEOUT;
    // What has ended works nowhere, also before anybody has reaped it.
    while is_ours(&peer, pid, folder) {
        if tokio::time::Instant::now() > deadline {
            anyhow::bail!("the redis-server left behind as process {pid} does not end");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Whether the process was started by this user and works in this folder, where redis-server goes.
fn is_ours(peer: &UCred, pid: Pid, folder: &Path) -> bool {
    let works_in = std::fs::read_link(format!("/proc/{pid}/cwd"));
    peer.uid() == geteuid().as_raw() && works_in.is_ok_and(|path| path == folder)
}

fn foreign(folder: &Path, place: &str) -> anyhow::Error {
    usage(
        format!("another redis-server runs in {} {place}", folder.display()),
        "name it with --redis, or another folder with --redis-folder",
    )
}
