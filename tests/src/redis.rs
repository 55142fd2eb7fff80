//! Redis: one server for each test process, a database for each test. With an environment variable set, each database
//! is a separate server instead: a cluster of one node over TLS.

mod cluster;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use self::cluster::Node;
pub use self::cluster::{Certificate, in_clusters};

/// Number of databases of a server.
const DATABASES: u32 = 4_096;
/// Timeout of one attempt to reach a starting server.
const TRY_MS: u64 = 100;
/// Maximum number of ports to try: a free port may be taken before it is used.
const PORTS_TRIED_MAX: usize = 10;

/// A Redis server on loopback without persistence.
#[derive(Debug)]
pub struct Server {
    child: Mutex<Child>,
    port: u16,
    databases: AtomicU32,
    /// `None` for a server without cluster mode and TLS.
    node: Option<Node>,
}

/// The shared server of this test process, started at the first call.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// A separate server; stops on drop, or with the process.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Like [`start`](Self::start), with these environment variables.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        match in_clusters() {
            None => Self::start_as(environment, |_| None),
            Some(folder) => Self::start_as(environment, |port| Some(Node::new(&folder, port))),
        }
    }

    /// A cluster of one node that accepts only TLS, with this certificate.
    pub fn start_cluster(certificate: &Certificate) -> Self {
        Self::start_as(&[], |port| Some(Node::new(certificate.folder(), port)))
    }

    fn start_as(environment: &[(&str, &str)], node: impl Fn(u16) -> Option<Node>) -> Self {
        for _ in 0..PORTS_TRIED_MAX {
            let port = free_port();
            let node = node(port);
            if let Some(child) = run(port, node.as_ref(), environment) {
                return Self { child: Mutex::new(child), port, databases: AtomicU32::new(0), node };
            }
        }
        panic!("redis-server does not start (on Debian: apt-get install redis-server)");
    }

    /// The URL of a database that no other test of this process uses.
    pub fn url(&self) -> String {
        let database = self.databases.fetch_add(1, Ordering::Relaxed);
        if self.node.is_some() {
            assert_eq!(database, 0, "a cluster has one database");
            return format!("rediss://{}", self.address());
        }
        assert!(database < DATABASES, "no databases are left");
        format!("redis://{}/{database}", self.address())
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Kills the server and starts it again, empty, on the same port.
    pub fn restart(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *child = run(self.port, self.node.as_ref(), &[]).expect("its port is free again");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// A database of one test; released on drop.
#[derive(Debug)]
pub struct Database {
    url: String,
    address: SocketAddr,
    /// Set if the database has a server of its own.
    server: Option<Server>,
}

/// Clusters that are not in use.
static FREE: Mutex<Vec<Server>> = Mutex::new(Vec::new());

/// An empty database.
pub fn database() -> Database {
    if in_clusters().is_none() {
        let server = server();
        return Database { url: server.url(), address: server.address(), server: None };
    }
    let free = FREE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let server = free.unwrap_or_else(Server::start);
    if let Some(node) = &server.node {
        node.clear();
    }
    server.databases.store(0, Ordering::Relaxed);
    Database { url: server.url(), address: server.address(), server: Some(server) }
}

impl Database {
    /// Its URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Address of its server.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.server.take());
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server and waits until it answers; `None` if it ended instead.
fn run(port: u16, node: Option<&Node>, environment: &[(&str, &str)]) -> Option<Child> {
    let databases = DATABASES.to_string();
    let mut command = Command::new("setpriv");
    command
        .args([
            "--pdeathsig",
            "KILL",
            "redis-server",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ])
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    match node {
        None => command.args(["--port", &port.to_string(), "--databases", &databases]),
        Some(node) => command.args(node.arguments()),
    };
    let mut child = spawn_for_life(command);
    while child.try_wait().unwrap().is_none() {
        if node.map_or_else(|| answers(port), Node::is_up) {
            return Some(child);
        }
        thread::yield_now();
    }
    None
}

/// Whether this server listens on the port and is ready.
fn answers(port: u16) -> bool {
    let stream = TcpStream::connect(("127.0.0.1", port)).and_then(|stream| {
        stream.set_read_timeout(Some(Duration::from_millis(TRY_MS)))?;
        Ok(stream)
    });
    stream.and_then(|stream| ask(stream, "PING", "PONG")).unwrap_or_default()
}

/// Whether the response to this command has this text in its first bytes.
fn ask(mut stream: impl Read + Write, command: &str, text: &str) -> std::io::Result<bool> {
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = [0; 64];
    let read = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..read]).contains(text))
}

/// Spawns from a thread that lives as long as the process: `setpriv --pdeathsig` refers to the spawning thread, and a
/// test's thread ends with the test.
fn spawn_for_life(command: Command) -> Child {
    type Order = (Command, mpsc::Sender<std::io::Result<Child>>);
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (orders, todo) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, done) in todo {
                done.send(command.spawn()).ok();
            }
        });
        orders
    });
    let (done, spawned) = mpsc::channel();
    spawner.send((command, done)).unwrap();
    spawned.recv().unwrap().expect("setpriv is there (on Debian: util-linux)")
}
