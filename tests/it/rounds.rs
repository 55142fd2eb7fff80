//! Whole rounds: scores over many rounds, the shop, many partitions, and a handler that is stopped meanwhile.

use futures_util::StreamExt;
use futures_util::stream;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, answer, beside_others, eventually, full, with_auth};

/// Quick rounds: one lasts 0.8 s, or 4 s for a player with the largest extender.
const QUICK: [(&str, &str); 5] = [
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "300"),
    ("GRACE_MS", "500"),
    ("ROUND_GAP_MS", "4001"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];
const QUICK_LIT_MS: i64 = 800;
/// Scores after each of twelve presses in a row. Source: docs/rules.md, "Press".
const SCORES: [u64; 12] = [1, 3, 6, 10, 15, 21, 28, 36, 45, 145, 266, 410];

/// Buys a powerup; `key` identifies the purchase. Returns the body of the 202.
async fn buy(game: &Game, username: &str, kind: &str, quantity: f64, key: Option<&str>) -> Value {
    let body = json!({ "username": username, "powerUpType": kind, "quantity": quantity });
    let mut request = game.request(Method::POST, "/powerups").body(body.to_string());
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let (status, body) = answer(request).await;
    assert_eq!(status, 202, "{body}");
    body
}

/// Sends a purchase five times at once under one key; returns the player's state after all five are applied.
async fn buy_five_times(game: &Game, username: &str, kind: &str, quantity: f64, key: &str) -> Value {
    let all = (0..5).map(|_| buy(game, username, kind, quantity, Some(key)));
    futures_util::future::join_all(all).await;
    // A player's commands are applied in order: once the new name shows, the purchases have been applied.
    let name = format!("{key} {kind}");
    let (status, body) = game.post("/add", json!({ "username": username, "name": name }).to_string()).await;
    assert_eq!(status, 202, "{body}");
    game.player(username, |player| player["name"] == name).await
}

fn score(player: &Value) -> u64 {
    player["score"].as_u64().unwrap()
}

#[rstest]
#[tokio::test]
async fn twelve_rounds_in_a_row_pay_for_powerups(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    // In the short run, Ada's presses in earlier rounds are put into the past.
    let past = full(0, 9);
    place.put_past(1, &["ada".to_owned()], past).await;
    let game = Game::start(&place, "all", &with_auth(&QUICK)).await;
    for username in ["ada", "bob"] {
        game.add(username).await;
    }
    for (round, points) in (1..).zip(SCORES).skip_while(|(round, _)| *round <= past) {
        assert_eq!(game.open_round().await["round"], round);
        let ada = game.press_and_see("ada").await;
        assert_eq!(
            (score(&ada), &ada["streak"], &ada["pressed"]),
            (points, &json!(round), &json!(true)),
            "{ada}"
        );
    }

    let ada = buy_five_times(&game, "ada", "MULTIPLIER", 2.0, "first").await;
    assert_eq!((score(&ada), &ada["last_purchase"]["outcome"]), (350, &json!("bought")), "{ada}");
    assert_eq!(
        (&ada["last_purchase"]["id"], &ada["powerups"]["MULTIPLIER"]["quantity"]),
        (&json!("first"), &json!(2.0))
    );
    // The first outcome of a key stands, whatever is requested under it later.
    let ada = buy_five_times(&game, "ada", "FREEZE", 12.0, "first").await;
    assert_eq!((score(&ada), &ada["powerups"]["FREEZE"]), (350, &Value::Null), "{ada}");
    let ada = buy_five_times(&game, "ada", "FREEZE", 6.0, "second").await;
    assert_eq!((score(&ada), &ada["powerups"]["FREEZE"]["quantity"]), (290, &json!(6.0)), "{ada}");
    let ada = buy_five_times(&game, "ada", "EXTENDER", 3.0, "too-dear").await;
    assert_eq!((score(&ada), &ada["last_purchase"]["outcome"]), (290, &json!("not_enough_points")), "{ada}");
    // Bob may use the same key: it is scoped to the player.
    let bob = buy_five_times(&game, "bob", "MULTIPLIER", 2.0, "first").await;
    assert_eq!(bob["last_purchase"], json!({ "id": "first", "outcome": "not_enough_points" }));

    game.open_round().await;
    let ada = game.press_and_see("ada").await;
    assert_eq!(score(&ada), 290 + 13 * 13 * 2);
    let ada = buy_five_times(&game, "ada", "EXTENDER", 3.0, "third").await;
    assert_eq!((score(&ada), &ada["last_purchase"]["outcome"]), (298, &json!("bought")), "{ada}");

    extended_press_counts(&game).await;
    place.assert_verified(&[]).await;
}

/// Ada's extender triples her time in a round; Bob has none.
async fn extended_press_counts(game: &Game) {
    let opens_at = game.open_round().await["opens_at"].as_i64().unwrap();
    let lit = game.player("ada", |ada| ada["round"]["opens_at"] == opens_at).await;
    assert_eq!(lit["round"]["closes_at"], opens_at + 3 * 300, "{lit}");
    game.wait_until(opens_at + QUICK_LIT_MS + 1).await;
    let (ada, bob) = tokio::join!(game.press_and_see("ada"), game.press_and_see("bob"));
    let after_ms = ada["last_press"]["arrived_at"].as_i64().unwrap() - opens_at;
    assert!(
        (QUICK_LIT_MS + 1..=3 * QUICK_LIT_MS).contains(&after_ms),
        "pressed {after_ms} ms after the opening"
    );
    assert_eq!(ada["last_press"]["outcome"], "counted", "{ada}");
    assert_eq!((score(&ada), &ada["streak"]), (298 + 14 * 14 * 2, &json!(14)), "{ada}");
    assert_eq!(bob["last_press"]["outcome"], "too_late", "{bob}");
    assert_eq!(score(&bob), 0);
}

/// Runs a few at a time, so that a test machine is not overloaded.
async fn each<T>(all: &[String], each: impl AsyncFn(&str) -> T) -> Vec<T> {
    stream::iter(all).map(|username| each(username)).buffer_unordered(48).collect().await
}

/// Settings of a round long enough for a thousand presses.
const LONG: [(&str, &str); 6] = [
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "7000"),
    ("GRACE_MS", "1000"),
    ("ROUND_GAP_MS", "40001"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
    ("PARTITIONS", "4"),
];

#[rstest]
#[tokio::test]
async fn presses_count_though_the_handler_starts_after_the_cutoff(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let ingest = Game::start(&place, "ingest", &with_auth(&LONG)).await;
    let scheduler = Game::start(&place, "scheduler", &LONG).await;
    let fetch = Game::start(&place, "fetch", &LONG).await;

    let players: Vec<_> = (0..1_000).map(|number| format!("player-{number}")).collect();
    each(&players, async |username| ingest.add(username).await).await;
    for username in ["early", "late"] {
        ingest.add(username).await;
    }
    let round = scheduler.announce_round(1_500).await;
    let opens_at = round["opens_at"].as_i64().unwrap();
    let early = ingest.press("early").await["arrived_at"].as_i64().unwrap();
    assert!(early < opens_at, "{early} {round}");
    scheduler.wait_until(opens_at).await;
    let arrived =
        each(&players, async |username| ingest.press(username).await["arrived_at"].as_i64().unwrap()).await;
    let cutoff = opens_at + 8_000;
    assert!(
        arrived.iter().all(|at_ms| (opens_at..=cutoff).contains(at_ms)),
        "the machine is too slow: {round}"
    );
    ingest.wait_until(cutoff + 1).await;
    ingest.press("late").await;
    assert_eq!(fetch.get("/fetch/lb").await, (200, json!([])));
    assert_eq!(fetch.get("/fetch/self?username=player-0").await.0, 404);

    let handler = Game::start(&place, "handler", &LONG).await;
    let late = fetch.player("late", |late| late["last_press"].is_object()).await;
    assert_eq!((&late["last_press"]["outcome"], score(&late)), (&json!("too_late"), 0), "{late}");
    let early = fetch.player("early", |early| early["last_press"].is_object()).await;
    assert_eq!((&early["last_press"]["outcome"], score(&early)), (&json!("not_open"), 0), "{early}");
    each(&players, async |username| {
        let player = fetch.player(username, |player| player["last_press"].is_object()).await;
        assert_eq!((&player["last_press"]["outcome"], score(&player)), (&json!("counted"), 1), "{player}");
        assert_eq!((&player["streak"], &player["last_press"]["round"]), (&json!(1), &json!(1)), "{player}");
        if stack == Embedded {
            // Ranks exist only in the process that applies presses.
            assert_eq!(player["rank"], Value::Null);
        }
    })
    .await;
    let (_, board) = fetch.get("/fetch/lb?limit=100").await;
    assert!(board.as_array().unwrap().iter().all(|row| row["score"] == 1), "{board}");
    if stack == Services {
        let first = board[0]["username"].as_str().unwrap();
        fetch.player(first, |player| player["rank"] == 1).await;
    }

    for process in [ingest, scheduler, fetch, handler] {
        assert!(process.stop().await.success());
    }
    place.assert_verified(&LONG).await;
}

#[rstest]
#[tokio::test]
async fn sixteen_partitions_play_a_round(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", "16")]).collect();
    let game = Game::start(&place, "all", &settings).await;
    let players: Vec<_> = (0..64).map(|number| format!("player-{number:02}")).collect();
    each(&players, async |username| game.add(username).await).await;
    game.open_round().await;
    // The earlier press ranks first, then the lesser username.
    let mut arrived = each(&players, async |username| {
        (game.press(username).await["arrived_at"].as_i64().unwrap(), username.to_owned())
    })
    .await;
    arrived.sort_unstable();
    for (rank, (_, username)) in (1..).zip(&arrived) {
        let player = game.player(username, |player| player["rank"] == rank && player["score"] == 1).await;
        assert_eq!((&player["pressed"], &player["streak"]), (&json!(true), &json!(1)), "{player}");
    }
    let rows = (1..)
        .zip(&arrived)
        .map(|(rank, (_, username))| json!({ "rank": rank, "username": username, "name": null, "score": 1 }));
    assert_eq!(game.get("/fetch/lb?limit=100").await, (200, rows.collect()));

    let state = place.state().await;
    let told: Vec<_> = state.rounds.keys().copied().collect();
    assert_eq!(told, (0..16).map(|partition| (partition, 1)).collect::<Vec<_>>());
    let used: std::collections::BTreeSet<_> = state.players.keys().map(|(partition, _)| *partition).collect();
    assert!(used.len() > 8, "the players do not spread: {used:?}");
    // The ticks reach every partition, also those without players.
    eventually("every partition has come past the cutoff", || async {
        let state = place.state().await;
        let cutoff = state.rounds[&(0, 1)].round.cutoff_ms(game::Round::BASE_HALVES);
        (state.applied_through_ms.len() == 16 && state.applied_through_ms.values().all(|at| *at >= cutoff))
            .then_some(())
    })
    .await;
    place.assert_verified(&settings).await;
}
