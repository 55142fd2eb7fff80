//! The PostgreSQL programs: their folder, and the user that runs them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The minimum version.
const VERSION_MIN: u32 = 15;

/// Folder and user of the programs.
pub(super) struct Programs {
    folder: PathBuf,
    /// User and group, because the programs refuse to run as root.
    pub(super) owner: Option<(u32, u32)>,
}

impl Programs {
    pub(super) fn find() -> Self {
        const MISSING: &str = "PostgreSQL 15 or newer is needed, its server and initdb. On Debian: \
            apt-get install postgresql";
        let mut folders: Vec<PathBuf> = vec![PathBuf::new()]; // found on PATH
        if let Ok(versions) = fs::read_dir("/usr/lib/postgresql") {
            let mut installed: Vec<PathBuf> =
                versions.flatten().map(|entry| entry.path().join("bin")).collect();
            installed.sort();
            folders.extend(installed.into_iter().rev());
        }
        let usable = |folder: &PathBuf| {
            let version = |program| Command::new(folder.join(program)).arg("--version").output();
            version("initdb").is_ok() && version("postgres").is_ok_and(|output| major(&output) >= VERSION_MIN)
        };
        let folder = folders.into_iter().find(usable).expect(MISSING);
        Self { folder, owner: owner() }
    }

    /// A command for one of the programs, which is killed when the thread that starts it ends.
    pub(super) fn command(&self, program: &str, folder: &Path) -> Command {
        unprivileged(&self.folder.join(program), folder)
    }
}

/// A command for a program that refuses to run as root, in this folder. It is killed when the thread that starts it
/// ends.
pub(crate) fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "QUIT"]).current_dir(folder).env("LC_ALL", "C");
    for variable in ["PGDATA", "PGPORT", "PGOPTIONS", "PGUSER", "PGHOST"] {
        command.env_remove(variable);
    }
    if let Some((user, group)) = owner() {
        command.args([&format!("--reuid={user}"), &format!("--regid={group}"), "--clear-groups"]);
    }
    command.arg(program);
    command
}

/// User and group of such programs and of their files; `None` means those of the tests.
pub(crate) fn owner() -> Option<(u32, u32)> {
    let root = fs::metadata("/proc/self").unwrap().uid() == 0;
    root.then(user_for_root)
}

/// The major version in `postgres (PostgreSQL) 15.14`; 0 when there is none.
fn major(output: &Output) -> u32 {
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers = text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    numbers.map(|digits| digits.parse().unwrap_or(0)).next().unwrap_or(0)
}

/// User and group of a server if the tests run as root.
fn user_for_root() -> (u32, u32) {
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let find = |wanted: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == wanted).then_some(())?;
            Some((fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?))
        })
    };
    find("postgres").or_else(|| find("nobody")).expect("there is neither a user postgres nor a user nobody")
}
