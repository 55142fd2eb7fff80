//! PgBouncer in front of a PostgreSQL server.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::postgres::programs::{owner, unprivileged};

/// Path in Debian's package, which is not on every user's PATH.
const PROGRAM: &str = "/usr/sbin/pgbouncer";
/// Timeout of the start.
const DEADLINE: Duration = Duration::from_secs(30);
/// Interval between checks for the start.
const POLL: Duration = Duration::from_millis(10);

/// A pooler on loopback; killed on drop.
#[derive(Debug)]
pub struct Pooler {
    process: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Pooler {
    /// Starts a pooler for all databases of a server, with these settings in addition to Debian's defaults. It accepts
    /// these users, each with a password, and passes their logins on.
    ///
    /// # Panics
    /// If PgBouncer is not installed, or does not start.
    pub async fn start(server: SocketAddr, settings: &[&str], users: &[(&str, &str)]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        let config = format!(
            "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = users.txt\ndefault_pool_size = 50\n{}\n",
            server.ip(),
            server.port(),
            settings.join("\n")
        );
        let users: String =
            users.iter().map(|(user, password)| format!("\"{user}\" \"{password}\"\n")).collect();
        for (name, text) in [("pgbouncer.ini", config), ("users.txt", users)] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let files = ["", "pgbouncer.ini", "users.txt"].map(|name| folder.path().join(name));
        if let Some((user, group)) = owner() {
            files.iter().for_each(|file| chown(file, Some(user), Some(group)).unwrap());
        }
        let mut command = unprivileged(Path::new(PROGRAM), folder.path());
        command.args(["--quiet", "pgbouncer.ini"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let process = command.spawn().expect("setpriv is needed; on Debian: apt-get install util-linux");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut pooler = Self { process, address, _folder: folder };
        let answers = async {
            while TcpStream::connect(address).is_err() {
                let ended = pooler.process.try_wait().unwrap();
                assert!(ended.is_none(), "pgbouncer ended: {ended:?}; on Debian: apt-get install pgbouncer");
                sleep(POLL).await;
            }
        };
        timeout(DEADLINE, answers).await.expect("pgbouncer does not start");
        pooler
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.process.kill().ok(); // it has ended already
        self.process.wait().ok();
    }
}
