//! Starting with something missing: the process waits for what may come back, and ends with a reason if an operator
//! must act.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use servers::pgbouncer::Pooler;
use servers::postgres;
use servers::proxy::Proxy;
use servers::sqs::{self, QueueOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::Services;
use crate::support::{BY_HAND, DEADLINE, Game, beside_others, eventually, run, with_auth};

/// Roles whose store an operator migrates.
const PARTS: [&str; 5] = ["ingest", "handler", "scheduler", "fetch", "push"];
/// Roles that use the inbox.
const INBOX: [&str; 4] = ["all", "ingest", "handler", "scheduler"];
/// A secret in the URL of a server.
const SECRET: &str = "very-secret";
/// An allowed origin.
const ORIGIN: &str = "https://a.example";
/// Maximum time of a failure "at once".
const AT_ONCE: Duration = Duration::from_secs(3);

async fn begin<'a>(place: &Place, roles: impl IntoIterator<Item = &'a str>) -> Vec<Game> {
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("CORS_ORIGINS", ORIGIN)]).collect();
    join_all(roles.into_iter().map(|role| Game::begin(place, role, &settings))).await
}

/// Waits until a process logs that it waits for this reason, and checks the rest of its log.
async fn waits_for(game: &Game, reason: &str) {
    let told = eventually(&format!("it waits: {reason}"), || async {
        let (status, told) = game.get("/readyz").await;
        assert_eq!((status, &told["ready"]), (503, &json!(false)), "{told}");
        told["checks"]["start"].as_str().is_some_and(|start| start.contains(reason)).then_some(told)
    })
    .await;
    for path in ["/healthz", "/readyz", "/fetch/lb"] {
        let answer = game.request(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.headers()["cache-control"], "no-store", "{path}");
    }
    let health = game.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok\n"));
    // A page of another origin can read the `Retry-After`; a preflight is answered as it is later.
    let page = |method| game.request(method, "/press").header("origin", ORIGIN);
    for (method, status) in [(Method::POST, 503), (Method::OPTIONS, 200)] {
        let response = page(method).header("access-control-request-method", "POST").send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["access-control-allow-origin"], ORIGIN);
    }
    let address = game.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(DEADLINE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("\"Host\""), "{answer}");
    for (method, path) in [
        (Method::POST, "/add"),
        (Method::POST, "/press"),
        (Method::POST, "/admin/rounds"),
        (Method::GET, "/fetch/lb"),
        (Method::GET, "/live"),
        (Method::GET, "/"),
    ] {
        let response = game.request(method, path).body(r#"{"username":"ada"}"#).send().await.unwrap();
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((response.status().as_u16(), header("retry-after").as_str()), (503, "1"), "{path}");
        assert_eq!(header("content-type"), "application/problem+json", "{path}");
    }
    let log = std::fs::read_to_string(&game.log).unwrap();
    assert!(log.contains("waiting to start") && log.contains(reason), "{log}");
    for part_of_password in ["%20", "of the superuser", "of a role"] {
        assert!(!format!("{log}{told}").contains(part_of_password), "a password is shown: {log} {told}");
    }
}

async fn becomes_ready(game: &Game) {
    eventually("it is ready", || async { (game.get("/readyz").await.0 == 200).then_some(()) }).await;
}

#[tokio::test]
async fn the_store_is_waited_for_and_its_migration_too() {
    let _beside = beside_others().await;
    let place = Place::cuttable(Services).await;
    place.lines().store().close();
    let games = begin(&place, PARTS).await;
    for game in &games {
        waits_for(game, "Connection refused").await;
    }
    place.lines().store().mend();
    for game in &games {
        waits_for(game, "run the migrations first").await;
    }
    place.prepare("handler", &BY_HAND).await;
    for game in &games {
        becomes_ready(game).await;
    }
    let [ingest, _, _, fetch, _] = &games[..] else { unreachable!() };
    ingest.add("ada").await;
    fetch.player("ada", |ada| ada["rank"] == 1).await;
    for game in games {
        assert!(game.stop().await.success());
    }
}

#[tokio::test]
async fn who_migrates_the_store_waits_for_it_only() {
    let _beside = beside_others().await;
    let place = Place::cuttable(Services).await;
    place.lines().store().close();
    let game = begin(&place, ["all"]).await.remove(0);
    waits_for(&game, "Connection refused").await;
    place.lines().store().mend();
    becomes_ready(&game).await;
    game.add("ada").await;
    game.player("ada", |ada| ada["rank"] == 1).await;
    assert!(game.stop().await.success());
}

#[tokio::test]
async fn who_uses_the_inbox_waits_for_it() {
    let _beside = beside_others().await;
    let place = Place::cuttable(Services).await;
    place.prepare("handler", &BY_HAND).await;
    place.lines().inbox.close();
    let games = begin(&place, INBOX).await;
    for game in &games {
        waits_for(game, "Connection refused").await;
    }
    // The other roles do not use it.
    let fetch = Game::start(&place, "fetch", &BY_HAND).await;
    let push = Game::start(&place, "push", &BY_HAND).await;
    for game in [&fetch, &push] {
        becomes_ready(game).await;
    }
    assert_eq!(fetch.get("/fetch/lb").await, (200, json!([])));
    place.lines().inbox.mend();
    for game in &games {
        becomes_ready(game).await;
    }
    for (game, username) in games.iter().zip(["ada", "bob"]) {
        game.add(username).await;
        fetch.player(username, |player| player["rank"].is_u64()).await;
    }
    for game in games.into_iter().chain([fetch, push]) {
        assert!(game.stop().await.success());
    }
}

#[tokio::test]
async fn nobody_waits_for_the_board() {
    let _beside = beside_others().await;
    let place = Place::cuttable(Services).await;
    place.lines().board.close();
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    becomes_ready(&game).await;
    game.add("ada").await;
    game.add("bob").await;
    game.open_round().await;
    assert_eq!(game.press_and_see("bob").await["last_press"]["outcome"], "counted");
    let bob = game.player("bob", |bob| bob["score"] == 1).await;
    assert_eq!(bob["rank"], Value::Null);
    let (_, board) = game.get("/fetch/lb").await;
    assert_eq!((&board[0]["username"], &board[1]["username"]), (&json!("bob"), &json!("ada")));
    place.lines().board.mend();
    game.player("bob", |bob| bob["rank"] == 1).await;
    game.player("ada", |ada| ada["rank"] == 2).await;
    assert!(game.stop().await.success());
}

#[rstest]
#[tokio::test]
async fn who_waits_stops_at_once(
    #[values(Proxy::close, Proxy::cut, Proxy::stall)] trouble: fn(&Proxy),
    #[values("TERM", "INT")] signal: &str,
) {
    let _beside = beside_others().await;
    let place = Place::cuttable(Services).await;
    place.prepare("handler", &BY_HAND).await;
    let lines = place.lines();
    for (line, roles) in
        [(lines.store(), &["all", "fetch", "push"][..]), (&lines.inbox, &["ingest", "handler"])]
    {
        trouble(line);
        for game in begin(&place, roles.iter().copied()).await {
            game.signal(signal);
            let status = timeout(AT_ONCE, game.wait()).await.expect("it stops at once");
            assert_eq!(status.code(), Some(0));
        }
        line.mend();
    }
}

/// Runs a command that must fail with a reason; returns its output.
async fn refused(place: &Place, command: &str, setting: (&str, &str)) -> String {
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([setting]).collect();
    let output = run(place, &[command], &settings).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{command} {setting:?}: {told}");
    assert!(!told.contains(SECRET), "{command} shows a password: {told}");
    let last = told.lines().last().unwrap_or_default();
    assert!(last.starts_with("buttonparty: cannot "), "{command} {setting:?}: {told}");
    last.to_owned()
}

#[tokio::test]
async fn a_store_that_must_be_put_right_ends_the_process() {
    let _beside = beside_others().await;
    let place = Place::new(Services).await;
    place.prepare("handler", &BY_HAND).await;
    let (wrong, nobody) = (place.store_url_as("postgres", SECRET), place.store_url_as("nobody", SECRET));
    let nowhere = place.store_url().rsplit_once('/').map(|(server, _)| format!("{server}/nowhere")).unwrap();
    for command in PARTS.into_iter().chain(["all", "migrate", "verify"]) {
        for (url, reason) in [
            (&wrong, "password authentication failed"),
            (&nobody, "password authentication failed"),
            (&nowhere, "does not exist"),
        ] {
            let told = refused(&place, command, ("STORE_URL", url)).await;
            assert!(told.contains("the database denies access") && told.contains(reason), "{told}");
        }
    }
    let breaking =
        "UPDATE _sqlx_migrations SET version = version + 1000, description = 'breaking: ' || description";
    place.change_store(breaking).await;
    for command in PARTS.into_iter().chain(["all", "migrate", "verify"]) {
        let told = refused(&place, command, ("LOG", "info")).await;
        assert!(told.contains("this program supports schemas up to"), "{told}");
    }
}

#[tokio::test]
async fn an_inbox_that_must_be_put_right_ends_the_process() {
    let _beside = beside_others().await;
    let place = Place::new(Services).await;
    place.prepare("handler", &BY_HAND).await;
    let made = sqs::server().make("start", QueueOptions::default()).await;
    let plain = sqs::server().client().await.create_queue().queue_name("start-plain");
    let plain = Box::pin(plain.send()).await.unwrap().queue_url.unwrap();
    let gone = made.queue_url.replace("start", "gone");
    for command in INBOX.into_iter().chain(["migrate"]) {
        for (url, reason) in [
            (&gone, "does not exist"),
            (&plain, "FifoQueue"),
            (&made.dead_letter_url, "RedrivePolicy"), // a queue without a dead-letter queue of its own
        ] {
            let told = refused(&place, command, ("QUEUE_URL", &format!("sqs:{url}"))).await;
            assert!(told.contains("cannot open the inbox") && told.contains(reason), "{told}");
        }
    }
}

/// A pooler for the store, and the owner's URL through it.
async fn pooled(place: &Place, settings: &[&str]) -> (Pooler, String) {
    let direct = place.store_url();
    let (user, password) = direct.trim_start_matches("postgres://").split_once(':').unwrap();
    let password = password.split('@').next().unwrap().replace("%20", " ");
    let server = postgres::server().await.address();
    let pooler = Pooler::start(server, settings, &[(user, &password)]).await;
    let through = direct.replace(&server.to_string(), &pooler.address().to_string());
    (pooler, through)
}

#[tokio::test]
async fn a_pooler_that_shares_sessions_ends_the_process() {
    let _beside = beside_others().await;
    let place = Place::new(Services).await;
    place.prepare("handler", &BY_HAND).await;
    let every: Vec<_> = PARTS.into_iter().chain(["all", "migrate", "verify"]).collect();
    for (settings, commands) in [
        (&["pool_mode = transaction"][..], &every[..]),
        (&["pool_mode = transaction", "server_reset_query_always = 1"], &["all", "migrate"]),
        (&["pool_mode = statement"], &["all", "migrate"]),
    ] {
        join_all(commands.iter().map(async |command| {
            // A new pooler each time, without connections left by others.
            let (_pooler, url) = pooled(&place, settings).await;
            let told = refused(&place, command, ("STORE_URL", &url)).await;
            assert!(told.contains("through a pooler in session mode"), "{settings:?} {command}: {told}");
        }))
        .await;
    }
}

#[tokio::test]
async fn a_pooler_in_session_mode_is_as_good_as_the_database() {
    let _beside = beside_others().await;
    let place = Place::new(Services).await;
    let (_pooler, url) = pooled(&place, &["pool_mode = session"]).await;
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("STORE_URL", url.as_str())]).collect();
    // Session state that one process leaves must not reach the next.
    for _ in 0..2 {
        assert!(run(&place, &["migrate"], &settings).await.status.success());
        let game = Game::start(&place, "all", &settings).await;
        game.add("ada").await;
        assert!(game.stop().await.success());
    }
    let game = Game::start(&place, "all", &settings).await;
    game.open_round().await;
    assert_eq!(game.press_and_see("ada").await["last_press"]["outcome"], "counted");
    assert!(game.stop().await.success());
    place.assert_verified(&settings).await;
}
