//! A sandbox with only what the image contains, made by bubblewrap.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use crate::support::{Game, binary};

/// The data folder, as the image declares it.
pub(super) const DATA: &str = "/var/lib/buttonparty";
const PROGRAM: &str = "/usr/local/bin/buttonparty";
/// User and group of the image.
const NOBODY: u32 = 65_532;

/// A sandbox for the binary.
pub(super) struct Cell {
    folder: TempDir,
    /// The libraries that the binary is linked with.
    libraries: Vec<String>,
    /// Whether the tests run as root, so that the sandbox must switch the user.
    root: bool,
}

/// The running binary.
pub(super) struct Running {
    pub(super) game: Game,
    /// Its process id outside the sandbox.
    pid: u32,
}

impl Cell {
    /// Makes a sandbox.
    ///
    /// # Errors
    /// Why this machine does not permit one.
    pub(super) async fn new() -> Result<Self, String> {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::metadata("/proc/self").unwrap().uid() == 0;
        // Copied, because other users may not read the build folder.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::copy(binary(), folder.path().join("buttonparty")).unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        if root {
            chown(folder.path().join("data"), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        let cell = Self { libraries: libraries(&binary()).await, folder, root };
        let output = cell.command("--version-that-is-none", &[], false).output().await;
        let output = output.map_err(|error| format!("bwrap: {error}"))?;
        let told = String::from_utf8_lossy(&output.stderr);
        // The binary itself must answer; otherwise nothing was run.
        if told.contains("unexpected argument") {
            Ok(cell)
        } else {
            Err(format!("no namespaces: {}", told.trim()))
        }
    }

    /// Path of its data folder outside the sandbox.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A command that runs the binary with this role as process 1, as in a container. Without `data` nothing is
    /// writable.
    pub(super) fn command(&self, role: &str, environment: &[(String, String)], data: bool) -> Command {
        let mut command = Command::new("setpriv");
        if self.root {
            command.args([&format!("--reuid={NOBODY}"), &format!("--regid={NOBODY}"), "--clear-groups"]);
        }
        command.args(["--no-new-privs", "bwrap", "--die-with-parent", "--as-pid-1", "--unshare-all"]);
        // The test connects over loopback.
        command.args(["--share-net", "--cap-drop", "ALL", "--clearenv"]);
        for (name, value) in environment {
            command.args(["--setenv", name, value]);
        }
        command.args(["--setenv", "BUTTONPARTY_LISTEN", "127.0.0.1:0"]);
        command.arg("--ro-bind").arg(self.folder.path().join("buttonparty")).arg(PROGRAM);
        for library in &self.libraries {
            command.args(["--ro-bind", library, library]);
        }
        // Certificates.
        command.args(["--ro-bind-try", "/etc/ssl/certs", "/etc/ssl/certs"]);
        if data {
            command.arg("--bind").arg(self.data()).arg(DATA);
        }
        command.args(["--remount-ro", "/", "--chdir", "/", PROGRAM, role]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Starts a role and waits until it reports its address.
    pub(super) async fn start(&self, role: &str, environment: &[(String, String)], data: bool) -> Running {
        let game = Game::spawn(self.command(role, environment, data), self.folder.path(), role).await;
        // Outside the sandbox, bwrap waits for its single child.
        let outside = game.pid();
        let children = fs::read_to_string(format!("/proc/{outside}/task/{outside}/children")).unwrap();
        let pid = children.trim().parse().unwrap_or_else(|_| panic!("not one process: {children}"));
        Running { game, pid }
    }
}

impl Running {
    /// Checks that the process has no privileges: it is not root, outside or inside.
    pub(super) fn is_nobody(&self) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name}: {status}")).split_whitespace().collect::<Vec<_>>()
        };
        assert_eq!(of("Name:"), ["buttonparty"], "{status}");
        for id in of("Uid:").into_iter().chain(of("Gid:")) {
            assert_ne!(id, "0", "{status}");
        }
        for set in ["CapEff:", "CapPrm:", "CapBnd:"] {
            assert_eq!(of(set), ["0000000000000000"], "{set} {status}");
        }
        assert_eq!(of("NoNewPrivs:"), ["1"], "{status}");
        assert_eq!(of("NSpid:").last(), Some(&"1"), "{status}");
    }

    /// Sends it SIGTERM.
    pub(super) fn terminate(&self) {
        let status = std::process::Command::new("kill").args(["-s", "TERM", &self.pid.to_string()]).status();
        assert!(status.unwrap().success());
    }
}

/// The files that a binary is linked with.
async fn libraries(binary: &Path) -> Vec<String> {
    let output = Command::new("ldd").arg(binary).output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let paths = text.split_whitespace().filter(|word| word.starts_with('/'));
    paths.map(str::to_owned).collect()
}
