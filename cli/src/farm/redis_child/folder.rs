//! The folder of the private Redis: made for its user alone, and used by one scheduler at a time. One
//! that cannot be used is explained with its owner, for the default belongs to the service's user.

use crate::exit::usage;
use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Held by the scheduler whose redis-server works in the folder.
const LOCK: &str = "scheduler.lock";

/// Makes the folder where it is missing; answers with its real path.
pub fn open(folder: &Path) -> anyhow::Result<PathBuf> {
    make(folder).map_err(|error| explain(folder, &error))
}

/// Locks the folder for as long as the answer lives.
pub fn lock(folder: &Path) -> anyhow::Result<File> {
    let lock = File::create(folder.join(LOCK)).map_err(|error| explain(folder, &error))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(usage(
            format!(
                "another scheduler has its redis-server in {}",
                folder.display()
            ),
            "name that server with --redis redis+unix://FOLDER/redis.sock, or another folder with --redis-folder",
        ));
    }
    Ok(lock)
}

/// Whether a scheduler holds the lock of the folder now.
pub fn is_locked(folder: &Path) -> bool {
    let lock = File::open(folder.join(LOCK));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

fn make(folder: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))?;
    folder.canonicalize()
}

fn explain(folder: &Path, error: &io::Error) -> anyhow::Error {
    let at = existing(folder);
    let owner = at
        .metadata()
        .map_or_else(|_| "nobody known".to_owned(), |meta| name_of(meta.uid()));
    let message = format!(
        "{} cannot hold the private Redis: {error}; {} belongs to {owner}, and this runs as {}",
        folder.display(),
        at.display(),
        name_of(geteuid().as_raw())
    );
    usage(message, remedy(&owner))
}

fn remedy(owner: &str) -> String {
    let own = "name a folder of your own with --redis-folder or MAGPIE_REDIS_FOLDER";
    match owner {
        // Root owns what nobody has set up yet; a farm does not run as root for that.
        "root" => own.to_owned(),
        service => format!("{own}, or run it as that user: sudo -u {service} magpie scheduler ..."),
    }
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> &Path {
    let found = folder.ancestors().find(|path| path.exists());
    found.unwrap_or(Path::new("/"))
}

/// The name of a user, or the number where there is no name.
fn name_of(user: u32) -> String {
    let number = user.to_string();
    let known = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let line = known
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&number));
    let name = line.and_then(|line| line.split(':').next());
    name.unwrap_or(&number).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_user_is_named_as_a_way_out_and_root_is_not() {
        assert!(remedy("magpie").contains("sudo -u magpie magpie scheduler"));
        assert!(!remedy("root").contains("sudo"));
    }

    #[test]
    fn users_have_their_names_and_unknown_ones_their_numbers() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(4_000_000_001), "4000000001");
    }
}
