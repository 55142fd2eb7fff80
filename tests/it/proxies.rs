//! A proxy before the game: a real nginx with the setup from its manual. It does not buffer the stream, and does not
//! serve a cached response that is out of date.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Method, Response};
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::place::Stack::Embedded;
use crate::support::{DEADLINE, Game, beside_others, eventually};

/// An nginx before a game; killed on drop.
struct Nginx {
    _child: Child,
    _folder: tempfile::TempDir,
    url: String,
    client: Client,
}

/// Path of nginx: Debian keeps it off the PATH of users; `.ci/test` unpacks it beside the build.
fn program() -> PathBuf {
    let places = [PathBuf::from("/usr/sbin/nginx"), servers::target().join("tmp/nginx/usr/sbin/nginx")];
    let found = places.into_iter().find(|place| place.exists());
    found.expect("nginx is missing: `.ci/test` unpacks it from Debian's package")
}

impl Nginx {
    /// Starts nginx before the game. `/` passes everything on with default settings. `/kept/` caches every response for
    /// ten minutes unless the response forbids it.
    async fn before(game: &Game) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;
             events {{ worker_connections 64; }}
             http {{
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                proxy_cache_path cache keys_zone=kept:1m;
                server {{
                    listen {free};
                    location / {{ proxy_pass {url}; }}
                    location /kept/ {{
                        proxy_pass {url}/;
                        proxy_cache kept;
                        proxy_cache_valid any 10m;
                        add_header X-Kept $upstream_cache_status always;
                    }}
                }}
             }}",
            url = game.url
        );
        std::fs::write(folder.path().join("nginx.conf"), settings).unwrap();
        let mut command = Command::new(program());
        command.arg("-p").arg(folder.path()).args(["-c", "nginx.conf", "-e", "stderr"]);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let client = Client::builder().timeout(2 * DEADLINE).build().unwrap();
        let nginx = Self { _child: child, _folder: folder, url: format!("http://{free}"), client };
        eventually("nginx answers", || async {
            let answered = nginx.client.get(format!("{}/healthz", nginx.url)).send().await;
            answered.is_ok_and(|response| response.status() == 200).then_some(())
        })
        .await;
        nginx
    }

    async fn get(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.url)).send().await.unwrap()
    }

    /// Sends a GET through the cache; returns whether it was a cache hit, the status, and the response.
    async fn kept(&self, path: &str) -> (bool, u16, Value) {
        let response = self.get(&format!("/kept{path}")).await;
        let (had, status) = (response.headers()["x-kept"] == "HIT", response.status().as_u16());
        let text = response.text().await.unwrap();
        (had, status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn live_events_pass_a_bare_nginx_at_once() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    let nginx = Nginx::before(&game).await;
    let response = timeout(DEADLINE, nginx.get("/live")).await.expect("the head of the stream comes at once");
    assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
    let direct = game.request(Method::GET, "/live").send().await.unwrap();
    assert_eq!(direct.headers()["x-accel-buffering"], "no", "this is for nginx, which keeps it to itself");
    let mut stream = response.bytes_stream();
    let mut seen = String::new();
    // Each event is far smaller than the buffer of nginx.
    let mut until = async |wanted: &str| {
        let passed = async {
            while !seen.contains(wanted) {
                seen.push_str(std::str::from_utf8(&stream.next().await.unwrap().unwrap()).unwrap());
            }
        };
        timeout(Duration::from_secs(10), passed).await.unwrap_or_else(|_| panic!("{wanted:?} is held back"));
    };
    until(":").await;
    until("data: []").await;
    game.add("ada").await;
    until("\"username\":\"ada\"").await;
    game.announce_round(100).await;
    until("\"state\":\"open\"").await;
}

#[tokio::test]
async fn a_cache_in_front_keeps_nothing_that_is_over() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    let nginx = Nginx::before(&game).await;
    assert_eq!(nginx.kept("/fetch/self?username=ada").await.1, 404);
    assert_eq!(nginx.kept("/fetch/lb").await.2, serde_json::json!([]));
    game.add("ada").await;
    game.player("ada", |_| true).await;
    // The player was unknown a moment ago; the cache must not repeat that.
    assert_eq!(nginx.kept("/fetch/self?username=ada").await.1, 200);
    let shown = async || (nginx.kept("/fetch/lb").await.2[0]["username"] == "ada").then_some(());
    eventually("the board is no older than a second", shown).await;
    let had = async || nginx.kept("/fetch/lb").await.0.then_some(());
    eventually("the board is answered from the cache within the same second", had).await;
    for path in [
        "/fetch/self?username=ada",
        "/fetch/self?username=bob",
        "/healthz",
        "/readyz",
        "/metrics",
        "/nothing",
        "/fetch/lb?limit=0",
        "/add",
    ] {
        for _ in 0..2 {
            assert!(!nginx.kept(path).await.0, "{path}");
        }
    }
}

#[tokio::test]
async fn every_answer_says_whether_it_may_be_kept() {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(Embedded).await;
    let bearer = ("authorization", "Bearer secret-of-operators");
    let ada = r#"{"username":"ada"}"#;
    let big = "x".repeat(20_000);
    game.add("ada").await;
    game.player("ada", |_| true).await;
    let (get, post) = (Method::GET, Method::POST);
    let kept = "public, max-age=1";
    for (method, path, body, status, expected) in [
        (&post, "/add", ada, 202, "no-store"),
        (&post, "/press", ada, 202, "no-store"),
        (&post, "/powerups", r#"{"username":"ada","powerUpType":"FREEZE","quantity":6}"#, 202, "no-store"),
        (&post, "/press", "{}", 400, "no-store"),
        (&post, "/press", big.as_str(), 413, "no-store"),
        (&get, "/press", "", 405, "no-store"),
        (&get, "/nothing", "", 404, "no-store"),
        (&get, "/fetch/self?username=ada", "", 200, "no-store"),
        (&get, "/fetch/self?username=bob", "", 404, "no-store"),
        (&get, "/fetch/self", "", 400, "no-store"),
        (&get, "/fetch/lb", "", 200, kept),
        (&Method::HEAD, "/fetch/lb", "", 200, kept),
        (&get, "/fetch/lb?limit=x", "", 400, "no-store"),
        (&get, "/healthz", "", 200, "no-store"),
        (&get, "/readyz", "", 200, "no-store"),
        (&get, "/metrics", "", 200, "no-store"),
        (&get, "/live", "", 200, "no-cache, no-transform"),
        (&get, "/", "", 200, "no-cache"),
        (&post, "/admin/rounds", "", 202, "no-store"),
        (&post, "/admin/rounds", "", 409, "no-store"),
    ] {
        let request = game.request(method.clone(), path).header(bearer.0, bearer.1).body(body.to_owned());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        let said: Vec<_> = response.headers().get_all("cache-control").iter().collect();
        assert_eq!(said, [expected], "{method} {path} {status}");
    }
    let refused = game.request(post, "/admin/rounds").send().await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["cache-control"]),
        (401, &"no-store".parse().unwrap())
    );
}
