//! Invalid input: it is rejected with field and reason, and nothing is enqueued.

mod connections;
mod wrong;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use rstest::rstest;
use serde_json::Value;

use self::wrong::{Wrong, no_objects, wrong_fields, wrong_quantities, wrong_queries, wrong_usernames};
use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, beside_others, encoded, eventually, with_auth};

/// Sends every invalid body to a route for players' commands. Returns the number of requests.
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
        Wrong::post(path, good.clone())
            .with("idempotency-key", key)
            .invalid(game, &["Idempotency-Key"])
            .await;
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

#[rstest]
#[tokio::test]
async fn wrong_requests_are_refused_by_name_and_nothing_is_enqueued(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(stack).await;
    let mut invalid = 0;
    let powerup = r#","powerUpType":"FREEZE","quantity":6"#;
    for (path, rest) in [("/add", ""), ("/press", ""), ("/powerups", powerup)] {
        invalid += wrong_commands(&game, path, rest).await;
        too_large(&game, path, rest).await;
    }
    for (request, fields) in wrong_fields().into_iter().chain(wrong_quantities()).chain(wrong_queries()) {
        request.invalid(&game, fields).await;
        invalid += 1;
    }
    assert_eq!(
        game.metric("buttonparty_requests_rejected_total{reason=\"invalid-request\"}").await,
        invalid as f64
    );
    assert_eq!(game.metric("buttonparty_requests_rejected_total{reason=\"body-too-large\"}").await, 6.0);
    nothing_was_enqueued(&game, &place).await;
}

/// Checks that the inbox never had a message, and that the journal is empty.
async fn nothing_was_enqueued(game: &Game, place: &Place) {
    assert_eq!(game.metric("buttonparty_requests_accepted_total").await, 0.0);
    let inbox = place.inbox().await;
    // Not every server reports this.
    assert_eq!(inbox.highest_sequence().await.unwrap().map_or(0, |sequence| sequence.0), 0);
    assert_eq!(inbox.backlog().await.unwrap().messages, 0);
    inbox.close().await;
    let reader = place.store().reader().await.unwrap();
    for (partition, position) in reader.positions().await.unwrap() {
        assert_eq!((partition, position.sequence), (0, 0));
    }
    let journal = reader.audit().await.unwrap().journal(0, store::Position::default(), 10).await.unwrap();
    assert_eq!(journal, []);
    reader.close().await;
}

#[rstest]
#[tokio::test]
async fn operators_are_refused_by_name_and_no_round_opens(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(stack).await;
    let operator =
        |body: &[u8]| Wrong::post("/admin/rounds", body).with("authorization", "Bearer secret-of-operators");
    for (body, field) in no_objects().into_iter().filter(|(body, _)| !body.starts_with(b"{\"username\":\"")) {
        operator(&body).invalid(&game, &[field]).await;
    }
    for lead_ms in
        ["99", "0", "-1", "3600001", "\"2000\"", "1.5", "1e1", "true", "[]", "99999999999999999999"]
    {
        operator(format!("{{\"lead_ms\":{lead_ms}}}").as_bytes()).invalid(&game, &["lead_ms"]).await;
    }
    operator(b"{\"lead_ms\":200,\"lead_ms\":200}").invalid(&game, &["lead_ms"]).await;
    operator(&[b' '; 16_385]).refused(&game, 413, "body-too-large", &[]).await;
    for token in [
        "",
        "secret-of-operators",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        "Bearer secret-of-operator",
        "Bearer secret-of-operators2",
        "bearer: secret-of-operators",
        "Bearersecret-of-operators",
        "Bearer\tsecret-of-operators",
        "Bearer Secret-of-operators",
        "Basic secret-of-operators",
    ] {
        let request = Wrong::post("/admin/rounds", "{}").with("authorization", token);
        request.refused(&game, 401, "unauthorized", &[]).await;
    }
    Wrong::post("/admin/rounds", "nope").refused(&game, 401, "unauthorized", &[]).await;
    let right = "Bearer secret-of-operators";
    let twice = Wrong::post("/admin/rounds", "{}").with("authorization", right).with("authorization", right);
    twice.refused(&game, 401, "unauthorized", &[]).await;
    nothing_was_enqueued(&game, &place).await;
    // The scheme in any case, followed by any number of spaces: the token is accepted, so the lead is checked next.
    for right in
        ["bearer secret-of-operators", "BEARER   secret-of-operators", " Bearer secret-of-operators\t"]
    {
        let request = Wrong::post("/admin/rounds", r#"{"lead_ms":1}"#).with("authorization", right);
        request.invalid(&game, &["lead_ms"]).await;
    }

    let place = Place::new(stack).await;
    let settings: Vec<_> = BY_HAND.into_iter().filter(|(name, _)| *name != "OPERATOR_TOKEN").collect();
    let game = Game::start(&place, "all", &with_auth(&settings)).await;
    for token in ["Bearer ", "Bearer secret-of-operators", "Bearer dev"] {
        let request = Wrong::post("/admin/rounds", "{}").with("authorization", token);
        request.refused(&game, 404, "not-found", &[]).await;
    }
}

#[rstest]
#[tokio::test]
async fn a_round_that_would_overlap_says_when_it_may_open(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let settings = [
        ("ROUND_ODDS", "0"),
        ("WINDOW_MS", "200"),
        ("GRACE_MS", "200"),
        ("OPERATOR_TOKEN", "secret-of-operators"),
    ];
    let game = Game::start(&place, "all", &with_auth(&settings)).await;
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
    // The largest extender lengthens a round five times, here of 400 ms.
    assert!(opens_at(&second) > opens_at(&first) + 2_000, "{first} {second}");
}

#[rstest]
#[tokio::test]
async fn other_methods_and_paths_are_refused(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let wrong = |method: Method, path: &str| Wrong { method, ..Wrong::get(path) };
    for (method, path) in [
        (Method::GET, "/add"),
        (Method::PUT, "/press"),
        (Method::DELETE, "/powerups"),
        (Method::POST, "/fetch/self"),
        (Method::PATCH, "/fetch/lb"),
        (Method::GET, "/admin/rounds"),
        (Method::POST, "/live"),
        (Method::POST, "/"),
        (Method::POST, "/metrics"),
        (Method::OPTIONS, "/press"),
    ] {
        wrong(method, path).refused(&game, 405, "method-not-allowed", &[]).await;
    }
    for path in [
        "/nothing",
        "/press/",
        "/Press",
        "//press",
        "/fetch",
        "/fetch/self/ada",
        "/admin",
        "/..%2fetc",
        "/%00",
    ] {
        wrong(Method::GET, path).refused(&game, 404, "not-found", &[]).await;
        wrong(Method::POST, path).refused(&game, 404, "not-found", &[]).await;
    }
    wrong(Method::GET, "/fetch/self?username=nobody").refused(&game, 404, "unknown-player", &[]).await;
    // The body decides, whatever the Content-Type.
    for content_type in ["text/plain", "application/json", "multipart/form-data; boundary=x", "nonsense"] {
        let request = game.request(Method::POST, "/add").header(CONTENT_TYPE, content_type);
        let response =
            request.body(r#"{"username":"ada","unknown":[1,{"deep":null}]}"#).send().await.unwrap();
        assert_eq!(response.status(), 202, "{content_type}");
    }
    // Unknown fields may have any JSON value, and optional fields may be `null`. An empty token means no token.
    for body in [
        r#"{"username":"ada","\ud800":"\ud800","\ud800":1e999}"#,
        r#"{"username":"ada","name":null,"platform":null,"token":null}"#,
        r#"{"RequestBody":{"username":"ada","token":"","platform":"android"}}"#,
    ] {
        assert_eq!(game.post("/add", body).await.0, 202, "{body}");
    }
}

/// Unusual but valid usernames; reads must return the same bytes.
fn odd_usernames() -> Vec<String> {
    let mut all: Vec<_> = [
        "😀",
        "a+b",
        "100%",
        "%41",
        "\"quoted\"",
        "back\\slash",
        "<b onload=x>x</b>",
        "a&b=c",
        "ä ö",
        "'; DROP TABLE players;--",
        " spaces ",
        "a/b?c#d",
        "\u{202e}backwards",
        "null",
        "__proto__",
        "👩‍👩‍👧‍👦",
        "\u{e9}",
        "e\u{301}",
        "ADA",
        "ada",
        "\u{feff}bom",
        "no\u{fffe}character",
        "\u{ffff}",
        "{\"json\":1}",
        "0",
        "-",
        "..",
        "\u{10ffff}",
        "\u{2028}line",
    ]
    .map(str::to_owned)
    .to_vec();
    all.push("é".repeat(64));
    all
}

#[rstest]
#[tokio::test]
async fn odd_usernames_stay_what_they_are(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let mut players = odd_usernames();
    let place = match Place::for_any_text(stack).await {
        Ok(place) => place,
        Err(why) => {
            servers::skipped(&format!("names beyond the basic plane: {why}"));
            players.retain(|username| username.chars().all(|character| character <= '\u{ffff}'));
            Place::new(stack).await
        }
    };
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
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
    // A plus is not decoded to a space.
    assert_eq!(game.get("/fetch/self?username=a+b").await.1["username"], "a+b");
    let (_, board) = game.get("/fetch/lb?limit=100").await;
    let mut shown: Vec<_> =
        board.as_array().unwrap().iter().map(|row| row["username"].as_str().unwrap()).collect();
    shown.sort_unstable();
    players.sort_unstable();
    assert_eq!(shown, players);
}
