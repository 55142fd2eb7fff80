//! A clock that is wrong for a while: its effects are corrected, or operators are told.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::live::listener::{Listener, Told};
use crate::place::Place;
use crate::place::Stack::Embedded;
use crate::support::{BY_HAND, Game, answer, beside_others, command, eventually, now_ms, with_auth};

/// How far a clock is ahead: more than the longest lead that an operator may ask for.
const AHEAD_MS: i64 = 7_200_000;
/// The library of Debian's package `faketime`, which changes the time that a process sees.
const FAKETIME: &str = "/usr/lib/*/faketime/libfaketime.so.1";

#[tokio::test]
async fn a_lease_from_the_future_keeps_nobody_out() {
    let _beside = beside_others().await;
    let (place, game) = Game::by_hand(Embedded).await;
    game.add("ada").await;
    game.player("ada", |_| true).await;
    assert!(game.stop().await.success());
    place.change_inbox_file("UPDATE leases SET until_ms = unixepoch() * 1000 + 3600000").await;
    let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
    game.add("bob").await;
    game.player("bob", |_| true).await;
    assert!(game.stop().await.success());
}

/// The clock of a process, read from this folder.
struct Clock<'a>(&'a Path);

impl Clock<'_> {
    /// Sets the clock this far ahead of the machine's.
    fn set(&self, ahead_ms: i64) {
        // Replaced atomically: the process reads the file at each look at the clock.
        let (new, file) = (self.0.join("clock.new"), self.0.join("clock"));
        std::fs::write(&new, format!("{:+}.{:03}\n", ahead_ms / 1_000, ahead_ms % 1_000)).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    fn give_to(&self, command: &mut tokio::process::Command) {
        let library = std::fs::read_dir("/usr/lib").unwrap().find_map(|folder| {
            let library = folder.unwrap().path().join("faketime/libfaketime.so.1");
            library.exists().then_some(library)
        });
        let library = library.unwrap_or_else(|| panic!("{FAKETIME} is missing: apt-get install faketime"));
        command.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", self.0.join("clock"));
        for name in ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"] {
            command.env(name, "1");
        }
    }
}

#[tokio::test]
async fn a_clock_that_was_ahead_holds_nothing_up_and_operators_are_told_what_waits() {
    let _beside = beside_others().await;
    let place = Place::new(Embedded).await;
    let clock = Clock(place.folder());
    clock.set(AHEAD_MS);
    // A round is open for longer than the test.
    let settings = [("WINDOW_MS", "100000"), ("ROUND_GAP_MS", "3600000")];
    let settings: Vec<_> = with_auth(&BY_HAND).into_iter().chain(settings).collect();
    let mut all = command(&place, &["all"], &settings);
    clock.give_to(&mut all);
    let game = Game::spawn(all, place.folder(), "all").await;
    let mut listener = Listener::connect(&game).await;
    game.add("ada").await;
    listener.until(|told| told.topic == "board" && told.data[0]["username"] == "ada").await;
    let round = game.announce_round(100).await;
    let opens_at = round["opens_at"].as_i64().unwrap();
    assert!(opens_at > now_ms() + AHEAD_MS / 2, "its clock is ahead: {round}");
    listener.until(|told| told.data["state"] == "open" && told.data["round"] == 1).await;
    let (status, ready) = game.get("/readyz").await;
    assert_eq!((status, &ready["checks"]["schedule"]), (200, &Value::Null), "{ready}");

    clock.set(0);
    // Clients that saw the round are told that it is over; requests and new listeners see no round.
    let closed = listener.until(|told| told.topic == "round" && told.data["state"] == "closed").await;
    assert!(closed.data["now"].as_i64().unwrap() < opens_at, "{closed:?}");
    game.add("bob").await;
    // Ada joined by the fast clock, so she ranks as later.
    let both = |told: &Told| told.topic == "board" && told.data[1]["username"] == "ada";
    listener.until(both).await;
    let bob = game.player("bob", |_| true).await;
    assert_eq!(bob["round"], Value::Null);
    let mut late = Listener::connect(&game).await;
    assert_eq!(late.next().await.topic, "board");
    game.add("carol").await;
    assert_eq!(late.next().await.topic, "board", "a round shows before it opens");
    assert_eq!(game.press_and_see("bob").await["last_press"]["outcome"], "not_open");

    // No other round opens before that round.
    let waiting = eventually("readiness says what is waited for", || async {
        let (status, ready) = game.get("/readyz").await;
        assert_eq!((status, &ready["ready"]), (200, &json!(true)), "it can do all but open rounds");
        ready["checks"]["schedule"].as_str().map(ToOwned::to_owned)
    })
    .await;
    assert!(waiting.contains("announced round 1 opens in 71"), "{waiting}");
    let open = game.request(Method::POST, "/admin/rounds").bearer_auth("secret-of-operators");
    let (status, refused) = answer(open.json(&json!({ "lead_ms": 100 }))).await;
    assert_eq!(status, 409, "{refused}");
    assert!(refused["retry_after_ms"].as_i64().unwrap() > AHEAD_MS / 2, "{refused}");
    let log = std::fs::read_to_string(&game.log).unwrap();
    assert_eq!(log.matches("a round was announced too far ahead").count(), 1, "{log}");
    eventually("the log says that the clock was set", || async {
        std::fs::read_to_string(&game.log).unwrap().contains("clock was set").then_some(())
    })
    .await;
    assert!(game.stop().await.success());
}
