//! PostgreSQL: one server for each test process, a database for each test.
//!
//! A server is a separate process on loopback, with its data in the system's temporary folder. It ends with the test
//! process, however that ends. Data left behind is removed when the next server starts.

pub(crate) mod programs;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio, id};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, mpsc, oneshot};
use tokio::time::{sleep, timeout};

use self::programs::Programs;

/// The superuser, who creates the databases.
const SUPERUSER: &str = "postgres";
const PASSWORD: &str = "of the superuser";
/// Prefix of the folders of all servers; the id of the test process follows.
const FOLDER: &str = "buttonparty-test-postgres-";
/// Name of a server's log in its folder.
const LOG: &str = "log";
/// Timeout of each step of a server.
const DEADLINE: Duration = Duration::from_secs(60);
/// Interval between checks for a step.
const POLL: Duration = Duration::from_millis(10);
/// Small, for many tests at once, and fully durable: everything is synced.
const SETTINGS: [&str; 11] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=400",
    "shared_buffers=64MB",
    "min_wal_size=64MB",
    "max_wal_size=512MB",
    "max_prepared_transactions=0",
    "max_wal_senders=0",
    "wal_level=minimal",
    "log_checkpoints=off",
    "recovery_init_sync_method=syncfs",
];

/// How a server is shut down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Transactions are rolled back, clients disconnected.
    Fast,
    /// Like a crash: the next start recovers from the WAL.
    Immediate,
}

impl Mode {
    /// The signal for this mode.
    fn signal(self) -> &'static str {
        match self {
            Self::Fast => "INT",
            Self::Immediate => "QUIT",
        }
    }
}

/// The shared server of this process, started at the first call.
///
/// # Panics
/// If PostgreSQL is not installed, or does not start.
pub async fn server() -> &'static Server {
    static SHARED: OnceCell<Server> = OnceCell::const_new();
    SHARED.get_or_init(Server::start).await
}

/// A server; stopped on drop.
#[derive(Debug)]
pub struct Server {
    port: u16,
    log: PathBuf,
    orders: Option<mpsc::UnboundedSender<Order>>,
    keeper: Option<JoinHandle<()>>,
}

/// An order to the keeper thread of a server.
#[derive(Debug)]
enum Order {
    Start(oneshot::Sender<()>),
    Stop(Mode, oneshot::Sender<()>),
    Forget(String),
}

impl Server {
    /// Starts a separate server.
    ///
    /// # Panics
    /// If PostgreSQL is not installed, or does not start.
    pub async fn start() -> Self {
        let port = free_port().await;
        let (orders, received) = mpsc::unbounded_channel();
        let (made, folder) = oneshot::channel();
        // The server ends with the thread that started it, so this thread lives as long as the process.
        let keeper = std::thread::spawn(move || keep(port, made, received));
        let folder: PathBuf = folder.await.expect("PostgreSQL cannot be set up: the reason is above");
        let log = folder.join(LOG);
        let server = Self { port, log, orders: Some(orders), keeper: Some(keeper) };
        server.resume().await;
        server
    }

    /// Starts a stopped server again, with its data, on the same port.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn resume(&self) {
        let (started, answer) = oneshot::channel();
        self.order(Order::Start(started));
        answer.await.expect("PostgreSQL does not start: the reason is above");
    }

    /// Stops the server and waits until it has ended.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn stop(&self, mode: Mode) {
        let (stopped, answer) = oneshot::channel();
        self.order(Order::Stop(mode, stopped));
        answer.await.expect("PostgreSQL does not stop: the reason is above");
    }

    /// Restarts the server.
    ///
    /// # Panics
    /// If it does not stop and start.
    pub async fn restart(&self, mode: Mode) {
        self.stop(mode).await;
        self.resume().await;
    }

    /// Its address.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its log so far.
    ///
    /// # Panics
    /// If the log cannot be read.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Creates an empty database.
    ///
    /// # Panics
    /// If the server does not.
    pub async fn database(&self) -> Database {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let name = format!("test_{}_{}", id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut connection = admin(self.port, "postgres").connect().await.unwrap();
        execute(&mut connection, format!("CREATE DATABASE {name}")).await.unwrap();
        connection.close().await.unwrap();
        let server = self.orders.as_ref().map(mpsc::UnboundedSender::downgrade);
        Database { port: self.port, server, name }
    }

    fn order(&self, order: Order) {
        // Sending fails only after the keeper has ended; the caller then gets no answer and panics.
        self.orders.as_ref().map(|orders| orders.send(order));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.orders = None; // the keeper stops the server and ends
        if let Some(keeper) = self.keeper.take() {
            keeper.join().ok();
        }
    }
}

/// A database of one test; removed on drop if its server still runs.
#[derive(Debug)]
pub struct Database {
    port: u16,
    server: Option<mpsc::WeakUnboundedSender<Order>>,
    name: String,
}

impl Database {
    /// Its URL with the superuser, who is also its owner.
    pub fn url(&self) -> String {
        self.url_as(SUPERUSER, PASSWORD)
    }

    /// Its URL with this role and password.
    pub fn url_as(&self, role: &str, password: &str) -> String {
        let (role, password, port) = (percent(role), percent(password), self.port);
        format!("postgres://{role}:{password}@127.0.0.1:{port}/{}", self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a connection as the superuser.
    ///
    /// # Panics
    /// If the server rejects the connection.
    pub async fn connect(&self) -> PgConnection {
        admin(self.port, &self.name).connect().await.unwrap()
    }

    /// Executes statements as the superuser.
    ///
    /// # Panics
    /// If a statement fails.
    pub async fn execute(&self, statements: &str) {
        let mut connection = self.connect().await;
        execute(&mut connection, statements.to_owned()).await.unwrap();
        connection.close().await.unwrap();
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(server) = self.server.as_ref().and_then(mpsc::WeakUnboundedSender::upgrade) {
            server.send(Order::Forget(std::mem::take(&mut self.name))).ok(); // on failure, the server is gone
        }
    }
}

fn admin(port: u16, database: &str) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username(SUPERUSER)
        .password(PASSWORD)
        .database(database)
        .disable_statement_logging()
}

async fn execute(connection: &mut PgConnection, statements: String) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.map(drop)
}

/// Percent-encodes a text for a URL.
fn percent(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// Runs a server until no handle of it is left. On a panic here the message is printed, and callers get no answer, so
/// the test fails.
fn keep(port: u16, made: oneshot::Sender<PathBuf>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut cluster = Cluster::create(port);
        made.send(cluster.folder.path().to_owned()).ok();
        while let Some(order) = orders.recv().await {
            match order {
                Order::Start(started) => {
                    cluster.start().await;
                    started.send(()).ok();
                }
                Order::Stop(mode, stopped) => {
                    cluster.stop(mode).await;
                    stopped.send(()).ok();
                }
                Order::Forget(database) => cluster.forget(&database).await,
            }
        }
        cluster.stop(Mode::Immediate).await;
    });
}

/// The files of a server, and its process while it runs.
struct Cluster {
    port: u16,
    programs: Programs,
    folder: TempDir,
    process: Option<Child>,
}

impl Cluster {
    fn create(port: u16) -> Self {
        sweep();
        let programs = Programs::find();
        let folder = tempfile::Builder::new().prefix(&format!("{FOLDER}{}-", id())).tempdir().unwrap();
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        if let Some((user, group)) = programs.owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
            chown(&password, Some(user), Some(group)).unwrap();
        }
        // The default collation is linguistic: SQL that needs byte order must say so.
        let made = programs
            .command("initdb", folder.path())
            .args(["--encoding=UTF8", "--locale-provider=icu", "--icu-locale=en", "--locale=C", "--no-sync"])
            .args(["--auth=scram-sha-256", &format!("--username={SUPERUSER}")])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", folder.path().join("data").display()))
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        Self { port, programs, folder, process: None }
    }

    /// Starts the server, and waits until it accepts connections.
    async fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let log = self.folder.path().join(LOG);
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let mut server = self.programs.command("postgres", self.folder.path());
        server.arg("-D").arg(self.folder.path().join("data")).args(["-p", &self.port.to_string()]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        self.process = Some(server.spawn().unwrap());
        let ready = async {
            loop {
                if let Ok(connection) = admin(self.port, "postgres").connect().await {
                    return connection.close().await.is_ok();
                }
                if self.ended().is_some() {
                    return false;
                }
                sleep(POLL).await;
            }
        };
        let ready = timeout(DEADLINE, ready).await;
        assert!(matches!(ready, Ok(true)), "{}", fs::read_to_string(log).unwrap());
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().and_then(|process| process.try_wait().unwrap())
    }

    async fn stop(&mut self, mode: Mode) {
        let Some(process) = &self.process else { return };
        let pid = process.id().to_string();
        let told = Command::new("kill").args(["-s", mode.signal(), &pid]).status().unwrap();
        assert!(told.success() || self.ended().is_some(), "kill: {told}");
        let ended = async {
            while self.ended().is_none() {
                sleep(POLL).await;
            }
        };
        timeout(DEADLINE, ended).await.expect("the server does not end");
        self.process = None;
    }

    /// Drops a database, even with open connections. On failure, it is removed with the server.
    async fn forget(&self, database: &str) {
        if self.process.is_none() {
            return;
        }
        if let Ok(mut connection) = admin(self.port, "postgres").connect().await {
            execute(&mut connection, format!("DROP DATABASE {database} WITH (FORCE)")).await.ok();
            connection.close().await.ok();
        }
    }
}

/// Removes the folders of processes that have ended.
fn sweep() {
    for entry in fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(FOLDER)?.split('-').next());
        if process.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            fs::remove_dir_all(entry.path()).ok(); // another process may remove it too
        }
    }
}
