//! Runs the real binary, and sends requests like phones and operators.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::time::{sleep, timeout};

use crate::place::{Place, Stack};

/// How long a test waits for a state before it fails. Long, because only a failing test waits for all of it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// Rounds that only operators open, short enough for many in a row. A round lasts 2 s, or 10 s for a player with the
/// largest extender.
pub(crate) const BY_HAND: [(&str, &str); 5] = [
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "1000"),
    ("GRACE_MS", "1000"),
    ("ROUND_GAP_MS", "10001"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];

/// The binary under test, built by the same cargo command as this test.
pub(crate) fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("buttonparty");
    assert!(binary.exists(), "{} is missing: run `cargo build --workspace` first", binary.display());
    binary
}

/// A tool from PyPI, installed by `.ci/test`.
pub(crate) fn tool(name: &str) -> PathBuf {
    let tool = servers::target().join("tmp/python/bin").join(name);
    assert!(tool.exists(), "{name} is missing: `.ci/test` installs it into {}", tool.display());
    tool
}

/// Selects the duration or size of a test: with `FULL=1 .ci/test` the whole, which takes minutes, otherwise the short
/// form.
pub(crate) fn full<T>(whole: T, short: T) -> T {
    #[expect(clippy::disallowed_methods, reason = "whoever starts the tests says how long they may last")]
    let is_full = std::env::var_os("FULL").is_some_and(|value| value == "1");
    if is_full { whole } else { short }
}

static LOAD: OnceLock<RwLock<()>> = OnceLock::new();

/// Held by tests that a busy machine would disturb. Tests that keep the machine busy wait for them.
pub(crate) async fn beside_others() -> RwLockReadGuard<'static, ()> {
    LOAD.get_or_init(RwLock::default).read().await
}

/// Held by tests that keep the machine busy: one at a time, and no other test beside it. `.ci/test` runs several processes
/// of tests beside each other and these after all the others, so it must know them. The lints of `.ci/run` may still be
/// at work then, at idle priority: they get what the test leaves of the processors.
pub(crate) async fn alone() -> RwLockWriteGuard<'static, ()> {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or_default();
    // A parameterized test has one name per value.
    let is_listed = include_str!("alone.txt").lines().any(|listed| {
        test.strip_prefix(listed).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    assert!(is_listed, "add {test} to tests/it/alone.txt");
    LOAD.get_or_init(RwLock::default).write().await
}

/// Waits until `check` returns a value.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, check: impl FnMut() -> F) -> T {
    eventually_within(DEADLINE, what, check).await
}

/// Waits at most this long until `check` returns a value.
pub(crate) async fn eventually_within<T, F: Future<Output = Option<T>>>(
    deadline: Duration,
    what: &str,
    mut check: impl FnMut() -> F,
) -> T {
    let found = timeout(deadline, async {
        loop {
            if let Some(found) = check().await {
                return found;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("not within {deadline:?}: {what}"))
}

/// A process of the binary; killed on drop.
pub(crate) struct Game {
    child: Child,
    /// The URL of its HTTP server, such as `http://127.0.0.1:40123`.
    pub(crate) url: String,
    /// The file with its standard error.
    pub(crate) log: PathBuf,
    client: reqwest::Client,
}

/// A command of the binary with these settings, for the game at this place.
pub(crate) fn command(place: &Place, args: &[&str], settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(args)
        .envs(place.environment(args.first().unwrap_or(&"")))
        .env("BUTTONPARTY_LISTEN", "127.0.0.1:0");
    for (name, value) in settings {
        command.env(format!("BUTTONPARTY_{name}"), value);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Makes a command listen on a free port.
fn listening(mut command: Command) -> (Command, SocketAddr) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    command.env("BUTTONPARTY_LISTEN", free.to_string());
    (command, free)
}

/// Starts a command that appends its standard error to a log in this folder.
fn spawn_logged(mut command: Command, folder: &Path, name: &str) -> (Child, PathBuf) {
    let log = folder.join(format!("{name}.log"));
    std::fs::create_dir_all(folder).unwrap();
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
    (command.stderr(file).spawn().unwrap(), log)
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().timeout(DEADLINE).build().unwrap()
}

/// Runs a command that ends by itself, such as `verify`.
pub(crate) async fn run(place: &Place, args: &[&str], settings: &[(&str, &str)]) -> Output {
    let output = command(place, args, settings).output();
    timeout(DEADLINE, output).await.expect("the command ends in time").unwrap()
}

impl Game {
    /// Starts a role and waits until it reports its address.
    pub(crate) async fn start(place: &Place, role: &str, settings: &[(&str, &str)]) -> Self {
        place.prepare(role, settings).await;
        Self::spawn(command(place, &[role], settings), place.folder(), role).await
    }

    /// Starts `all` at a new place, with rounds that only operators open.
    pub(crate) async fn by_hand(stack: Stack) -> (Place, Self) {
        let place = Place::new(stack).await;
        let game = Self::start(&place, "all", &with_auth(&BY_HAND)).await;
        (place, game)
    }

    /// Starts a role that may have to wait for a dependency, and waits until it answers requests.
    pub(crate) async fn begin(place: &Place, role: &str, settings: &[(&str, &str)]) -> Self {
        let (mut command, address) = listening(command(place, &[role], settings));
        command.stdout(Stdio::null());
        let (child, log) = spawn_logged(command, place.folder(), role);
        Self { child, url: format!("http://{address}"), log, client: client() }.answering().await
    }

    /// Starts a command without a log file, and waits until it answers requests.
    pub(crate) async fn start_quiet(command: Command) -> Self {
        let (mut command, address) = listening(command);
        let child = command.spawn().unwrap();
        let url = format!("http://{address}");
        Self { child, url, log: PathBuf::new(), client: client() }.answering().await
    }

    /// Its standard error, which must be a pipe.
    pub(crate) fn take_stderr(&mut self) -> ChildStderr {
        self.child.stderr.take().expect("it is piped")
    }

    async fn answering(self) -> Self {
        let game = self;
        let answers = async || game.client.get(format!("{}/healthz", game.url)).send().await.ok().map(drop);
        eventually("it answers", answers).await;
        game
    }

    /// Starts a prepared command, and waits until it reports its address. Its log is in this folder.
    pub(crate) async fn spawn(mut command: Command, folder: &Path, name: &str) -> Self {
        command.stdout(Stdio::piped());
        let (mut child, log) = spawn_logged(command, folder, name);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = timeout(DEADLINE, lines.next_line()).await.expect("it starts in time").unwrap();
        let first =
            first.unwrap_or_else(|| panic!("it did not start: {}", std::fs::read_to_string(&log).unwrap()));
        let url = first.split_whitespace().last().unwrap().to_owned();
        assert!(url.starts_with("http://127.0.0.1:"), "{first}");
        Self { child, url, log, client: client() }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends it a signal by name, such as `TERM` or `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let status = std::process::Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Kills the process, like a power cut, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends SIGTERM, and waits until the process has ended.
    pub(crate) async fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        timeout(Duration::from_secs(15), self.child.wait()).await.expect("it stops in time").unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) async fn wait(mut self) -> ExitStatus {
        timeout(DEADLINE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    /// Sends this body; returns the status and the JSON of the response.
    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> (u16, Value) {
        answer(self.client.post(format!("{}{path}", self.url)).body(body)).await
    }

    /// Sends a prepared request.
    pub(crate) fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Sends a GET; returns the status and the JSON of the response.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.client.get(format!("{}{path}", self.url))).await
    }

    /// The metrics as text.
    pub(crate) async fn metrics(&self) -> String {
        self.client.get(format!("{}/metrics", self.url)).send().await.unwrap().text().await.unwrap()
    }

    /// The sum of all series whose line begins with this, such as `buttonparty_buried_total`.
    pub(crate) async fn metric(&self, begins_with: &str) -> f64 {
        let text = self.metrics().await;
        let lines = text.lines().filter(|line| line.starts_with(begins_with));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Adds a player; returns when the add is durable.
    pub(crate) async fn add(&self, username: &str) {
        let (status, body) = self.post("/add", serde_json::json!({ "username": username }).to_string()).await;
        assert_eq!(status, 202, "{body}");
    }

    /// Sends a press; returns the body of the 202.
    pub(crate) async fn press(&self, username: &str) -> Value {
        let (status, body) =
            self.post("/press", serde_json::json!({ "username": username }).to_string()).await;
        assert_eq!(status, 202, "{body}");
        body
    }

    /// Opens a round as an operator, as soon as allowed; returns it once it is open.
    pub(crate) async fn open_round(&self) -> Value {
        let round = self.announce_round(100).await;
        self.wait_until(round["opens_at"].as_i64().unwrap()).await;
        round
    }

    /// Announces a round as an operator once no other round is in the way; it opens after the lead.
    pub(crate) async fn announce_round(&self, lead_ms: i64) -> Value {
        eventually("a round can be announced", || async {
            let request =
                self.request(reqwest::Method::POST, "/admin/rounds").bearer_auth("secret-of-operators");
            let (status, body) = answer(request.json(&serde_json::json!({ "lead_ms": lead_ms }))).await;
            assert!(matches!(status, 202 | 409), "{status} {body}");
            (status == 202).then_some(body)
        })
        .await
    }

    /// Waits until the server's clock shows this time, in Unix milliseconds.
    pub(crate) async fn wait_until(&self, at_ms: i64) {
        eventually("the time comes", || async move { (now_ms() >= at_ms).then_some(()) }).await;
    }

    /// The response of `/fetch/self` for a player, once `check` holds for it.
    pub(crate) async fn player(&self, username: &str, check: impl Fn(&Value) -> bool) -> Value {
        let check = &check;
        eventually(&format!("the state of {username}"), || async move {
            let (status, body) = self.get(&format!("/fetch/self?username={username}")).await;
            (status == 200 && check(&body)).then_some(body)
        })
        .await
    }

    /// Sends a press, and returns the player's state with its outcome.
    pub(crate) async fn press_and_see(&self, username: &str) -> Value {
        let arrived_at = self.press(username).await["arrived_at"].as_i64().unwrap();
        self.player(username, |body| body["last_press"]["arrived_at"].as_i64() >= Some(arrived_at)).await
    }
}

/// Time of this machine, and so of the server, in Unix milliseconds.
pub(crate) fn now_ms() -> i64 {
    engine::clock::Clock::System.now_ms()
}

/// The text as a query value, with every byte percent-encoded.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Adds the setting AUTH that `all` and `ingest` require.
pub(crate) fn with_auth<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    settings.iter().copied().chain([("AUTH", "open")]).collect()
}

/// The status and the JSON of a response; `null` for an empty body.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
}
