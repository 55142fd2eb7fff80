//! What phones and others send that is wrong: refused with the field and the reason, and nothing enqueued.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::{BY_HAND, DEADLINE, Game, beside_others, encoded, eventually, inbox, store, with_auth};

/// A request that must be refused.
struct Wrong {
    method: Method,
    path: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

impl Wrong {
    fn post(path: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { method: Method::POST, path: path.to_owned(), headers: Vec::new(), body: body.into() }
    }

    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sends it and checks the problem that comes back: the status, the kind, and exactly these fields, each with a
    /// reason. Returns the problem and its `Retry-After`.
    async fn refused(self, game: &Game, status: u16, kind: &str, fields: &[&str]) -> (Value, Option<String>) {
        let shown: String = String::from_utf8_lossy(&self.body).chars().take(80).collect();
        let what = format!("{} {} {shown}", self.method, self.path);
        let mut request = game.request(self.method, &self.path).body(self.body);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{what}");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("application/problem+json"), "{what}");
        assert!(header("x-request-id").is_some(), "{what}");
        let retry_after = header("retry-after");
        let problem: Value = response.json().await.unwrap();
        assert_eq!(problem["type"], format!("urn:buttonparty:problem:{kind}"), "{what}: {problem}");
        assert_eq!(problem["status"], status, "{what}: {problem}");
        let errors = problem["errors"].as_array().cloned().unwrap_or_default();
        let named: Vec<_> = errors.iter().map(|error| error["field"].as_str().unwrap()).collect();
        assert_eq!(named, fields, "{what}: {problem}");
        assert!(errors.iter().all(|error| !error["reason"].as_str().unwrap().is_empty()), "{what}: {problem}");
        (problem, retry_after)
    }

    async fn invalid(self, game: &Game, fields: &[&str]) {
        self.refused(game, 400, "invalid-request", fields).await;
    }
}

/// Texts that are no object of fields, for every route with a body.
fn no_objects() -> Vec<(Vec<u8>, &'static str)> {
    let texts = [
        "nope", "[]", "null", "true", "7", "\"text\"", "NaN", "Infinity", "{", "{\"username\"}", "{\"username\":NaN}",
        "{\"username\":-Infinity}", "{} {}", "{'username':'ada'}", "username=ada", "\u{feff}{}", "[{\"username\":\"ada\"}]",
    ];
    let mut all: Vec<_> = texts.into_iter().map(|text| (text.as_bytes().to_vec(), "body")).collect();
    all.push((b"{\"username\":\"\xff\xfe\"}".to_vec(), "body"));
    all.push(("[".repeat(16_000).into_bytes(), "body"));
    all.push((format!("{{\"RequestBody\":{}{}}}", "[".repeat(4_000), "]".repeat(4_000)).into_bytes(), "RequestBody"));
    all.push((b"{\"RequestBody\":[\"ada\"]}".to_vec(), "RequestBody"));
    all.push((b"{\"RequestBody\":\"{}\"}".to_vec(), "RequestBody"));
    all.push((b"{\"RequestBody\":{},\"RequestBody\":{}}".to_vec(), "RequestBody"));
    all
}

/// Usernames as JSON that no player can have.
fn wrong_usernames() -> Vec<String> {
    let mut all: Vec<_> =
        ["1", "true", "[]", "[\"ada\"]", "{}", "null", "\"\"", "\"a\\u0000b\"", "\"a\\nb\"", "\"\\ud800\"", "1e999"]
            .map(str::to_owned)
            .to_vec();
    all.push(format!("\"{}\"", "x".repeat(129)));
    all.push(format!("\"{}\"", "é".repeat(65)));
    all.push(format!("{}1{}", "[".repeat(7_000), "]".repeat(7_000)));
    all
}

/// Sends everything that is wrong with the body of a route that takes players' commands. Returns how many.
async fn wrong_commands(game: &Game, path: &str, rest: &str) -> usize {
    let mut sent = 0;
    for (body, field) in no_objects() {
        Wrong::post(path, body).invalid(game, &[field]).await;
        sent += 1;
    }
    Wrong::post(path, "").invalid(game, &["body"]).await;
    for username in wrong_usernames() {
        for body in [
            format!("{{\"username\":{username}{rest}}}"),
            format!("{{\"RequestBody\":{{\"username\":{username}{rest}}}}}"),
        ] {
            Wrong::post(path, body).invalid(game, &["username"]).await;
            sent += 1;
        }
    }
    let twice = format!("{{\"username\":\"ada\",\"username\":\"ada\"{rest}}}");
    Wrong::post(path, twice).invalid(game, &["username"]).await;
    let good = format!("{{\"username\":\"ada\"{rest}}}");
    for key in [&b""[..], b"two words", "clé".as_bytes(), b"tab\there", &[b'k'; 129]] {
        Wrong::post(path, good.clone()).with("idempotency-key", key).invalid(game, &["Idempotency-Key"]).await;
        sent += 1;
    }
    let twice = Wrong::post(path, good).with("idempotency-key", "one").with("idempotency-key", "one");
    twice.invalid(game, &["Idempotency-Key"]).await;
    sent + 3
}

async fn too_large(game: &Game, path: &str, rest: &str) {
    let padded = |bytes: usize| {
        let head = format!("{{\"username\":\"ada\"{rest},\"padding\":\"");
        let padding = "x".repeat(bytes - head.len() - 2);
        format!("{head}{padding}\"}}")
    };
    for bytes in [16_385, 1 << 20] {
        let (problem, _) = Wrong::post(path, padded(bytes)).refused(game, 413, "body-too-large", &[]).await;
        assert!(problem["detail"].as_str().unwrap().contains("16384"), "{problem}");
    }
}

#[tokio::test]
async fn wrong_requests_are_refused_by_name_and_nothing_is_enqueued() {
    let _beside = beside_others().await;
    let (folder, game) = Game::by_hand().await;
    let mut invalid = 0;
    let powerup = r#","powerUpType":"FREEZE","quantity":6"#;
    for (path, rest) in [("/add", ""), ("/press", ""), ("/powerups", powerup)] {
        invalid += wrong_commands(&game, path, rest).await;
        too_large(&game, path, rest).await;
    }
    let long_token = format!(r#"{{"username":"ada","token":"{}"}}"#, "t".repeat(4_097));
    let long_name = format!(r#"{{"username":"ada","name":"{}"}}"#, "é".repeat(65));
    for (path, body, fields) in [
        ("/add", long_token.as_str(), &["token"][..]),
        ("/add", &long_name, &["name"]),
        ("/add", r#"{"username":"ada","platform":"palm"}"#, &["platform"]),
        ("/add", r#"{"username":"","name":"","platform":"","token":""}"#, &["username", "name", "platform", "token"]),
        ("/add", r#"{"username":1,"name":[],"platform":{},"token":7}"#, &["username", "name", "platform", "token"]),
        ("/powerups", r#"{"username":"ada","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"FREEZE"}"#, &["quantity"]),
        ("/powerups", "{}", &["username", "powerUpType", "quantity"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"LASER","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":"freeze","quantity":6}"#, &["powerUpType"]),
        ("/powerups", r#"{"username":"ada","powerUpType":["FREEZE"],"quantity":"6"}"#, &["powerUpType", "quantity"]),
    ] {
        Wrong::post(path, body).invalid(&game, fields).await;
        invalid += 1;
    }
    for quantity in ["\"2\"", "null", "true", "[2]", "{}", "0", "-2", "2.0000001", "4", "1.5", "1e999", "-0", "1e-400", "999999999999999999999"] {
        let body = format!(r#"{{"username":"ada","powerUpType":"MULTIPLIER","quantity":{quantity}}}"#);
        Wrong::post("/powerups", body).invalid(&game, &["quantity"]).await;
        invalid += 1;
    }
    for quantity in ["NaN", "Infinity", "-Infinity", "+2", "02", "2.", ".5", "0x2"] {
        let body = format!(r#"{{"username":"ada","powerUpType":"MULTIPLIER","quantity":{quantity}}}"#);
        Wrong::post("/powerups", body).invalid(&game, &["body"]).await;
        invalid += 1;
    }
    let (long, half) = (format!("?username={}", "x".repeat(129)), format!("?username={}", encoded(&"é".repeat(65))));
    for query in ["", "?", "?user=ada", "?username", "?username=", "?username=a&username=a", "?username=a&user%6Eame=b",
        "?username=%FF", "?username=%C3", "?username=a%00", "?username=a%0Ab", &long, &half] {
        Wrong::get(format!("/fetch/self{query}")).invalid(&game, &["username"]).await;
        invalid += 1;
    }
    for limit in ["", "0", "101", "-1", "abc", "1.5", "1e1", "%FF", "99999999999999999999", "10&limit=10", "NaN"] {
        Wrong::get(format!("/fetch/lb?limit={limit}")).invalid(&game, &["limit"]).await;
        invalid += 1;
    }
    assert_eq!(game.metric("buttonparty_requests_rejected_total{reason=\"invalid-request\"}").await, invalid as f64);
    assert_eq!(game.metric("buttonparty_requests_rejected_total{reason=\"body-too-large\"}").await, 6.0);
    nothing_was_enqueued(&game, folder.path()).await;
}

/// The inbox has never had a message, and the journal has none.
async fn nothing_was_enqueued(game: &Game, data: &std::path::Path) {
    assert_eq!(game.metric("buttonparty_requests_accepted_total").await, 0.0);
    let inbox = inbox(data).await;
    assert_eq!(inbox.highest_sequence().await.unwrap(), None);
    inbox.close().await;
    let reader = store(data).reader().await.unwrap();
    for (partition, position) in reader.positions().await.unwrap() {
        assert_eq!((partition, position.sequence), (0, 0));
    }
    let journal = reader.audit().await.unwrap().journal(0, store::Position::default(), 10).await.unwrap();
    assert_eq!(journal, []);
    reader.close().await;
}

#[tokio::test]
async fn operators_are_refused_by_name_and_no_round_opens() {
    let _beside = beside_others().await;
    let (folder, game) = Game::by_hand().await;
    let operator = |body: &[u8]| Wrong::post("/admin/rounds", body).with("authorization", "Bearer secret-of-operators");
    for (body, field) in no_objects().into_iter().filter(|(body, _)| !body.starts_with(b"{\"username\":\"")) {
        operator(&body).invalid(&game, &[field]).await;
    }
    for lead_ms in ["99", "0", "-1", "3600001", "\"2000\"", "1.5", "1e3", "true", "[]", "99999999999999999999"] {
        operator(format!("{{\"lead_ms\":{lead_ms}}}").as_bytes()).invalid(&game, &["lead_ms"]).await;
    }
    operator(b"{\"lead_ms\":200,\"lead_ms\":200}").invalid(&game, &["lead_ms"]).await;
    operator(&[b' '; 16_385]).refused(&game, 413, "body-too-large", &[]).await;
    for token in ["", "secret-of-operators", "Bearer", "Bearer ", "Bearer wrong", "Bearer secret-of-operator",
        "Bearer secret-of-operators2", "bearer: secret-of-operators", "Basic secret-of-operators"] {
        let request = Wrong::post("/admin/rounds", "{}").with("authorization", token);
        request.refused(&game, 401, "unauthorized", &[]).await;
    }
    Wrong::post("/admin/rounds", "nope").refused(&game, 401, "unauthorized", &[]).await;
    nothing_was_enqueued(&game, folder.path()).await;

    let folder = tempfile::tempdir().unwrap();
    let settings: Vec<_> = BY_HAND.into_iter().filter(|(name, _)| *name != "OPERATOR_TOKEN").collect();
    let game = Game::start(folder.path(), "all", &with_auth(&settings)).await;
    for token in ["Bearer ", "Bearer secret-of-operators", "Bearer dev"] {
        let request = Wrong::post("/admin/rounds", "{}").with("authorization", token);
        request.refused(&game, 404, "not-found", &[]).await;
    }
}

#[tokio::test]
async fn a_round_that_would_overlap_says_when_it_may_open() {
    let _beside = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let settings =
        [("ROUND_ODDS", "0"), ("WINDOW_MS", "200"), ("GRACE_MS", "200"), ("OPERATOR_TOKEN", "secret-of-operators")];
    let game = Game::start(folder.path(), "all", &with_auth(&settings)).await;
    let first = game.announce_round(100).await;
    let again = Wrong::post("/admin/rounds", r#"{"lead_ms":100}"#);
    let again = again.with("authorization", "Bearer secret-of-operators");
    let (problem, retry_after) = again.refused(&game, 409, "round-overlaps", &[]).await;
    let wait_ms = problem["retry_after_ms"].as_i64().unwrap();
    assert!((1..=2_001).contains(&wait_ms), "{problem}");
    assert_eq!(retry_after.unwrap().parse::<i64>().unwrap(), (wait_ms + 999) / 1000);
    assert!(problem["detail"].as_str().unwrap().contains("round 1"), "{problem}");
    let second = game.announce_round(100).await;
    assert_eq!(second["round"], 2);
    let opens_at = |round: &Value| round["opens_at"].as_i64().unwrap();
    // The largest extender makes five times 400 ms of a round.
    assert!(opens_at(&second) > opens_at(&first) + 2_000, "{first} {second}");
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let _beside = beside_others().await;
    let (_folder, game) = Game::by_hand().await;
    let wrong = |method: Method, path: &str| Wrong { method, ..Wrong::get(path) };
    for (method, path) in [
        (Method::GET, "/add"), (Method::PUT, "/press"), (Method::DELETE, "/powerups"), (Method::POST, "/fetch/self"),
        (Method::PATCH, "/fetch/lb"), (Method::GET, "/admin/rounds"), (Method::POST, "/live"), (Method::POST, "/"),
        (Method::POST, "/metrics"), (Method::OPTIONS, "/press"),
    ] {
        wrong(method, path).refused(&game, 405, "method-not-allowed", &[]).await;
    }
    for path in ["/nothing", "/press/", "/Press", "//press", "/fetch", "/fetch/self/ada", "/admin", "/..%2fetc", "/%00"] {
        wrong(Method::GET, path).refused(&game, 404, "not-found", &[]).await;
        wrong(Method::POST, path).refused(&game, 404, "not-found", &[]).await;
    }
    wrong(Method::GET, "/fetch/self?username=nobody").refused(&game, 404, "unknown-player", &[]).await;
    // Whatever the Content-Type says, the body decides.
    for content_type in ["text/plain", "application/json", "multipart/form-data; boundary=x", "nonsense"] {
        let request = game.request(Method::POST, "/add").header(CONTENT_TYPE, content_type);
        let response = request.body(r#"{"username":"ada","unknown":[1,{"deep":null}]}"#).send().await.unwrap();
        assert_eq!(response.status(), 202, "{content_type}");
    }
}

/// Usernames that are odd, but allowed: what comes back must be the same bytes.
fn odd_usernames() -> Vec<String> {
    let mut all: Vec<_> = [
        "😀", "a+b", "100%", "%41", "\"quoted\"", "back\\slash", "<b onload=x>x</b>", "a&b=c", "ä ö", "'; DROP TABLE players;--",
        " spaces ", "a/b?c#d", "\u{202e}backwards", "null", "__proto__", "👩‍👩‍👧‍👦", "\u{e9}", "e\u{301}", "ADA", "ada", "\u{feff}bom",
        "{\"json\":1}", "0", "-", "..", "\u{10ffff}", "\u{2028}line",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("é".repeat(64));
    all
}

#[tokio::test]
async fn odd_usernames_stay_what_they_are() {
    let _beside = beside_others().await;
    let (_folder, game) = Game::by_hand().await;
    let mut players = odd_usernames();
    for username in &players {
        let name: String = username.chars().rev().collect();
        let body = serde_json::json!({ "RequestBody": { "username": username, "name": name } });
        assert_eq!(game.post("/add", body.to_string()).await.0, 202, "{username}");
    }
    for username in &players {
        let path = format!("/fetch/self?x=1&username={}", encoded(username));
        let player = eventually(username, || async {
            let (status, player) = game.get(&path).await;
            (status == 200).then_some(player)
        });
        let player = player.await;
        assert_eq!(player["username"], username.as_str());
        assert_eq!(player["name"], username.chars().rev().collect::<String>());
    }
    // A plus stays a plus.
    assert_eq!(game.get("/fetch/self?username=a+b").await.1["username"], "a+b");
    let (_, board) = game.get("/fetch/lb?limit=100").await;
    let mut shown: Vec<_> = board.as_array().unwrap().iter().map(|row| row["username"].as_str().unwrap()).collect();
    shown.sort_unstable();
    players.sort_unstable();
    assert_eq!(shown, players);
}

/// Sends bytes, and returns everything that comes back until the server closes the connection.
async fn raw(game: &Game, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(game.url.trim_start_matches("http://")).await.unwrap();
    // The server may close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("the server closes the connection");
    let _ = read; // reset or closed: both end it
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn slow_and_broken_connections_end_and_harm_nobody() {
    let _beside = beside_others().await;
    let (folder, game) = Game::by_hand().await;
    let slow_body = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\ncontent-length: 18\r\n\r\n{\"username\"");
    let slow_head = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let garbage = async {
        for junk in [&b"GARBAGE\r\n\r\n"[..], &[0; 100_000], &[b'A'; 1_000_000], b"GET /healthz HTTP/9.9\r\n\r\n"] {
            let answer = raw(&game, junk).await;
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        }
        let answer = raw(&game, b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGARBAGE\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        let heads = "GET / HTTP/1.1\r\n".to_owned() + &"x-many: x\r\n".repeat(10_000);
        let answer = raw(&game, heads.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
        // A length that lies: the next request is not read out of the body of the last one.
        let answer = raw(&game, b"POST /press HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n{}").await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
        assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    };
    let limit = Duration::from_secs(25);
    let (slow_body, slow_head, ()) =
        timeout(limit, async { tokio::join!(slow_body, slow_head, garbage) }).await.expect("bounded");
    assert!(slow_body.starts_with("HTTP/1.1 408"), "{slow_body}");
    assert!(slow_body.contains("urn:buttonparty:problem:request-timeout"), "{slow_body}");
    assert!(slow_head.is_empty() || slow_head.starts_with("HTTP/1.1 408"), "{slow_head}");
    nothing_was_enqueued(&game, folder.path()).await;
    game.add("ada").await;
}
