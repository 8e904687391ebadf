//! Where one test lives: a folder of its own that goes when the test is over, and addresses that
//! nobody else uses.

use anyhow::{Context, Result};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// A private folder. `MAGPIE_KEEP=1` leaves it behind and prints where, to look at after a failure.
#[derive(Debug)]
pub struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    /// Makes an empty folder. Its path is short, because Unix sockets live in it and the path of a
    /// socket may have 107 bytes (`unix(7)`).
    pub fn new() -> Result<Self> {
        let mut folder = tempfile::Builder::new()
            .prefix("magpie-")
            .tempdir()
            .context("make a temporary folder")?;
        if std::env::var("MAGPIE_KEEP").as_deref() == Ok("1") {
            folder.disable_cleanup(true);
            let _ = writeln!(std::io::stderr(), "kept: {}", folder.path().display());
        }
        Ok(Self { folder })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A file or folder below it; not created.
    pub fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A folder below it; created.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(path)
    }
}

/// A loopback address that was free a moment ago. For programs that must be told a port before they
/// start; one that can listen on port 0 and print what it got has no race and is better.
pub fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen on the loopback address")?;
    listener
        .local_addr()
        .context("read the address of a listener")
}
