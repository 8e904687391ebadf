//! A small disk of one's own, to fill up and to write-protect: a tmpfs in a mount namespace, which
//! needs no rights where user namespaces are allowed, and holds for root too. Programs see it only
//! when they are started inside.

use crate::{Magpie, Place, Process, require, skip};
use anyhow::{Context, Result, bail, ensure};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const MOUNT_BOUND: Duration = Duration::from_secs(20);

/// Name of the file that takes all room.
const BALLAST: &str = "ballast";

/// A disk that is there as long as the value.
#[derive(Debug)]
pub struct Disk {
    /// A process that does nothing but keep the namespace.
    keeper: Process,
    nsenter: PathBuf,
    folder: PathBuf,
}

impl Disk {
    /// Mounts a disk of so many MiB at a folder of the place, or records that the test is skipped
    /// because this machine does not permit it.
    pub fn mount(place: &Place, name: &str, mebibytes: u32) -> Result<Option<Self>> {
        let (Some(unshare), Some(nsenter)) = (require("unshare"), require("nsenter")) else {
            return Ok(None);
        };
        let folder = place.folder(name)?;
        let script =
            "mount -t tmpfs -o size=$1m tmpfs \"$2\" && echo mounted && exec sleep infinity";
        let mut command = Command::new(unshare);
        command.args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ]);
        command.arg(mebibytes.to_string()).arg(&folder);
        let mut keeper = Process::start("unshare", command)?;
        if let Err(error) = keeper.wait_for_line("mounted", MOUNT_BOUND) {
            let why = keeper.stderr();
            ensure!(is_refusal(&why), "{error:#}");
            skip(&format!("no disk may be mounted here: {}", why.trim()));
            return Ok(None);
        }
        Ok(Some(Self {
            keeper,
            nsenter,
            folder,
        }))
    }

    /// Where it is for programs inside.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it is for the test.
    pub fn outside(&self) -> PathBuf {
        let root = format!("/proc/{}/root", self.keeper.id());
        let below = self.folder.strip_prefix("/").unwrap_or(&self.folder);
        Path::new(&root).join(below)
    }

    /// The same call for a program that sees the disk.
    pub fn inside(&self, call: Magpie) -> Magpie {
        call.behind(&self.nsenter, &self.enter())
    }

    /// Takes all room that is left.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.outside().join(BALLAST))
            .context("make the ballast")?;
        // Ever smaller, down to the last page.
        for size in [1024 * 1024, 4096, 1] {
            loop {
                match ballast.write_all(&vec![0; size]) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("fill a disk"),
                }
            }
        }
        Ok(())
    }

    /// Gives back what [`Disk::fill`] took.
    pub fn make_room(&self) -> Result<()> {
        std::fs::remove_file(self.outside().join(BALLAST)).context("remove the ballast")
    }

    /// Lets nobody write.
    pub fn protect(&self) -> Result<()> {
        self.remount("remount,bind,ro")
    }

    /// Lets everybody write again.
    pub fn unprotect(&self) -> Result<()> {
        self.remount("remount,bind,rw")
    }

    /// With `bind` it is about the mount and not about the disk, whose other options name users that
    /// the namespace does not know.
    fn remount(&self, options: &str) -> Result<()> {
        let output = Command::new(&self.nsenter)
            .args(self.enter())
            .args(["mount", "-o", options])
            .arg(&self.folder)
            .stdin(Stdio::null())
            .output()
            .context("start nsenter")?;
        if !output.status.success() {
            bail!("{options}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    fn enter(&self) -> [String; 4] {
        let target = format!("--target={}", self.keeper.id());
        [
            target,
            "--user".into(),
            "--preserve-credentials".into(),
            "--mount".into(),
        ]
    }
}

/// Whether the machine forbids it, and not something else is wrong.
fn is_refusal(why: &str) -> bool {
    let why = why.to_lowercase();
    ["not permitted", "permission denied", "no space left"]
        .iter()
        .any(|words| why.contains(words))
}
