//! Makes the pictures of the page for the documents. Not part of a normal test run: `cargo test --workspace --test it
//! -- --ignored browser::screenshots`

use std::path::Path;

use futures_util::future::join_all;

use super::driver::{Browser, Screen, Step};
use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::Game;

/// Short rounds, several of which give the players scores.
const SHORT: [(&str, &str); 6] = [
    ("WINDOW_MS", "400"),
    ("GRACE_MS", "100"),
    ("ROUND_GAP_MS", "2501"),
    ("ROUND_ODDS", "0"),
    ("FIRST_ROUND_MS", "3600000"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];
/// A round that stays open while the pictures are taken.
const LONG: [(&str, &str); 6] = [
    ("WINDOW_MS", "60000"),
    ("GRACE_MS", "500"),
    ("ROUND_GAP_MS", "302501"),
    ("ROUND_ODDS", "0"),
    ("FIRST_ROUND_MS", "3600000"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];
const ROUNDS: usize = 12;
/// Username, name on the board, and how many of the last rounds the player presses in.
const PLAYERS: [(&str, &str, usize); 10] = [
    ("mira", "Mira", 12),
    ("tomasz", "Tomasz K.", 11),
    ("ada", "Ada L.", 11),
    ("zoe", "Zoë", 10),
    ("noor", "Noor", 9),
    ("felix", "Felix", 8),
    ("amara", "Amara O.", 7),
    ("li-wei", "Li Wei", 5),
    ("sofia", "Sofía", 3),
    ("ben", "Ben", 1),
];
const BYTES_MAX: usize = 150_000;

/// The gradients are dithered, which PNG compresses badly: a smaller pixel ratio keeps the files small.
const WIDE: Screen = Screen { width: 920, height: 580, pixel_ratio: 0.75, is_dark: false };

/// File, screen, and whether the player has pressed.
const PICTURES: [(&str, Screen, bool); 3] = [
    ("page-wide.png", WIDE, false),
    ("page-phone.png", Screen { width: 390, height: 844, pixel_ratio: 0.85, is_dark: false }, true),
    ("page-dark.png", Screen { is_dark: true, ..WIDE }, false),
];

#[tokio::test]
#[ignore = "writes the pictures of the page into docs"]
async fn pictures_of_the_page() -> Step {
    let place = Place::new(Embedded).await;
    let game = Game::start(&place, "dev", &SHORT).await;
    play(&game).await;
    assert!(game.stop().await.success());

    let game = Game::start(&place, "dev", &LONG).await;
    game.open_round().await;
    join_all(["mira", "noor", "li-wei"].map(|username| game.press_and_see(username))).await;
    for (file, screen, has_pressed) in PICTURES {
        let browser = Browser::start_on(screen).await?;
        let picture = take(&browser, &game.url, has_pressed).await;
        browser.close().await?;
        let picture = picture?;
        assert!(picture.len() < BYTES_MAX, "{file} has {} bytes", picture.len());
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(file), picture)?;
    }
    assert!(game.stop().await.success());
    Ok(())
}

/// Gives the players their scores and streaks.
async fn play(game: &Game) {
    for (username, name, _) in PLAYERS {
        let body = serde_json::json!({ "username": username, "name": name }).to_string();
        assert_eq!(game.post("/add", body).await.0, 202);
    }
    for round in 0..ROUNDS {
        game.open_round().await;
        let presses = PLAYERS.iter().filter(|(_, _, rounds)| round + rounds >= ROUNDS);
        join_all(presses.map(|(username, ..)| game.press(username))).await;
    }
    let (username, _, rounds) = PLAYERS[0];
    game.player(username, |body| body["streak"].as_u64() == Some(rounds as u64)).await;
}

/// Opens the page as a player, and takes a screenshot.
async fn take(browser: &Browser, url: &str, presses: bool) -> Step<Vec<u8>> {
    // A returning player: the celebration of a join or press would make each picture differ.
    browser.page.goto(url).await?;
    let username = if presses { "sofia" } else { "ada" };
    browser.script(&format!("localStorage.setItem('buttonparty.username', '{username}')")).await?;
    browser.page.refresh().await?;
    browser.shows("link", "live").await?;
    browser.shows("outcome", "Your last press").await?;
    browser.shows("board", "Ben").await?;
    browser.shows("shop", "700 pts").await?;
    if presses {
        browser.click("#button").await?;
        browser.shows("face", "Got it").await?;
    } else {
        browser.shows("face", "PRESS!").await?;
    }
    let still = "document.getAnimations().some((it) => it.effect.getTiming().iterations !== Infinity)";
    browser.until_true(&format!("!{still}")).await?;
    Ok(browser.page.screenshot().await?)
}
