//! The files of an embedded database: [`Files`] checks that they are still the ones that were opened, [`Hold`] makes
//! one process the only one with a role on them.
//!
//! A process can write to deleted or replaced files without an error: the system keeps them while they are open, and
//! they are gone afterwards. So code that acknowledges a write first checks that the paths still lead to the
//! same files.

mod hold;

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub use hold::Hold;

/// The suffixes of the database's files: the main file, and those that SQLite keeps beside it while it is open.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A file that is no longer the one that was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is no longer the file that was opened: {reason}", path.display())]
pub struct Moved {
    pub path: PathBuf,
    pub reason: String,
}

impl Moved {
    fn of(path: &Path, error: &io::Error) -> Self {
        Self { path: path.to_owned(), reason: error.to_string() }
    }
}

/// The open files of one SQLite database in WAL mode.
#[derive(Debug, Clone)]
pub struct Files([(PathBuf, Id); SUFFIXES.len()]);

/// Identity of a file: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Id(u64, u64);

impl Files {
    /// Records which files these are. A connection that has read or written must stay open as long as this is used:
    /// SQLite removes the log when the last connection closes.
    ///
    /// # Errors
    /// [`Moved`] if one of them is missing.
    pub fn of(database: &Path) -> Result<Self, Moved> {
        // SQLite follows a link, and keeps the other files beside its target.
        let own = database.canonicalize().map_err(|error| Moved::of(database, &error))?;
        let [main, log, index] = SUFFIXES.map(|suffix| {
            let mut path = OsString::from(if suffix.is_empty() { database } else { &own });
            path.push(suffix);
            let path = PathBuf::from(path);
            id(&path).map(|id| (path, id))
        });
        Ok(Self([main?, log?, index?]))
    }

    /// Checks that the paths still lead to the same files, with three calls of `stat`.
    ///
    /// # Errors
    /// [`Moved`] with the first one that does not.
    pub fn check(&self) -> Result<(), Moved> {
        for (path, known) in &self.0 {
            if id(path)? != *known {
                let reason = "another file is there".to_owned();
                return Err(Moved { path: path.clone(), reason });
            }
        }
        Ok(())
    }
}

fn id(path: &Path) -> Result<Id, Moved> {
    let found = std::fs::metadata(path).map_err(|error| Moved::of(path, &error))?;
    Ok(Id(found.dev(), found.ino()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::Files;

    #[test]
    fn files_that_are_deleted_moved_or_replaced_are_missed_until_they_are_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("data");
        let database = place.join("game.sqlite");
        fs::create_dir(&place).unwrap();
        assert!(Files::of(&database).is_err(), "there is nothing yet");
        for suffix in super::SUFFIXES {
            fs::write(place.join(format!("game.sqlite{suffix}")), suffix).unwrap();
        }
        let files = Files::of(&database).unwrap();
        files.check().unwrap();
        let link = folder.path().join("link.sqlite");
        std::os::unix::fs::symlink(&database, &link).unwrap();
        let linked = Files::of(&link).unwrap();
        linked.check().unwrap();
        fs::remove_file(&link).unwrap();
        assert_eq!(linked.check().unwrap_err().path, link);

        let aside = folder.path().join("aside");
        for suffix in super::SUFFIXES {
            let file = place.join(format!("game.sqlite{suffix}"));
            fs::rename(&file, &aside).unwrap();
            let gone = files.check().unwrap_err();
            assert_eq!(gone.path, file);
            fs::copy(&aside, &file).unwrap();
            let replaced = files.check().unwrap_err();
            assert!(replaced.to_string().contains("another file is there"), "{replaced}");
            fs::rename(&aside, &file).unwrap();
            files.check().unwrap();
        }
        fs::rename(&place, &aside).unwrap();
        files.check().unwrap_err();
        fs::rename(&aside, &place).unwrap();
        files.check().unwrap();
    }
}
