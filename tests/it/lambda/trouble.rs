//! Events in a function's life: it is frozen or cut off, its database restarts, its password is rotated.

use serde_json::json;
use servers::postgres::Mode;
use servers::proxy::Proxy;

use super::*;
use crate::support::{alone, eventually, now_ms, run};

/// Invocations of one process.
const INVOCATIONS: usize = 1_000;
/// Memory limit of the process in an unoptimized build, in bytes.
const PEAK_BYTES_MAX: u64 = 96 << 20;
/// Maximum growth of memory after the first hundred responses, in bytes.
const GROWTH_BYTES_MAX: u64 = 4 << 20;
/// Minimum time between two reads of the secret, in milliseconds.
const SECRET_PAUSE_MS: i64 = 1_000;

#[tokio::test]
async fn a_thousand_requests_with_a_restart_and_a_rotated_password_are_answered_right() {
    let _alone = alone().await; // a rank that takes longer than 100 ms is left out
    let played = Played::new().await;
    let function = played.function().await;
    let started_ms = now_ms();
    let targets: Vec<String> = PLAYERS
        .iter()
        .map(|player| format!("/fetch/self?username={}", crate::support::encoded(player)))
        .chain(["/fetch/lb".to_owned(), "/fetch/self?username=nobody".to_owned()])
        .collect();
    let mut expected = Vec::new();
    for target in &targets {
        let (status, text) = get(&function, target).await;
        assert!([200, 404].contains(&status), "{text}");
        expected.push((status, timeless(&text)));
    }
    let database = played.place.store_server();
    let (mut peak_bytes, mut refused) = (0, 0);
    for number in 0..INVOCATIONS {
        let down = (300..310).contains(&number);
        match number {
            100 => peak_bytes = function.peak_bytes(),
            300 => database.stop(Mode::Fast).await,
            310 => database.resume().await,
            450 => database.restart(Mode::Immediate).await,
            600 => {
                eventually("it is late", || async move {
                    (now_ms() - started_ms > SECRET_PAUSE_MS).then_some(())
                })
                .await;
                played.secrets.put(&login(ROTATED));
                played.change_password(ROTATED).await;
            }
            700 => played.disconnect().await,
            _ => {}
        }
        let index = number % targets.len();
        let outcome = function.invoke(&http_event("GET", &targets[index])).await.unwrap();
        if down {
            assert_unavailable(&outcome);
            refused += 1;
        } else {
            let (status, text) = answer(&outcome);
            assert_eq!((status, timeless(&text)), expected[index], "{number}: {}", function.log());
        }
    }
    assert_eq!(refused, 10);
    assert_eq!(played.secrets.reads(), 2, "at the start, and when the password was another");
    let grown = function.peak_bytes() - peak_bytes;
    assert!(function.peak_bytes() < PEAK_BYTES_MAX && grown < GROWTH_BYTES_MAX, "{peak_bytes} + {grown}");
    for secret in [PASSWORD, ROTATED] {
        assert!(!function.log().contains(secret), "{}", function.log());
    }
}

#[tokio::test]
async fn a_rotation_may_begin_with_the_secret_or_with_the_database() {
    let played = Played::new().await;
    let answers = async |function: &Function| get(function, "/fetch/lb").await.0 == 200;
    // The secret changes first: a process that starts now is rejected by the database.
    played.secrets.put(&login(ROTATED));
    let function = played.function().await;
    assert!(answers(&function).await, "{}", function.log());
    played.change_password(ROTATED).await;
    played.disconnect().await;
    eventually("the new one is taken", async || answers(&function).await.then_some(())).await;
    // The database changes first: open connections stay, and the next one waits for the secret.
    played.change_password("the third").await;
    assert!(answers(&function).await, "{}", function.log());
    played.disconnect().await;
    assert!(!answers(&function).await);
    played.secrets.put(&login("the third"));
    eventually("the third one is taken", async || answers(&function).await.then_some(())).await;
}

#[tokio::test]
async fn what_died_while_it_was_frozen_does_not_show() {
    let _alone = alone().await; // a rank that takes longer than 100 ms is left out
    let played = Played::new().await;
    let server = played.server().await;
    let line = Proxy::start(played.place.store_server().address());
    let mut environment = played.environment();
    let port = played.place.store_server().address().to_string();
    environment[0].1 = environment[0].1.replace(&port, &line.address().to_string());
    let function = start(&environment).await.unwrap();
    // A rank has a short timeout, and the first request has to connect to Redis.
    eventually("she has her rank", async || {
        let (status, ada) = get_json(&function, "/fetch/self?username=ada").await;
        assert_eq!((status, &ada["score"]), (200, &json!(1)), "{ada}");
        (ada["rank"] == 1).then_some(())
    })
    .await;
    let lines = [&line, &played.place.lines().board];
    for way in ["ended", "cut", "restarted"] {
        function.freeze();
        match way {
            "ended" => played.disconnect().await,
            "cut" => lines.iter().for_each(|line| {
                line.cut();
                line.mend();
            }),
            _ => played.place.store_server().restart(Mode::Immediate).await,
        }
        function.thaw();
        let answered = get_json(&function, "/fetch/self?username=ada").await;
        let shown = (answered.0, &answered.1["score"], &answered.1["rank"]);
        assert_eq!(shown, (200, &json!(1), &json!(1)), "{way}: {}", function.log());
    }
    // A stalled connection is given up in time, and a new one is made as soon as possible.
    line.stall();
    assert_unavailable(&function.invoke(&http_event("GET", "/fetch/lb")).await.unwrap());
    line.mend();
    assert_eq!(get(&function, "/fetch/lb").await.0, 200);
    drop(server);
}

#[tokio::test]
async fn without_redis_ranks_are_null_and_nothing_else_is_missing() {
    let played = Played::new().await;
    let server = played.server().await;
    let function = played.function().await;
    let board = &played.place.lines().board;
    let whole = get(&function, "/fetch/self?username=bob").await.1;
    let without = timeless(&whole).replace("\"rank\":2", "\"rank\":null");
    assert_ne!(without, timeless(&whole));
    for cut in [Proxy::cut, Proxy::stall, Proxy::close] {
        cut(board);
        eventually("there is no rank", async || {
            let (status, text) = get(&function, "/fetch/self?username=bob").await;
            assert_eq!(status, 200, "{text}");
            (timeless(&text) == without).then_some(())
        })
        .await;
        assert_eq!(get(&function, "/fetch/lb").await.0, 200);
        board.mend();
        eventually("the rank is back", async || {
            let (_, text) = get(&function, "/fetch/self?username=bob").await;
            (timeless(&text) == timeless(&whole)).then_some(())
        })
        .await;
    }
    drop(server);
    // Without Redis there are no ranks.
    let environment: Vec<_> =
        played.environment().into_iter().filter(|(name, _)| *name != "BUTTONPARTY_BOARD_URL").collect();
    let function = start(&environment).await.unwrap();
    assert_eq!(timeless(&get(&function, "/fetch/self?username=bob").await.1), without);
}

#[tokio::test]
async fn a_function_that_lives_through_a_repartition_finds_everybody() {
    let played = Played::new().await;
    let function = played.function().await;
    assert_eq!(get(&function, "/fetch/lb").await.0, 200);
    let output = run(&played.place, &["repartition", "--partitions", "3"], &settings()[..]).await;
    assert!(output.status.success(), "{output:?}");
    for player in PLAYERS {
        let target = format!("/fetch/self?username={}", crate::support::encoded(player));
        let (status, view) = get_json(&function, &target).await;
        assert_eq!((status, view["username"].as_str()), (200, Some(player)), "{view}");
    }
    assert_eq!(get(&function, "/fetch/self?username=nobody").await.0, 404);
}
