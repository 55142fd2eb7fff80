//! A lock that makes this the only process with a role.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Makes this the only process with a role on a database. Dropping it, or the end of the process, releases it.
#[derive(Debug)]
pub struct Hold {
    /// A file of its own: closing the database's file a second time would release SQLite's locks.
    _lock: File,
}

impl Hold {
    /// Takes the role on this database, which must exist; `None` if another process has it.
    ///
    /// # Errors
    /// If the lock file cannot be opened.
    pub fn take(database: &Path, role: &str) -> io::Result<Option<Self>> {
        // Every path to the database leads to the same lock.
        let mut path = OsString::from(database.canonicalize()?);
        path.push(format!("-{role}.lock"));
        // A lock needs no write permission, so a file that another user left is no obstacle.
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(&path)?
            }
            opened => opened?,
        };
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self { _lock: lock })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::Hold;

    #[test]
    fn a_role_has_one_holder_by_any_path_until_it_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("inbox.sqlite");
        assert!(Hold::take(&database, "handler").is_err(), "there is no database");
        std::fs::write(&database, "").unwrap();
        let other = folder.path().join("other.sqlite");
        std::os::unix::fs::symlink(&database, &other).unwrap();

        let held = Hold::take(&database, "handler").unwrap();
        assert!(held.is_some());
        let lock = folder.path().join("inbox.sqlite-handler.lock");
        let mode = std::fs::metadata(lock).unwrap().permissions().mode();
        // A tool that runs as another user reads it, and none but its owner writes to it.
        assert_eq!(mode & 0o133, 0, "{mode:o}");
        for path in [&database, &other] {
            assert!(Hold::take(path, "handler").unwrap().is_none());
        }
        assert!(Hold::take(&database, "scheduler").unwrap().is_some(), "another role");
        drop(held);
        assert!(Hold::take(&other, "handler").unwrap().is_some());
    }
}
