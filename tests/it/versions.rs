//! Data of an earlier version works with this one. `tests/fixtures` says how the files were made.

use std::fs;
use std::path::{Path, PathBuf};

use rstest::rstest;
use serde_json::{Value, json};

use crate::place::Stack::{self, Embedded, Services};
use crate::place::{GAME, INBOX, Place, open};
use crate::support::{BY_HAND, Game, beside_others, eventually, run, with_auth};

/// Username, score and streak of each player there.
const PLAYERS: [(&str, u64, u64); 7] = [
    ("ada", 495, 12),
    ("bob", 11, 1),
    ("cyd", 12, 2),
    ("dan", 12, 0),
    ("eve", 11, 1),
    ("fay", 12, 2),
    ("zoë", 12, 0),
];
/// Rows of its outbox: 12 rounds in 2 partitions, all waiting, all for rounds that are over.
const WAITING: i64 = 24;
/// The players' devices there.
const DEVICES: usize = 4;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/schema-2").join(name)
}

/// A place with data of the version with two migrations.
async fn written_before(stack: Stack) -> Place {
    let place = Place::new(stack).await;
    match stack {
        Embedded => {
            for file in [INBOX, GAME] {
                fs::copy(fixture(file), place.folder().join(file)).unwrap();
            }
        }
        Services => place.restore(&fs::read_to_string(fixture("game.sql")).unwrap()).await,
    }
    place
}

/// Number of waiting outbox rows with an expiry.
async fn expiring(place: &Place) -> i64 {
    const QUESTION: &str =
        "SELECT count(*) FROM outbox WHERE done_at_ms IS NULL AND expires_at_ms IS NOT NULL";
    match place.stack() {
        Embedded => {
            let mut connection = open(&place.folder().join(GAME)).await;
            sqlx::query_scalar(QUESTION).fetch_one(&mut connection).await.unwrap()
        }
        Services => sqlx::query_scalar(QUESTION).fetch_one(&mut place.database().await).await.unwrap(),
    }
}

#[rstest]
#[tokio::test]
async fn what_the_version_before_has_written_is_served(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = written_before(stack).await;
    let settings = with_auth(&BY_HAND);
    // A round lasts 12 s, so that its pushes do not expire on a busy machine.
    let longer = [("WINDOW_MS", "11000"), ("ROUND_GAP_MS", "60001")];
    let others = [("PARTITIONS", "2"), ("PUSH_SINK", "record")];
    let settings: Vec<_> = settings.into_iter().chain(longer).chain(others).collect();
    // The fixture has an inbox file, but no queue.
    let adopt: &[&str] = if stack == Services { &["--adopt-inbox"] } else { &[] };
    let output = run(&place, &[&["migrate"], adopt].concat(), &settings).await;
    assert!(output.status.success(), "{output:?}");
    assert_eq!(expiring(&place).await, WAITING);
    // The replayed journal equals the stored rows.
    place.assert_verified(&settings).await;

    let game = Game::start(&place, "all", &settings).await;
    for (username, score, streak) in PLAYERS {
        let query = format!("/fetch/self?username={}", crate::support::encoded(username));
        let (status, player) = game.get(&query).await;
        let shown = (status, &player["score"], &player["streak"]);
        assert_eq!(shown, (200, &json!(score), &json!(streak)), "{player}");
    }
    game.open_round().await;
    let ada = game.press_and_see("ada").await;
    assert_eq!((&ada["last_press"]["round"], &ada["streak"]), (&json!(13), &json!(13)), "{ada}");
    // The waiting pushes have expired; the devices get only the new round's.
    let outbox = place.store().outbox().await.unwrap();
    eventually("the outbox is empty", || async { (outbox.pending().await.unwrap() == 0).then_some(()) })
        .await;
    outbox.close().await;
    let pushed = fs::read_to_string(place.folder().join("pushes.jsonl")).unwrap();
    let rounds =
        pushed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["data"]["round"].clone());
    assert_eq!(rounds.collect::<Vec<_>>(), vec![json!("13"); DEVICES], "{pushed}");
    place.drained().await;
    assert!(game.stop().await.success());
    place.assert_verified(&settings).await;
}
