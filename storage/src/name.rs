//! Which names objects may have: the same on every kind of storage, so that what works on a disk
//! works on S3. A name is used as it is, without any encoding; the library's own constructor would
//! encode `~`, `[` and others, and a listing would then not give back what was written.

use object_store::path::Path;

/// Longest key of S3.
const NAME_BYTES_MAX: usize = 1024;

/// Longest file name on the usual disks, less the mark of an object that is being written.
const PART_BYTES_MAX: usize = 255 - 10;

/// Folder of the lock files where storage is a local disk. Its name is taken on every storage.
pub(crate) const LOCKS: &str = ".locks";

/// Reads the path of a folder; the root is the empty path. Fails with what is wrong.
pub(crate) fn folder(path: &str) -> Result<Path, String> {
    if path.len() > NAME_BYTES_MAX {
        return Err(format!("the path has more than {NAME_BYTES_MAX} bytes"));
    }
    let parsed = Path::parse(path).map_err(|e| e.to_string())?;
    if path != parsed.as_ref() {
        return Err("the path starts or ends with a slash".to_owned());
    }
    if path.split('/').any(|part| part.len() > PART_BYTES_MAX) {
        return Err(format!("a name has more than {PART_BYTES_MAX} bytes"));
    }
    if path.split('/').next() == Some(LOCKS) {
        return Err(format!("{LOCKS} is taken"));
    }
    Ok(parsed)
}

/// Reads the path of an object. Fails with what is wrong.
pub(crate) fn object(path: &str) -> Result<Path, String> {
    let parsed = folder(path)?;
    let Some(name) = parsed.filename() else {
        return Err("an object has a name".to_owned());
    };
    // How objects that are being written are told from the others on a disk.
    let marked = |(_, mark): (&str, &str)| {
        !mark.is_empty() && mark.bytes().all(|byte| byte.is_ascii_digit())
    };
    if name.split_once('#').is_some_and(marked) {
        return Err("a name does not end with # and a number".to_owned());
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_leave_the_root_or_differs_between_storages_is_refused() {
        for path in [
            "..", "../a", "a/../b", "a/./b", "a//b", "/a", "a/", "a\0b", "a\nb",
        ] {
            assert!(object(path).is_err(), "{path:?}");
        }
        for path in ["", ".locks", ".locks/a", "a/b#12", "a#0"] {
            assert!(object(path).is_err(), "{path:?}");
        }
        assert!(object(&"a".repeat(PART_BYTES_MAX + 1)).is_err());
        assert!(object(&"a/".repeat(NAME_BYTES_MAX)).is_err());
    }

    #[test]
    fn names_are_kept_as_they_are() {
        let long = "n".repeat(PART_BYTES_MAX);
        for path in [
            "a",
            "a/b~c",
            "a~b/c",
            "a b/[x]%20{y}",
            "ä/.locks",
            "a#b",
            "a#",
            &long,
        ] {
            assert_eq!(object(path).unwrap().as_ref(), path);
        }
        assert!(folder("").unwrap().is_root());
    }
}
