//! Redis: one server for each test process, a database for each test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

/// Databases of one server.
const DATABASES: u32 = 4_096;
/// How long one try to speak to a server that starts may take.
const TRY_MS: u64 = 100;
/// Ports that are tried before starting is given up: one that was free may be taken by the time it is used.
const PORTS_TRIED_MAX: usize = 10;

/// A Redis server on loopback that keeps nothing on disk.
#[derive(Debug)]
pub struct Server {
    child: Mutex<Child>,
    port: u16,
    databases: AtomicU32,
}

/// The server of this test process: started when it is first asked for, ended with the process.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// A server of its own, which ends when it is dropped, or with the process.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with these environment variables.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        for _ in 0..PORTS_TRIED_MAX {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            if let Some(child) = run(port, environment) {
                return Self { child: Mutex::new(child), port, databases: AtomicU32::new(0) };
            }
        }
        panic!("redis-server does not start (on Debian: apt-get install redis-server)");
    }

    /// The URL of a database that no other test of this process uses.
    pub fn url(&self) -> String {
        let database = self.databases.fetch_add(1, Ordering::Relaxed);
        assert!(database < DATABASES, "no databases are left");
        format!("redis://{}/{database}", self.address())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Ends it hard and starts it again, empty, where it was.
    pub fn restart(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        *child = run(self.port, &[]).expect("its port is free again");
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

/// Starts a server and waits until it answers; `None` when it ended instead.
fn run(port: u16, environment: &[(&str, &str)]) -> Option<Child> {
    let (port, databases) = (port.to_string(), DATABASES.to_string());
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "redis-server", "--bind", "127.0.0.1", "--port", &port])
        .args(["--save", "", "--appendonly", "no", "--databases", &databases])
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = spawn_for_life(command);
    while child.try_wait().unwrap().is_none() {
        if answers(&port) {
            return Some(child);
        }
        thread::yield_now();
    }
    None
}

/// Whether it is this server, ready to serve, that listens there.
fn answers(port: &str) -> bool {
    let ping = || {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        stream.set_read_timeout(Some(Duration::from_millis(TRY_MS)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 7];
        stream.read_exact(&mut answer)?;
        std::io::Result::Ok(answer == *b"+PONG\r\n")
    };
    ping().unwrap_or_default()
}

/// Spawns from a thread that lives as long as the process: `setpriv --pdeathsig` is about the spawning thread, and that
/// of a test ends with the test.
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
