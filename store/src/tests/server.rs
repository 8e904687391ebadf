//! A Redis of one test's own: on a Unix socket in its own folder, with the AOF on, gone at the end. It
//! does not outlive the thread that started it, so that a test which is killed leaves none behind.

use parking_lot::Mutex;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(super) struct Server {
    child: Mutex<Child>,
    folder: TempDir,
}

impl Server {
    /// Starts it; `None`, said loudly, where there is no redis-server.
    pub(super) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        match spawn(folder.path(), &[]) {
            Ok(child) => Some(Self {
                child: Mutex::new(child),
                folder,
            }),
            Err(error) => {
                let required = std::env::var_os("MAGPIE_REQUIRE_TOOLS").is_some();
                assert!(!required, "redis-server does not start: {error}");
                eprintln!("SKIPPED: no check against Redis, redis-server does not start: {error}");
                None
            }
        }
    }

    pub(super) fn kill_and_restart(&self) {
        self.kill_and_restart_with(&[]);
    }

    fn kill_and_restart_with(&self, settings: &[&str]) {
        let mut child = self.child.lock();
        end(&mut child);
        std::fs::remove_file(socket(self.folder.path())).unwrap();
        *child = spawn(self.folder.path(), settings).unwrap();
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", socket(self.folder.path()).display())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child.lock());
    }
}

fn socket(folder: &Path) -> PathBuf {
    folder.join("redis.sock")
}

fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// A call of a program, killed by the kernel when the thread that starts it ends (PR_SET_PDEATHSIG), which
/// only another program can ask for without unsafe code. Where there is none, a killed test leaves its
/// server behind.
fn bound(program: &str) -> Command {
    if !is_installed("setpriv") || !is_installed(program) {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", program]);
    command
}

fn is_installed(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join(program).is_file())
}

/// Starts a server over the files in the folder and waits until it listens.
fn spawn(folder: &Path, settings: &[&str]) -> std::io::Result<Child> {
    let child = bound("redis-server")
        .args([
            "--port",
            "0",
            "--save",
            "",
            "--appendonly",
            "yes",
            "--unixsocket",
        ])
        .arg(socket(folder))
        .arg("--dir")
        .arg(folder)
        .args(settings)
        .stdout(Stdio::null())
        .spawn()?;
    let start = Instant::now();
    while std::os::unix::net::UnixStream::connect(socket(folder)).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "redis-server does not listen"
        );
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(child)
}

#[test]
fn a_server_does_not_outlive_the_thread_that_started_it() {
    let required = std::env::var_os("MAGPIE_REQUIRE_TOOLS").is_some();
    if !is_installed("setpriv") {
        assert!(!required, "setpriv is not installed");
        eprintln!("SKIPPED: no check of what a killed test leaves, setpriv is not installed");
        return;
    }
    let started = std::thread::spawn(Server::start).join().unwrap();
    let Some(server) = started else {
        return;
    };
    let start = Instant::now();
    while server.child.lock().try_wait().unwrap().is_none() {
        assert!(start.elapsed() < Duration::from_secs(20), "it lives on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn a_store_opens_when_the_server_has_read_its_data() {
    let Some(server) = Server::start() else {
        return;
    };
    let ping = async || {
        let client = redis::Client::open(server.url()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await
    };
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut many = redis::pipe();
    for key in 0..8_000 {
        many.set(key, key).ignore();
    }
    many.query_async::<()>(&mut connection).await.unwrap();
    // It answers clients after each 1,024 commands only.
    server.kill_and_restart_with(&["--key-load-delay", "200"]);
    let busy = ping().await.unwrap_err();
    assert_eq!(busy.code(), Some("LOADING"), "{busy}");
    crate::redis::RedisStore::open(&server.url(), "main", 1)
        .await
        .unwrap();
    ping().await.unwrap();
}
