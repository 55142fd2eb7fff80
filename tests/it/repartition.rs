//! The command `repartition`: the same game continues with another number of partitions.

use std::process::Output;

use futures_util::future::join_all;
use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, beside_others, run, with_auth};

/// Enough for every partition to have some.
const PLAYERS: usize = 12;

fn settings(partitions: &str) -> Vec<(&str, &str)> {
    with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", partitions)]).collect()
}

fn name(number: usize) -> String {
    format!("player-{number:02}")
}

async fn repartition(place: &Place, partitions: &str) -> Output {
    run(place, &["repartition", "--partitions", partitions], &settings("1")).await
}

/// Runs the command when it must fail without a change; returns the error text.
async fn refused(place: &Place, partitions: &str) -> String {
    let output = repartition(place, partitions).await;
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("the number of partitions was not changed: "), "{told}");
    told
}

/// What players and the board show once the ranks are up to date, without the current round.
async fn shown(game: &Game) -> Vec<Value> {
    let mut all = Vec::new();
    for number in 0..PLAYERS {
        let mut player = game.player(&name(number), |player| player["rank"].is_u64()).await;
        let state = player.as_object_mut().unwrap();
        for passing in ["round", "pressed", "now"] {
            state.remove(passing);
        }
        all.push(player);
    }
    let (status, board) = game.get("/fetch/lb?limit=100").await;
    assert_eq!((status, board.as_array().map(Vec::len)), (200, Some(PLAYERS)));
    all.push(board);
    all
}

/// A round in which these players press.
async fn play(game: &Game, players: impl Iterator<Item = usize>) {
    game.open_round().await;
    // Sent at once, because the round is short.
    let presses = join_all(players.map(async |number| game.press_and_see(&name(number)).await));
    for player in presses.await {
        assert_eq!(player["last_press"]["outcome"], "counted", "{player}");
    }
}

#[rstest]
#[tokio::test]
async fn the_same_game_goes_on(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &settings("4")).await;
    for number in 0..PLAYERS {
        game.add(&name(number)).await;
    }
    play(&game, (0..PLAYERS).step_by(2)).await;
    let buy = json!({ "username": name(0), "powerUpType": "FREEZE", "quantity": 6 }).to_string();
    assert_eq!(game.request(Method::POST, "/powerups").body(buy).send().await.unwrap().status(), 202);
    game.player(&name(0), |player| player["last_purchase"].is_object()).await;
    play(&game, (0..PLAYERS).step_by(3)).await;
    for missed in (0..PLAYERS).filter(|number| number % 2 == 0 && number % 3 != 0) {
        game.player(&name(missed), |player| player["streak"] == 0).await; // once the round is over
    }
    let before = shown(&game).await;
    assert!(game.stop().await.success());

    // Accepted but unapplied commands are in partitions of the old number.
    let ingest = Game::start(&place, "ingest", &settings("4")).await;
    ingest.add(&name(0)).await;
    assert!(ingest.stop().await.success());
    let told = refused(&place, "3").await;
    assert!(told.contains("the inbox is not empty: run only the handler, with the old number"), "{told}");

    let game = Game::start(&place, "all", &settings("4")).await;
    place.drained().await;
    assert_eq!(shown(&game).await, before);
    assert!(game.stop().await.success());
    place.drained().await;
    let told = refused(&place, "4").await;
    assert!(told.contains("the game already has 4 partitions"), "{told}");

    let output = repartition(&place, "3").await;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(told, "the game has 3 partitions now, it had 4\n");
    let output = run(&place, &["all"], &settings("4")).await;
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && told.contains("the game has 3 partitions, not 4"), "{told}");

    let game = Game::start(&place, "all", &settings("3")).await;
    assert_eq!(shown(&game).await, before);
    place.assert_verified(&settings("3")).await;
    play(&game, 0..PLAYERS).await;
    place.drained().await;
    place.assert_verified(&settings("3")).await;
    assert!(game.stop().await.success());
    place.assert_intact().await;
}
