//! A Redis of one test's own: on a Unix socket in its own folder, with the AOF on, gone at the end.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(super) struct Server {
    child: Child,
    socket: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts it; `None`, said loudly, where there is no redis-server.
    pub(super) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("redis.sock");
        let child = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "yes"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(folder.path())
            .stdout(Stdio::null())
            .spawn();
        let child = match child {
            Ok(child) => child,
            Err(error) => {
                let required = std::env::var_os("MAGPIE_REQUIRE_TOOLS").is_some();
                assert!(!required, "redis-server does not start: {error}");
                eprintln!("SKIPPED: no check against Redis, redis-server does not start: {error}");
                return None;
            }
        };
        let server = Self {
            child,
            socket,
            _folder: folder,
        };
        server.wait();
        Some(server)
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.socket.display())
    }

    fn wait(&self) {
        let start = Instant::now();
        while std::os::unix::net::UnixStream::connect(&self.socket).is_err() {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "redis-server does not listen"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
