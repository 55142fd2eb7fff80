//! A cluster of one node that has all slots, uses TLS, and rejects the commands that a managed cluster rejects.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::{TRY_MS, ask, free_port};

/// The variable with the folder of a certificate; if it is set, all servers of a process are clusters.
const VARIABLE: &str = "TESTS_REDIS_CERTIFICATE";
/// Commands that ElastiCache Serverless rejects. `TIME` is allowed, but not in a script.
const FORBIDDEN: [&str; 18] = [
    "-time",
    "-select",
    "-keys",
    "-wait",
    "-acl",
    "-bgrewriteaof",
    "-bgsave",
    "-config",
    "-debug",
    "-migrate",
    "-module",
    "-monitor",
    "-psync",
    "-replicaof",
    "-save",
    "-shutdown",
    "-slaveof",
    "-sync",
];
/// Interval between checks of a starting server.
const PAUSE: Duration = Duration::from_millis(20);

/// A self-signed certificate for 127.0.0.1 with its key, in a temporary folder.
#[derive(Debug)]
pub struct Certificate(TempDir);

impl Certificate {
    /// Makes a certificate.
    ///
    /// # Panics
    /// If it cannot be written.
    pub fn make() -> Self {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(certificate(folder.path()), made.cert.pem()).unwrap();
        std::fs::write(key(folder.path()), made.signing_key.serialize_pem()).unwrap();
        Self(folder)
    }

    pub(super) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The environment variable that makes a process trust it.
    pub fn trust(&self) -> (&'static str, PathBuf) {
        ("SSL_CERT_FILE", certificate(self.folder()))
    }

    /// The environment variable that makes all servers of a test process clusters with this certificate.
    pub fn use_in_clusters(&self) -> (&'static str, PathBuf) {
        (VARIABLE, self.folder().to_owned())
    }
}

fn certificate(folder: &Path) -> PathBuf {
    folder.join("certificate.pem")
}

fn key(folder: &Path) -> PathBuf {
    folder.join("key.pem")
}

/// Folder of the certificate, if all servers of this process are clusters.
pub fn in_clusters() -> Option<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "a test process is told by the one that starts it")]
    std::env::var_os(VARIABLE).map(PathBuf::from)
}

/// Configuration of a node.
#[derive(Debug)]
pub(super) struct Node {
    folder: PathBuf,
    port: u16,
    bus_port: u16,
}

impl Node {
    pub(super) fn new(folder: &Path, port: u16) -> Self {
        Self { folder: folder.to_owned(), port, bus_port: free_port() }
    }

    pub(super) fn arguments(&self) -> Vec<String> {
        let file = |path: PathBuf| path.display().to_string();
        let (nodes, socket) = (self.folder.join(format!("nodes-{}", self.port)), self.socket());
        let settings = [
            ("--port", "0".to_owned()),
            ("--tls-port", self.port.to_string()),
            ("--tls-cert-file", file(certificate(&self.folder))),
            ("--tls-key-file", file(key(&self.folder))),
            ("--tls-auth-clients", "no".to_owned()),
            ("--cluster-enabled", "yes".to_owned()),
            ("--cluster-config-file", file(nodes)),
            ("--cluster-port", self.bus_port.to_string()),
            ("--unixsocket", file(socket)),
        ];
        let settings = settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]);
        let user = ["--user", "default", "on", "nopass", "~*", "&*", "+@all"].into_iter().chain(FORBIDDEN);
        settings.chain(user.map(str::to_owned)).collect()
    }

    fn socket(&self) -> PathBuf {
        self.folder.join(format!("socket-{}", self.port))
    }

    fn ask(&self, command: &str, text: &str) -> bool {
        let stream = UnixStream::connect(self.socket()).and_then(|stream| {
            stream.set_read_timeout(Some(Duration::from_millis(TRY_MS)))?;
            Ok(stream)
        });
        stream.and_then(|stream| ask(stream, command, text)).unwrap_or_default()
    }

    /// Whether the node serves all slots. A new node needs two seconds for that, a restarted node none.
    pub(super) fn is_up(&self) -> bool {
        self.ask("CLUSTER ADDSLOTSRANGE 0 16383", "OK");
        let is_up = self.ask("CLUSTER INFO", "cluster_state:ok");
        if !is_up {
            thread::park_timeout(PAUSE);
        }
        is_up
    }

    /// Closes all connections and deletes all data.
    pub(super) fn clear(&self) {
        for kind in ["normal", "pubsub"] {
            self.ask(&format!("CLIENT KILL TYPE {kind}"), ":");
        }
        let cleared = (0..100).any(|_| self.ask("FLUSHALL", "OK"));
        assert!(cleared, "the server does not answer");
    }
}
