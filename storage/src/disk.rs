//! What a local disk needs beyond the library: locks between the processes of this host, replacing a
//! file for good, and copies that are hard links.
//!
//! Durability: the content is synced, then gets its name, then the folder is synced. A folder that
//! is made is synced into its parent. The root must be one filesystem, and one with `flock`; over
//! NFS that is version 4.

use crate::name::LOCKS;
use crate::{Created, Error, Result};
use object_store::local::LocalFileSystem;
use object_store::path::Path as Location;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A holder reads, writes and syncs one small object; a second is a disk in trouble.
pub(crate) const LOCK_WAIT: Duration = Duration::from_secs(10);

/// File beside the locks that tells a storage from an empty folder, such as the place of a disk that is
/// not mounted.
const MARK: &str = "storage";

const MARK_TEXT: &str =
    "This folder is a storage of Magpie. Nodes use no folder without this file.\n";

const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// A folder on a local disk that is the root of storage.
#[derive(Clone)]
pub(crate) struct Disk {
    root: PathBuf,
    /// Whether the folder had its mark when it was opened.
    is_marked: bool,
}

/// The right to replace one object. What was staged and not put in place goes with it.
pub(crate) struct Held {
    target: PathBuf,
    staged: PathBuf,
    /// Held until it is closed.
    _lock: File,
}

impl Disk {
    /// Makes the folder, if need be, and marks it as a storage; gives the library's view of it.
    pub(crate) fn open(url: &str, root: &Path) -> Result<(Self, LocalFileSystem)> {
        make_folder(root).map_err(|e| Error::from_io(url, &e).of_write())?;
        // Who only reads may be refused the mark, and who writes will hear of it.
        if let Err(error) = mark(root) {
            tracing::debug!(%error, url, "the folder was not marked as a storage");
        }
        Self::view(url, root)
    }

    /// The folder that [`Self::open`] has marked. Makes nothing.
    pub(crate) fn open_marked(url: &str, root: &Path) -> Result<(Self, LocalFileSystem)> {
        match std::fs::metadata(root.join(LOCKS).join(MARK)) {
            Ok(_) => Self::view(url, root),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(Error::Url {
                url: url.to_owned(),
                reason: "no scheduler has opened a storage there; is the disk mounted".to_owned(),
            }),
            Err(error) => Err(Error::from_io(url, &error)),
        }
    }

    fn view(url: &str, root: &Path) -> Result<(Self, LocalFileSystem)> {
        let fail = |e: io::Error| Error::from_io(url, &e).of_write();
        let root = root.canonicalize().map_err(fail)?;
        let store = LocalFileSystem::new_with_prefix(&root)
            .map_err(|e| Error::from_object_store(url, e))?
            .with_fsync(true);
        let is_marked = root.join(LOCKS).join(MARK).exists();
        Ok((Self { root, is_marked }, store))
    }

    /// Whether the folder has lost its mark since it was opened: then it is another one, such as the place
    /// where a disk was mounted, and what is written would lie beside the storage.
    pub(crate) fn is_gone(&self) -> bool {
        self.is_marked && !self.root.join(LOCKS).join(MARK).exists()
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn file(&self, location: &Location) -> PathBuf {
        self.root.join(location.as_ref())
    }

    /// Waits for the lock of an object; `None` when another holds it for too long. Its name is a hash,
    /// of which only three digits are used: the locks stay few, and two objects that share one only wait
    /// for each other.
    pub(crate) fn hold(&self, location: &Location, wait: Duration) -> io::Result<Option<Held>> {
        let locks = self.root.join(LOCKS);
        make_folder(&locks)?;
        let name = hex::encode(&Sha256::digest(location.as_ref())[..2]);
        let lock = File::create(locks.join(&name[..3]))?;
        let start = Instant::now();
        loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            if start.elapsed() >= wait {
                return Ok(None);
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        let target = self.file(location);
        // The mark hides it from listings; no other writer counts from zero.
        let mut staged = target.clone().into_os_string();
        staged.push("#0");
        Ok(Some(Held {
            target,
            staged: staged.into(),
            _lock: lock,
        }))
    }

    /// Writes an object, over an older one if there is one.
    pub(crate) fn put(&self, location: &Location, content: &[u8]) -> io::Result<()> {
        self.hold_in_time(location)?.replace(&mut &*content)
    }

    /// Writes an object unless there is one. One that is there is durable, so that what is written next
    /// may rely on it.
    pub(crate) fn put_if_absent(&self, location: &Location, content: &[u8]) -> io::Result<Created> {
        let held = self.hold_in_time(location)?;
        if held.target.symlink_metadata().is_err() {
            held.replace(&mut &*content)?;
            return Ok(Created::New);
        }
        held.target.parent().map_or(Ok(()), sync_folder)?;
        Ok(Created::Existed)
    }

    fn hold_in_time(&self, location: &Location) -> io::Result<Held> {
        let held = self.hold(location, LOCK_WAIT)?;
        held.ok_or_else(|| io::Error::from(ErrorKind::TimedOut))
    }

    /// Gives an object a second name: a hard link, or a copy where the filesystem refuses links.
    /// Links that were put into storage by hand are not followed.
    pub(crate) fn copy(&self, from: &Location, to: &Location) -> io::Result<()> {
        let (source, target) = (self.file(from), self.file(to));
        let folder = target.parent().unwrap_or(&self.root);
        self.check_inside(&source)?;
        make_folder(folder)?;
        self.check_inside(&target)?;
        match std::fs::hard_link(&source, &target) {
            Ok(()) => return sync_folder(folder),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                if same_file(&source, &target)? {
                    return sync_folder(folder);
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(error),
            Err(error) => tracing::debug!(%error, %from, "no hard link"),
        }
        self.hold_in_time(to)?.replace_with_copy(&source)
    }

    /// Refuses what is no file, or lies outside of the root because a folder is a link.
    fn check_inside(&self, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(&self.root).canonicalize()?;
        let is_other = std::fs::symlink_metadata(file).is_ok_and(|found| !found.is_file());
        if is_other || !folder.starts_with(&self.root) {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

impl Held {
    /// What is there now.
    pub(crate) fn read(&self) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(&self.target) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Puts other content in place; a reader sees the old or the new, whole.
    pub(crate) fn replace(&self, content: &mut impl io::Read) -> io::Result<()> {
        let folder = self.target.parent().ok_or(ErrorKind::InvalidInput)?;
        make_folder(folder)?;
        // What a killed process left there may be a link, whose content belongs to another object.
        let _ = std::fs::remove_file(&self.staged);
        let mut file = File::create_new(&self.staged)?;
        io::copy(content, &mut file)?;
        file.sync_all()?;
        std::fs::rename(&self.staged, &self.target)?;
        sync_folder(folder)
    }

    /// Puts another object's file in place: its link, or its content where links are refused.
    fn replace_with_copy(&self, source: &Path) -> io::Result<()> {
        let _ = std::fs::remove_file(&self.staged);
        if std::fs::hard_link(source, &self.staged).is_err() {
            return self.replace(&mut File::open(source)?);
        }
        std::fs::rename(&self.staged, &self.target)?;
        sync_folder(self.target.parent().ok_or(ErrorKind::InvalidInput)?)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Left over after a failure, or after a rename between two names of one file, which does
        // nothing (`rename(2)`).
        let _ = std::fs::remove_file(&self.staged);
    }
}

fn same_file(one: &Path, other: &Path) -> io::Result<bool> {
    let (one, other) = (std::fs::metadata(one)?, std::fs::symlink_metadata(other)?);
    Ok((one.dev(), one.ino()) == (other.dev(), other.ino()))
}

/// Syncs the names in a folder.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Marks a folder as a storage.
fn mark(root: &Path) -> io::Result<()> {
    let folder = root.join(LOCKS);
    if folder.join(MARK).exists() {
        return Ok(());
    }
    make_folder(&folder)?;
    std::fs::write(folder.join(MARK), MARK_TEXT)?;
    sync_folder(&folder)
}

/// Makes a folder and its parents, each synced into its own.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let Some(parent) = folder.parent() else {
        return Err(ErrorKind::NotFound.into());
    };
    make_folder(parent)?;
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => sync_folder(parent),
    }
}

#[cfg(test)]
mod tests;
