//! The first client is in use and must keep working unchanged.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use rstest::rstest;
use serde_json::Value;

use crate::place::Stack::{self, Embedded, Services};
use crate::support::{Game, answer, beside_others};

/// Sends a request like the first client: wrapped fields, as text/plain, with no other header.
async fn send(game: &Game, path: &str, body: &str) -> (u16, Value) {
    let request = game.request(Method::POST, path).header(CONTENT_TYPE, "text/plain").body(body.to_owned());
    answer(request).await
}

#[rstest]
#[tokio::test]
async fn plays_a_whole_round(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let (_place, game) = Game::by_hand(stack).await;
    let (status, added) = send(
        &game,
        "/add",
        r#"{"RequestBody":{"username":"grace","token":"device-1","platform":"android"}}"#,
    )
    .await;
    assert_eq!(status, 202);
    assert!(added["id"].is_string() && added["arrived_at"].is_i64(), "{added}");

    game.open_round().await;
    let (status, _) = send(&game, "/press", r#"{"RequestBody":{"username":"grace","streak":41}}"#).await;
    assert_eq!(status, 202);
    // The rank is null while Redis takes longer than 100 ms, which happens on a busy machine.
    let grace = game.player("grace", |body| body["pressed"] == true && !body["rank"].is_null()).await;
    assert_eq!((&grace["score"], &grace["streak"], &grace["rank"]), (&1.into(), &1.into(), &1.into()));

    let purchase = r#"{"RequestBody":{"username":"grace","powerUpType":"EXTENDER","quantity":1.5}}"#;
    assert_eq!(send(&game, "/powerups", purchase).await.0, 202);
    let grace = game.player("grace", |body| !body["last_purchase"].is_null()).await;
    assert_eq!(grace["last_purchase"]["outcome"], "not_enough_points");
    let (status, board) = game.get("/fetch/lb").await;
    assert_eq!((status, &board[0]["username"], &board[0]["score"]), (200, &"grace".into(), &1.into()));
}
