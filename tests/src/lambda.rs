//! A stand-in for AWS Lambda: it starts a function's process, sends it events over the runtime interface (version
//! 2018-06-01), and freezes it between events on request.

mod event;
mod secrets;

use std::collections::HashMap;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as InPath, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{get, post};
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub use self::event::{answer, http_event};
pub use self::secrets::{Mood, Secrets};

/// Timeout of a start and of each response.
const DEADLINE: Duration = Duration::from_secs(30);
/// The function's timeout, sent with each event.
const FUNCTION_MS: u128 = 10_000;
/// The function's memory, in its environment.
const MEMORY_MB: &str = "128";

/// A process's response to an event, or the error that it reported.
pub type Outcome = Result<Value, Value>;

/// A function that did not start.
#[derive(Debug)]
pub struct Ended {
    /// Exit status of the process.
    pub status: ExitStatus,
    /// Log of the process.
    pub log: String,
}

/// A process of the function; killed on drop.
#[derive(Debug)]
pub struct Function {
    child: Child,
    shared: Arc<Shared>,
    events: mpsc::UnboundedSender<(String, Bytes)>,
    server: JoinHandle<()>,
    log: PathBuf,
    init: Duration,
    _folder: TempDir,
}

/// State shared by the runtime interface and the test.
#[derive(Debug)]
struct Shared {
    events: AsyncMutex<mpsc::UnboundedReceiver<(String, Bytes)>>,
    /// Time of the first request for an event, which means that the process has started.
    first_asked: watch::Sender<Option<Instant>>,
    /// Receivers of responses, by request id.
    waiting: Mutex<HashMap<String, oneshot::Sender<Outcome>>>,
}

impl Function {
    /// Starts a process of the function and waits until it asks for its first event.
    ///
    /// # Errors
    /// The exit status and log of the process if it ended instead.
    ///
    /// # Panics
    /// If the process does neither before the timeout.
    pub async fn start(program: &Path, settings: &[(&str, &str)]) -> Result<Self, Ended> {
        let (events, received) = mpsc::unbounded_channel();
        let (first_asked, mut asked) = watch::channel(None);
        let shared = Arc::new(Shared {
            events: AsyncMutex::new(received),
            first_asked,
            waiting: Mutex::new(HashMap::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = interface(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut command = environment(program, address);
        command.envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let begun = instant();
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let started = async {
            tokio::select! {
                biased;
                asked = asked.wait_for(Option::is_some) => Ok(asked.unwrap().unwrap()),
                status = child.wait() => Err(status.unwrap()),
            }
        };
        match timeout(DEADLINE, started).await.unwrap_or_else(|_| panic!("no start: {}", read(&log))) {
            Ok(at) => {
                let init = at.duration_since(begun);
                Ok(Self { child, shared, events, server, log, init, _folder: folder })
            }
            Err(status) => {
                server.abort();
                Err(Ended { status, log: read(&log) })
            }
        }
    }

    /// Time from the start of the process to its first request for an event.
    pub fn init(&self) -> Duration {
        self.init
    }

    /// Sends an event; returns the outcome.
    ///
    /// # Panics
    /// If there is no outcome before the timeout.
    pub async fn invoke(&self, event: &Value) -> Outcome {
        static INVOKED: AtomicU64 = AtomicU64::new(0);
        let id = format!("00000000-0000-4000-8000-{:012x}", INVOKED.fetch_add(1, Ordering::Relaxed));
        let (tell, told) = oneshot::channel();
        self.shared.waiting.lock().unwrap().insert(id.clone(), tell);
        self.events.send((id, Bytes::from(event.to_string()))).unwrap();
        let outcome = timeout(DEADLINE, told).await;
        outcome.unwrap_or_else(|_| panic!("no answer: {}", self.log())).expect("the interface is there")
    }

    /// Peak memory of the process so far, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// Suspends the process, as Lambda does between events, until `thaw`.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Resumes the process.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// Log of the process so far.
    pub fn log(&self) -> String {
        read(&self.log)
    }

    fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&fs::read(log).unwrap()).into_owned()
}

/// A command for the process with a clean environment.
fn environment(program: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("AWS_LAMBDA_RUNTIME_API", address.to_string().as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "fetch"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_MB),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/fetch"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_SESSION_TOKEN", "test"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ]);
    command
}

fn interface(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
        .with_state(shared)
}

async fn next(State(shared): State<Arc<Shared>>) -> Result<(HeaderMap, Bytes), StatusCode> {
    shared.first_asked.send_if_modified(|asked| asked.replace(instant()).is_none());
    let event = shared.events.lock().await.recv().await;
    let (id, body) = event.ok_or(StatusCode::GONE)?;
    let deadline_ms = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis() + FUNCTION_MS;
    let mut headers = HeaderMap::new();
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:fetch";
    for (name, value) in [
        ("content-type", "application/json"),
        ("lambda-runtime-aws-request-id", id.as_str()),
        ("lambda-runtime-deadline-ms", deadline_ms.to_string().as_str()),
        ("lambda-runtime-invoked-function-arn", arn),
        (
            "lambda-runtime-trace-id",
            "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0",
        ),
    ] {
        headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    Ok((headers, body))
}

async fn response(State(shared): State<Arc<Shared>>, InPath(id): InPath<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Ok(serde_json::from_slice(&body).expect("an answer is JSON")))
}

async fn error(State(shared): State<Arc<Shared>>, InPath(id): InPath<String>, body: Bytes) -> StatusCode {
    settle(&shared, &id, Err(serde_json::from_slice(&body).expect("an error is JSON")))
}

fn settle(shared: &Shared, id: &str, outcome: Outcome) -> StatusCode {
    let waiting = shared.waiting.lock().unwrap().remove(id);
    match waiting.map(|waiting| waiting.send(outcome)) {
        Some(_) => StatusCode::ACCEPTED,
        None => StatusCode::BAD_REQUEST, // no such event
    }
}

fn instant() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a process is measured from outside")]
    Instant::now()
}
