//! The SQS servers that the suite runs on, and making queues there.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, atomic::AtomicI64},
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_sqs::{Client, config::Credentials, types::QueueAttributeName as Attribute};
use queue::{AccessKey, Options, Service};
use tokio::{
    net::{TcpListener, TcpStream},
    time::sleep,
};

use crate::fake::Fake;

/// A server that runs while this is held.
pub(crate) enum Server {
    /// In this process, with the clock of the test.
    Fake(Fake),
    /// A process of its own, on loopback, with a clock of its own.
    Process { child: Child, address: String },
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Self::Process { child, .. } = self {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

impl Server {
    pub(crate) async fn fake(clock: &Arc<AtomicI64>) -> Self {
        Self::Fake(Fake::start(Arc::clone(clock)).await)
    }

    /// fauxqs listens on all addresses when it is asked to start; so it is asked for its parts, and listens on
    /// loopback, on a free port, until its input ends.
    pub(crate) fn fauxqs() -> Self {
        let app = fauxqs().unwrap().join("dist/app.js");
        let script = "import(process.argv[1]).then(async ({ buildApp }) =>
            console.log(await buildApp({ logger: false }).listen({ port: 0, host: '127.0.0.1' })));
            process.stdin.resume().on('end', () => process.exit());";
        let mut child = Command::new("node")
            .args(["-e", script])
            .arg(&app)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self::Process { child, address: address.trim().to_owned() }
    }

    /// fakecloud is given a port that was free a moment ago.
    pub(crate) async fn fakecloud() -> Self {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let child = Command::new("fakecloud")
            .args(["--addr", &free.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Owned from here on: a test that gives up ends it.
        let server = Self::Process { child, address: format!("http://{free}") };
        while TcpStream::connect(free).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
        server
    }

    fn address(&self) -> String {
        match self {
            Self::Fake(fake) => fake.address(),
            Self::Process { address, .. } => address.clone(),
        }
    }

    /// The server in this process.
    pub(crate) fn as_fake(&self) -> &Fake {
        match self {
            Self::Fake(fake) => fake,
            Self::Process { .. } => panic!("the server is another process"),
        }
    }

    /// A client as an operator has it.
    pub(crate) async fn client(&self) -> Client {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(self.address())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .retry_config(RetryConfig::disabled());
        Client::new(&config.load().await)
    }

    /// Makes an inbox and its dead-letter queue.
    pub(crate) async fn make(&self, options: &Options) -> Service {
        let client = self.client().await;
        let create = async |name: &str, more: &[(Attribute, &str)]| {
            let mut request = client
                .create_queue()
                .queue_name(name)
                .attributes(Attribute::FifoQueue, "true")
                .attributes(Attribute::DeduplicationScope, "messageGroup")
                .attributes(Attribute::FifoThroughputLimit, "perMessageGroupId")
                .attributes(Attribute::MaximumMessageSize, "1048576");
            for (attribute, value) in more {
                request = request.attributes(attribute.clone(), *value);
            }
            request.send().await.unwrap().queue_url.unwrap()
        };
        let dead_url = create("dead.fifo", &[]).await;
        let dead = client.get_queue_attributes().queue_url(dead_url).attribute_names(Attribute::QueueArn);
        let dead_arn = dead.send().await.unwrap().attributes.unwrap()[&Attribute::QueueArn].clone();
        let policy = serde_json::json!({
            "deadLetterTargetArn": dead_arn, "maxReceiveCount": options.receive_max.to_string(),
        });
        let queue_url = create("inbox.fifo", &[(Attribute::RedrivePolicy, &policy.to_string())]).await;
        self.service(queue_url)
    }

    /// How to get to a queue here.
    pub(crate) fn service(&self, queue_url: String) -> Service {
        Service {
            queue_url,
            endpoint_url: Some(self.address()),
            region: Some("us-east-1".into()),
            access_key: Some(AccessKey { id: "test".into(), secret: "test".into() }),
        }
    }
}

/// The folder of fauxqs 1.9.2: the one that the environment names, or one below the target folder, into which it
/// is installed once.
///
/// # Errors
/// Why it is not there.
pub(crate) fn fauxqs() -> Result<PathBuf, String> {
    #[expect(clippy::disallowed_methods, reason = "the test asks for the tool that it is run with")]
    let named = std::env::var_os("BUTTONPARTY_TEST_FAUXQS");
    if let Some(folder) = named {
        return Ok(folder.into());
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = home.join("fauxqs");
    // Many tests begin at once, each in its own process.
    let lock = File::create(home.join("fauxqs.lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;
    if !folder.exists() {
        let trial = home.join("fauxqs.part");
        fs::create_dir_all(&trial).map_err(|error| error.to_string())?;
        let install = ["install", "--no-audit", "--no-fund", "--ignore-scripts", "fauxqs@1.9.2"];
        let output = Command::new("npm").args(install).arg("--prefix").arg(&trial).output();
        match output {
            Ok(output) if output.status.success() => {}
            _ => return Err(format!("fauxqs cannot be installed with npm: {output:?}")),
        }
        fs::rename(&trial, &folder).map_err(|error| error.to_string())?;
    }
    Ok(folder.join("node_modules/fauxqs"))
}

/// Whether fakecloud is there.
///
/// # Errors
/// Why it cannot be started.
pub(crate) fn fakecloud() -> Result<(), String> {
    match Command::new("fakecloud").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("there is no fakecloud to run: {error}")),
    }
}
