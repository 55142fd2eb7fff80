//! Operators' view: health, metrics, logs, request ids; and which origins may call.

use std::collections::BTreeSet;

use queue::Outgoing;
use reqwest::Method;
use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::json;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, beside_others, eventually, now_ms, run, with_auth};

#[rstest]
#[tokio::test]
async fn health_names_what_does_not_answer(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::cuttable(stack).await;
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    let health = game.request(Method::GET, "/healthz").send().await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap().as_str()), (200, "ok\n"));
    let ready = json!({ "ready": true, "checks": { "inbox": "ok", "store": "ok" } });
    assert_eq!(game.get("/readyz").await, (200, ready.clone()));

    let blocked = place.block_inbox().await;
    let told = eventually("it is not ready", || async {
        let (status, told) = game.get("/readyz").await;
        (status == 503).then_some(told)
    })
    .await;
    assert_eq!((&told["ready"], &told["checks"]["store"]), (&json!(false), &json!("ok")), "{told}");
    assert_ne!(told["checks"]["inbox"], "ok", "{told}");
    assert_eq!(game.request(Method::GET, "/healthz").send().await.unwrap().status(), 200);
    drop(blocked);
    eventually("it is ready again", || async {
        (game.get("/readyz").await == (200, ready.clone())).then_some(())
    })
    .await;

    // A process checks only the dependencies that it uses.
    let fetch = Game::start(&place, "fetch", &BY_HAND).await;
    assert_eq!(fetch.get("/readyz").await, (200, json!({ "ready": true, "checks": { "store": "ok" } })));
}

#[rstest]
#[tokio::test]
async fn metrics_count_what_happened(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    for _ in 0..2 {
        game.add("ada").await;
    }
    game.press_and_see("ada").await;
    game.open_round().await;
    game.press_and_see("ada").await;
    game.press("ada").await;
    game.press("nobody").await;
    let buy = json!({ "username": "ada", "powerUpType": "FREEZE", "quantity": 6 }).to_string();
    assert_eq!(game.post("/powerups", buy).await.0, 202);
    game.player("ada", |ada| ada["last_purchase"].is_object()).await;
    assert_eq!(game.post("/press", "nope").await.0, 400);
    assert_eq!(game.get("/fetch/self?username=nobody").await.0, 404);
    assert_eq!(game.get("/nothing").await.0, 404);
    assert_eq!(game.post("/add", " ".repeat(20_000)).await.0, 413);

    for (kind, number) in [("add", 2.0), ("press", 4.0), ("powerup", 1.0)] {
        let series = format!("buttonparty_requests_accepted_total{{kind=\"{kind}\"}}");
        assert_eq!(game.metric(&series).await, number, "{kind}");
    }
    for (reason, number) in
        [("invalid-request", 1.0), ("not-found", 1.0), ("body-too-large", 1.0), ("unavailable", 0.0)]
    {
        let series = format!("buttonparty_requests_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(game.metric(&series).await, number, "{reason}");
    }
    assert!(game.metric("buttonparty_requests_rejected_total{reason=\"unknown-player\"}").await >= 1.0);
    let outcomes = [
        ("added", 1.0),
        ("updated", 1.0),
        ("not_open", 1.0),
        ("counted", 1.0),
        ("already_pressed", 1.0),
        ("unknown_player", 1.0),
        ("not_enough_points", 1.0),
        ("too_late", 0.0),
        ("bought", 0.0),
    ];
    for (outcome, number) in outcomes {
        let series = format!("buttonparty_outcomes_total{{outcome=\"{outcome}\"}}");
        eventually(&series, || async { (game.metric(&series).await == number).then_some(()) }).await;
    }
    let text = game.metrics().await;
    for histogram in [
        "buttonparty_apply_lag_seconds",
        "buttonparty_commit_seconds",
        "buttonparty_send_seconds",
        "buttonparty_apply_commands_size",
        "buttonparty_envelope_commands_size",
        "buttonparty_send_envelopes_size",
    ] {
        assert!(text.contains(&format!("# TYPE {histogram} histogram")), "{histogram}: {text}");
        assert!(text.contains(&format!("{histogram}_bucket{{le=\"+Inf\"}}")), "{histogram}: {text}");
        assert!(game.metric(&format!("{histogram}_count")).await >= 1.0, "{histogram}");
    }
    for (route, number) in [("/add", 3.0), ("/press", 5.0), ("/powerups", 1.0), ("none", 1.0)] {
        let series = format!("buttonparty_http_request_seconds_count{{route=\"{route}\"}}");
        assert_eq!(game.metric(&series).await, number, "{route}");
    }
    assert!(!text.contains("ada") && !text.contains("nobody"), "names are in the metrics: {text}");
}

#[rstest]
#[tokio::test]
async fn metrics_tell_how_far_the_handler_is_behind(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let ingest = Game::start(&place, "ingest", &with_auth(&BY_HAND)).await;
    for username in ["ada", "bob", "eve"] {
        ingest.add(username).await; // one after another, so that each is a message
    }
    let waited_until = now_ms() + 1_001;
    // Phones use ingest. A queue also counts the messages that announce a round.
    let scheduler = Game::start(&place, "scheduler", &BY_HAND).await;
    let own = ingest.metrics().await;
    assert_eq!(own.contains("buttonparty_inbox_messages"), stack == Embedded, "{own}");
    eventually("the depth and the age of the oldest", || async {
        let depth = scheduler.metric("buttonparty_inbox_messages").await;
        let age_seconds = scheduler.metric("buttonparty_inbox_oldest_age_seconds").await;
        // With a queue, only the receiver knows the age.
        (depth == 3.0 && (age_seconds > 1.0 || stack == Services)).then_some(())
    })
    .await;
    ingest.wait_until(waited_until).await;
    let handler = Game::start(&place, "handler", &BY_HAND).await;
    eventually("both are 0 again", || async {
        let depth = scheduler.metric("buttonparty_inbox_messages").await;
        let age_seconds = scheduler.metric("buttonparty_inbox_oldest_age_seconds").await;
        (depth == 0.0 && age_seconds == 0.0).then_some(())
    })
    .await;
    assert_eq!(handler.metric("buttonparty_outcomes_total{outcome=\"added\"}").await, 3.0);
    // The messages had waited for more than a second.
    assert_eq!(handler.metric("buttonparty_apply_lag_seconds_bucket{le=\"1\"}").await, 0.0);
    assert!(handler.metric("buttonparty_apply_lag_seconds_count").await >= 1.0);
}

#[rstest]
#[tokio::test]
async fn logs_name_no_player_and_no_device(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("INBOX_BYTES_MAX", "1048576")]).collect();
    let game = Game::start(&place, "all", &settings).await;
    let player = json!({ "username": "zanzibar", "name": "zanzibar Z.", "token": "zanzibar-device" });
    assert_eq!(game.post("/add", player.to_string()).await.0, 202);
    game.open_round().await;
    game.press_and_see("zanzibar").await;
    for (path, body) in [
        ("/press", "zanzibar".to_owned()),
        ("/add", r#"{"username":"zanzibar","platform":"zanzibar"}"#.to_owned()),
        ("/add", format!(r#"{{"username":"{}"}}"#, "zanzibar".repeat(20))),
        ("/powerups", r#"{"username":"zanzibar","powerUpType":"zanzibar","quantity":6}"#.to_owned()),
        ("/zanzibar", String::new()),
        ("/add", "zanzibar".repeat(4_000)),
    ] {
        assert!(matches!(game.post(path, body).await.0, 400 | 404 | 413));
    }
    assert_eq!(game.get("/fetch/self?username=zanzibar2").await.0, 404);
    // A bad command with a player's name in its reason.
    let queue = place.inbox().await;
    let poison = [
        r#""zanzibar""#,
        r#"{"zanzibar":1}"#,
        r#"{"at":1,"c":{"press":"zanzibar"}}"#,
        r#"{"at":1,"c":{"zanzibar":{}}}"#,
    ];
    let body = format!(
        r#"{{"v":1,"inbox":"{}","partitions":1,"id":"zanzibar","entries":[{}]}}"#,
        queue.inbox_id(),
        poison.join(",")
    );
    assert!(
        queue.send(&[Outgoing { partition: 0, id: "poison".to_owned(), body, quiet: false }]).await[0]
            .is_ok()
    );
    eventually("it is buried", || async { (queue.backlog().await.unwrap().dead == 4).then_some(()) }).await;
    let letter = queue.dead_letters(None, 10).await.unwrap().remove(0);
    let log = eventually("the log says so", || async {
        let log = std::fs::read_to_string(&game.log).unwrap();
        (log.contains("command moved to dead letters") && log.contains(&letter.id)).then_some(log)
    })
    .await;
    assert!(!log.contains("zanzibar"), "{log}");
    eventually("a push is in the log", || async {
        std::fs::read_to_string(&game.log).unwrap().contains("pushed").then_some(())
    })
    .await;
    game.stop().await;
    queue.close().await;
    if stack == Embedded {
        assert_full_inbox_names_nobody(&place, &settings).await;
    }
    for log in std::fs::read_dir(place.folder()).unwrap().map(|file| file.unwrap().path()) {
        if log.extension().is_some_and(|extension| extension == "log") {
            assert!(!std::fs::read_to_string(&log).unwrap().contains("zanzibar"), "{log:?}");
        }
    }
}

/// Checks that the log of a full inbox names no player. The inbox fills up because no handler runs; a queue has no
/// limit.
async fn assert_full_inbox_names_nobody(place: &Place, settings: &[(&str, &str)]) {
    let ingest = Game::start(place, "ingest", settings).await;
    let body =
        json!({ "username": "zanzibar", "token": format!("zanzibar{}", "t".repeat(4_000)) }).to_string();
    eventually("the inbox is full", || async {
        (ingest.post("/add", body.clone()).await.0 == 503).then_some(())
    })
    .await;
    let told = eventually("the log says so", || async {
        let log = std::fs::read_to_string(&ingest.log).unwrap();
        (log.contains("the inbox is full") && log.contains("request failed")).then_some(log)
    });
    assert!(!told.await.contains("zanzibar"));
}

#[rstest]
#[tokio::test]
async fn every_answer_has_a_request_id(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let id_of = async |method: Method, path: &str, given: Option<&str>| {
        let mut request = game.request(method, path);
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let response = request.send().await.unwrap();
        let ids: Vec<_> = response.headers().get_all("x-request-id").iter().collect();
        assert_eq!(ids.len(), 1, "{path}");
        ids[0].to_str().unwrap().to_owned()
    };
    let requests = [
        (Method::GET, "/healthz"),
        (Method::GET, "/"),
        (Method::GET, "/nothing"),
        (Method::GET, "/add"),
        (Method::POST, "/press"),
        (Method::GET, "/fetch/lb"),
        (Method::POST, "/admin/rounds"),
    ];
    let mut made = BTreeSet::new();
    let longest = "x".repeat(64);
    for (method, path) in &requests {
        for given in ["mine", "!~", &longest] {
            assert_eq!(id_of(method.clone(), path, Some(given)).await, given, "{path}");
        }
        let too_long = "x".repeat(65);
        for given in [None, Some(""), Some("two words"), Some("tab\there"), Some(too_long.as_str())] {
            let id = id_of(method.clone(), path, given).await;
            assert!((1..=64).contains(&id.len()) && Some(id.as_str()) != given, "{path} {given:?}: {id}");
            assert!(made.insert(id), "made twice");
        }
    }
    assert_eq!(made.len(), requests.len() * 5);
}

fn cors(headers: &HeaderMap) -> Vec<String> {
    let names = headers.keys().map(|name| name.as_str().to_owned());
    names.filter(|name| name.starts_with("access-control-")).collect()
}

#[rstest]
#[tokio::test]
async fn only_configured_origins_may_call(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let preflight = |game: &Game, origin: &str| {
        let request = game.request(Method::OPTIONS, "/powerups").header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type,idempotency-key,x-request-id")
            .send()
    };
    let (_place, closed) = Game::by_hand(stack).await;
    let answer =
        closed.request(Method::GET, "/fetch/lb").header("origin", "https://a.example").send().await.unwrap();
    assert!(cors(answer.headers()).is_empty(), "{answer:?}");
    let answer = preflight(&closed, "https://a.example").await.unwrap();
    assert!(answer.status() == 405 && cors(answer.headers()).is_empty(), "{answer:?}");

    let place = Place::new(stack).await;
    let origins = ("CORS_ORIGINS", "https://a.example, http://localhost:3000");
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([origins]).collect();
    let open = Game::start(&place, "all", &settings).await;
    for origin in ["https://a.example", "http://localhost:3000"] {
        let answer = preflight(&open, origin).await.unwrap();
        let header =
            |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_lowercase());
        assert_eq!(header("access-control-allow-origin").as_deref(), Some(origin));
        assert!(header("access-control-allow-methods").unwrap().contains("post"));
        let allowed = header("access-control-allow-headers").unwrap();
        for name in ["content-type", "idempotency-key", "x-request-id"] {
            assert!(allowed.contains(name), "{name}: {allowed}");
        }
        for path in ["/fetch/lb", "/nothing", "/fetch/self"] {
            let answer = open.request(Method::GET, path).header("origin", origin).send().await.unwrap();
            assert_eq!(answer.headers()["access-control-allow-origin"], origin, "{path}");
            let shown = answer.headers()["access-control-expose-headers"].to_str().unwrap();
            assert!(shown.contains("retry-after") && shown.contains("x-request-id"), "{shown}");
        }
    }
    for origin in [
        "https://b.example",
        "http://a.example",
        "https://a.example:8443",
        "https://a.example.evil.example",
        "null",
    ] {
        let answer = preflight(&open, origin).await.unwrap();
        assert!(answer.headers().get("access-control-allow-origin").is_none(), "{origin}: {answer:?}");
    }
}

/// Checks that `verify` reports stores that are wrong.
#[rstest]
#[tokio::test]
async fn verify_shows_each_row_that_differs(#[values(Embedded, Services)] stack: Stack) {
    let (place, game) = Game::by_hand(stack).await;
    game.add("ada").await;
    game.press_and_see("ada").await;
    assert!(game.stop().await.success());
    place.change_store("UPDATE players SET score = 77 WHERE username = 'ada'").await;

    let output = run(&place, &["verify"], &BY_HAND).await;
    let (text, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{text}{told}");
    assert!(told.ends_with("the store differs from its journal\n"), "{told}");
    let lines: Vec<_> = text.lines().collect();
    let [players, _, _, _, _, board, difference, last] = lines[..] else { panic!("{text}") };
    assert!(players.starts_with("players: 1 rows, hash ") && players.ends_with(", DIFFERENT"), "{text}");
    assert!(board.starts_with("board: 1 rows, hash ") && board.ends_with(", equal"), "{text}");
    let (stored, replayed) = difference.split_once(", replayed ").unwrap_or_else(|| panic!("{text}"));
    let stored = stored.strip_prefix("players (0, \"ada\"): stored ").unwrap_or_else(|| panic!("{text}"));
    assert!(stored.contains("score: 77,") && replayed.contains("score: 0,"), "{text}");
    assert!(last.ends_with(" messages replayed: DIFFERENT"), "{text}");

    // The same as a returned value.
    let reader = place.store().reader().await.unwrap();
    let report = server::verify::verify(&reader).await.unwrap();
    reader.close().await;
    let different: Vec<_> = report.tables.iter().filter(|table| !table.is_equal).collect();
    assert!(matches!(different[..], [table] if table.stored.table == "players"), "{report:?}");
    assert!(matches!(&report.differences[..], [row] if row.this.as_deref() == Some(stored)), "{report:?}");
    assert_eq!(last, format!("{} messages replayed: DIFFERENT", report.messages));
}
