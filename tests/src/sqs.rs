//! Servers that implement the SQS protocol, and queues on them.
//!
//! Each server keeps its queues in memory only, and loses them when it stops. So no test stops one: a test that needs
//! an outage connects through a [`proxy`](crate::proxy). A queue's URL is only a name; the server's address must be
//! configured too.

use std::{
    collections::HashMap,
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_sqs::{Client, config::Credentials, types::QueueAttributeName as Attribute};

/// The newest version that runs on Node 20.
const FAUXQS: &str = "1.9.2";
/// The oldest Node that it runs on.
const NODE_MAJOR_MIN: u32 = 20;
/// The Node version that is installed if the system has none.
const NODE: &str = "22.23.3";

/// Region of every queue; the value does not matter.
pub const REGION: &str = "us-east-1";

/// Id and secret of the key that signs requests; the value does not matter.
pub const KEY: &str = "test";

/// A server in its own process on loopback. It ends with this process, however that ends.
#[derive(Debug)]
pub struct Server {
    address: String,
}

/// Options of a queue.
#[derive(Copy, Clone, Debug)]
pub struct QueueOptions {
    /// Maximum number of receives before a message goes to the dead-letter queue.
    pub receive_max: u32,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { receive_max: 1000 }
    }
}

/// A new inbox.
#[derive(Clone, Debug)]
pub struct Made {
    /// The URL of the queue.
    pub queue_url: String,
    /// The URL of its dead-letter queue.
    pub dead_letter_url: String,
}

/// The fast server, fauxqs: one for this process, installed with npm if missing. Unlike SQS, it delivers one message of
/// a group at a time, rejects characters beyond the basic plane, and deduplicates by queue, for at most ten thousand
/// ids.
pub fn server() -> &'static Server {
    // An error is kept too, so that not every test runs npm again.
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(fauxqs).as_ref().unwrap_or_else(|error| panic!("there is no SQS server: {error}"))
}

/// The strict server, fakecloud: one for this process. It limits a request to 256 KiB, attributes included.
///
/// # Errors
/// If its binary is missing.
pub fn strict() -> Result<&'static Server, String> {
    static SERVER: OnceLock<Result<Server, String>> = OnceLock::new();
    SERVER.get_or_init(fakecloud).as_ref().map_err(Clone::clone)
}

impl Server {
    /// The value for `AWS_ENDPOINT_URL`: `http://127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Creates an inbox and its dead-letter queue, with unique names that begin with this prefix.
    pub async fn make(&self, name_prefix: &str, options: QueueOptions) -> Made {
        make(&self.address, name_prefix, options).await
    }

    /// Deletes a queue and creates it again with the same name and attributes, but without messages.
    pub async fn make_anew(&self, name: &str) {
        const SET_UP: [Attribute; 5] = [
            Attribute::FifoQueue,
            Attribute::DeduplicationScope,
            Attribute::FifoThroughputLimit,
            Attribute::MaximumMessageSize,
            Attribute::RedrivePolicy,
        ];
        let client = self.client().await;
        let url = Box::pin(client.get_queue_url().queue_name(name).send()).await.unwrap().queue_url.unwrap();
        let attributes = async || {
            let asked = client.get_queue_attributes().queue_url(&url).attribute_names(Attribute::All);
            Box::pin(asked.send()).await.unwrap().attributes.unwrap()
        };
        let before = attributes().await;
        let set_up: HashMap<_, _> = before
            .iter()
            .filter(|(name, _)| SET_UP.contains(name))
            .map(|of| (of.0.clone(), of.1.clone()))
            .collect();
        // The creation time, in seconds, distinguishes it from the previous queue.
        while attributes().await[&Attribute::CreatedTimestamp] == before[&Attribute::CreatedTimestamp] {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Box::pin(client.delete_queue().queue_url(&url).send()).await.unwrap();
            let create = client.create_queue().queue_name(name).set_attributes(Some(set_up.clone()));
            Box::pin(create.send()).await.unwrap();
        }
    }

    /// An SQS client, as an operator would use.
    pub async fn client(&self) -> Client {
        client(&self.address).await
    }
}

/// A client for any server with the SQS protocol. It does not retry.
pub async fn client(address: &str) -> Client {
    let config = aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(address)
        .region(Region::from_static(REGION))
        .credentials_provider(Credentials::new(KEY, KEY, None, None, "test"))
        .retry_config(RetryConfig::disabled());
    Client::new(&Box::pin(config.load()).await)
}

/// Creates an inbox and its dead-letter queue on any server with the SQS protocol.
pub async fn make(address: &str, name_prefix: &str, options: QueueOptions) -> Made {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let client = client(address).await;
    let create = async |name: String, policy: Option<String>| {
        let request = client
            .create_queue()
            .queue_name(name)
            .attributes(Attribute::FifoQueue, "true")
            .attributes(Attribute::DeduplicationScope, "messageGroup")
            .attributes(Attribute::FifoThroughputLimit, "perMessageGroupId")
            .attributes(Attribute::MaximumMessageSize, "1048576");
        let request = match policy {
            Some(policy) => request.attributes(Attribute::RedrivePolicy, policy),
            None => request,
        };
        Box::pin(request.send()).await.unwrap().queue_url.unwrap()
    };
    let dead_letter_url = create(format!("{name_prefix}-{number}-dead.fifo"), None).await;
    let dead = client.get_queue_attributes().queue_url(&dead_letter_url).attribute_names(Attribute::QueueArn);
    let dead_arn = Box::pin(dead.send()).await.unwrap().attributes.unwrap()[&Attribute::QueueArn].clone();
    let policy = serde_json::json!({
        "deadLetterTargetArn": dead_arn, "maxReceiveCount": options.receive_max.to_string(),
    });
    let queue_url = create(format!("{name_prefix}-{number}.fifo"), Some(policy.to_string())).await;
    Made { queue_url, dead_letter_url }
}

/// Starts fauxqs from its parts, on a free port of loopback: its own start function listens on all addresses.
fn fauxqs() -> Result<Server, String> {
    let folder = installed()?;
    let app = folder.join("node_modules/fauxqs/dist/app.js");
    let script = "import(process.argv[1]).then(async ({ buildApp }) =>
        console.log(await buildApp({ logger: false }).listen({ port: 0, host: '127.0.0.1' })))";
    let own = node_package().map(|(package, _)| folder.join("node_modules").join(package).join("bin/node"));
    let mut command = bound(own.as_deref().unwrap_or(Path::new("node")));
    command.args(["-e", script]).arg(app).stdout(Stdio::piped());
    let (output, _) = spawn(command);
    let mut address = String::new();
    BufReader::new(output.unwrap()).read_line(&mut address).unwrap();
    if !address.starts_with("http://127.0.0.1:") {
        return Err(format!("fauxqs does not start: {address:?}"));
    }
    Ok(Server { address: address.trim().to_owned() })
}

/// Starts fakecloud on a port that was free a moment ago.
fn fakecloud() -> Result<Server, String> {
    let asked =
        Command::new("fakecloud").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.map_err(|error| format!("there is no fakecloud to run: {error}"))?;
    let free: SocketAddr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = bound(Path::new("fakecloud"));
    command.args(["--addr", &free.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
    let (_, running) = spawn(command);
    while TcpStream::connect(free).is_err() {
        assert!(!running.is_finished(), "fakecloud ended");
        thread::park_timeout(Duration::from_millis(20));
    }
    Ok(Server { address: format!("http://{free}") })
}

/// A command whose process is killed when the thread that starts it ends.
fn bound(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).arg(program).stdin(Stdio::null());
    command
}

/// Starts a command on a thread that lives as long as its process; returns its standard output, and the thread.
fn spawn(mut command: Command) -> (Option<ChildStdout>, JoinHandle<()>) {
    let (tell, told) = mpsc::channel();
    let running = thread::spawn(move || {
        let mut child = command.spawn().expect("setpriv (of util-linux) runs");
        tell.send(child.stdout.take()).unwrap();
        child.wait().unwrap();
    });
    (told.recv().unwrap(), running)
}

/// The folder with the npm packages, below the target folder. Installs them if needed.
fn installed() -> Result<PathBuf, String> {
    let home = crate::target().join("tmp");
    fs::create_dir_all(&home).unwrap();
    // Several test processes may start at once.
    let lock = File::create(home.join("fauxqs.lock")).unwrap();
    lock.lock().unwrap();
    let folder = home.join("fauxqs");
    let node = node_package();
    let packages = [Some(("fauxqs".to_owned(), FAUXQS)), node];
    let packages: Vec<_> = packages.into_iter().flatten().collect();
    let there = |(name, version): &(String, &str)| is_right(&folder.join("node_modules").join(name), version);
    if !packages.iter().all(there) {
        let trial = home.join("fauxqs.part");
        for old in [&trial, &folder].into_iter().filter(|folder| folder.exists()) {
            fs::remove_dir_all(old).unwrap();
        }
        fs::create_dir_all(&trial).unwrap();
        let names = packages.iter().map(|(name, version)| format!("{name}@{version}"));
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "--force", "--prefix"];
        let output = Command::new("npm").args(install).arg(&trial).args(names).output().expect("npm runs");
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!("npm cannot install fauxqs {FAUXQS} ({}): {said}", output.status));
        }
        fs::rename(&trial, &folder).unwrap();
    }
    Ok(folder)
}

/// The npm package with Node, if the system's is missing or too old, as in Debian 12.
fn node_package() -> Option<(String, &'static str)> {
    let said = Command::new("node").arg("--version").output().map(|output| output.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).into_owned();
    let major = said.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    let architecture = if env::consts::ARCH == "aarch64" { "arm64" } else { "x64" };
    major.is_none_or(|major| major < NODE_MAJOR_MIN).then(|| (format!("node-linux-{architecture}"), NODE))
}

/// Whether this version of the package is installed.
fn is_right(package: &Path, version: &str) -> bool {
    let text = fs::read(package.join("package.json")).unwrap_or_default();
    let found = serde_json::from_slice::<serde_json::Value>(&text).unwrap_or_default();
    found["version"] == version
}
