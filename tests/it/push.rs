//! Pushes, with the sink that records them: each device once a round, not before the opening, and continued after a
//! crash.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use queue::Outgoing;
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, Game, beside_others, eventually, full, now_ms, with_auth};

fn recording() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("PUSH_SINK", "record")]).collect()
}

fn parsed(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn recorded(place: &Place) -> Vec<Value> {
    parsed(&std::fs::read_to_string(place.folder().join("pushes.jsonl")).unwrap_or_default())
}

async fn no_more_pending(place: &Place) {
    let outbox = place.store().outbox().await.unwrap();
    eventually("the outbox is worked off", || async { (outbox.pending().await.unwrap() == 0).then_some(()) })
        .await;
    outbox.close().await;
}

#[rstest]
#[tokio::test]
async fn each_device_is_pushed_to_once_a_round_and_not_before_it_opens(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let settings: Vec<_> = recording().into_iter().chain([("PARTITIONS", "3")]).collect();
    let game = Game::start(&place, "all", &settings).await;
    // A second worker shares the rows.
    let second = Game::start(&place, "push", &settings).await;
    let mut devices = BTreeMap::new();
    for number in 0..30 {
        let (username, token) = (format!("player-{}", number / 2), format!("device-{number}"));
        let body = json!({ "username": username, "token": token, "platform": "ios" });
        assert_eq!(game.post("/add", body.to_string()).await.0, 202);
        devices.insert(token, username);
    }
    // A device that changed hands belongs to the last player who claimed it.
    let body = json!({ "username": "heir", "token": "device-7", "platform": "android" });
    assert_eq!(game.post("/add", body.to_string()).await.0, 202);
    devices.insert("device-7".to_owned(), "heir".to_owned());
    game.player("heir", |_| true).await;

    for number in 1..=2 {
        let round = game.announce_round(1_000).await;
        let (opens_at, closes_at) =
            (round["opens_at"].as_i64().unwrap(), round["closes_at"].as_i64().unwrap());
        let outbox = place.store().outbox().await.unwrap();
        eventually("the pushes are known to every partition", || async {
            let pending = outbox.pending().await.unwrap();
            (pending == 3 || now_ms() >= opens_at).then_some(())
        })
        .await;
        outbox.close().await;
        let topic = format!("round/{number}");
        let of_round =
            || recorded(&place).into_iter().filter(|push| push["topic"] == topic).collect::<Vec<_>>();
        loop {
            let pushed = of_round().len();
            // Counted before the opening, so it must be zero.
            if now_ms() >= opens_at {
                break;
            }
            assert_eq!(pushed, 0, "pushed before the round opened");
            tokio::task::yield_now().await;
        }
        eventually("every device is pushed to", || async {
            (of_round().len() >= devices.len()).then_some(())
        })
        .await;
        no_more_pending(&place).await;
        let pushed = of_round();
        assert_eq!(pushed.len(), devices.len(), "{pushed:?}");
        for push in &pushed {
            let (username, token) = (push["username"].as_str().unwrap(), push["token"].as_str().unwrap());
            assert_eq!(devices.get(token).map(String::as_str), Some(username), "{push}");
            let says = json!({ "message": "PRESS BUTTON", "round": number.to_string(), "opens_at": opens_at.to_string(),
                "closes_at": closes_at.to_string() });
            assert_eq!(push["data"], says);
            assert_eq!(push["platform"], if token == "device-7" { "android" } else { "ios" });
        }
        let tokens: std::collections::BTreeSet<_> =
            pushed.iter().map(|push| push["token"].as_str().unwrap()).collect();
        assert_eq!(tokens.len(), devices.len(), "a device was pushed to twice");
    }
    let pushed =
        game.metric("buttonparty_pushes_total").await + second.metric("buttonparty_pushes_total").await;
    assert_eq!(pushed, 2.0 * devices.len() as f64);
    for process in [game, second] {
        assert!(process.stop().await.success());
    }
}

/// A process that was down during a round sends no push for it later.
#[rstest]
#[tokio::test]
async fn a_round_that_is_over_is_not_pushed(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &recording()).await;
    let body = json!({ "username": "ada", "token": "device", "platform": "ios" });
    assert_eq!(game.post("/add", body.to_string()).await.0, 202);
    game.player("ada", |_| true).await;
    let round = game.announce_round(2_000).await;
    let outbox = place.store().outbox().await.unwrap();
    eventually("the push waits", || async { (outbox.pending().await.unwrap() == 1).then_some(()) }).await;
    game.kill().await;
    assert!(now_ms() < round["opens_at"].as_i64().unwrap(), "it was killed before the round opened");
    let closes_at = round["closes_at"].as_i64().unwrap();
    eventually("the round is over", || async { (now_ms() >= closes_at).then_some(()) }).await;
    let game = Game::start(&place, "all", &recording()).await;
    no_more_pending(&place).await;
    assert_eq!(recorded(&place), Vec::<Value>::new());
    assert_eq!(game.metric("buttonparty_pushes_expired_total").await, 1.0);
    outbox.close().await;
    assert!(game.stop().await.success());
}

/// Number of devices per page.
const PAGE: usize = server::bounds::PUSH_PAGE as usize;
/// Two pages and a part of a third.
const DEVICES: usize = 2 * PAGE + 200;

/// Adds all players with their devices, in one message put directly into the inbox.
async fn add_devices(place: &Place) {
    let queue = place.inbox().await;
    let entry = |number: usize| {
        let add =
            json!({ "username": format!("player-{number:04}"), "token": format!("device-{number:04}") });
        json!({ "at": now_ms(), "c": { "add": add } }).to_string()
    };
    let entries: Vec<_> = (0..DEVICES).map(entry).collect();
    let entries = entries.join(",");
    let body = format!(
        r#"{{"v":1,"inbox":"{}","partitions":1,"id":"many","entries":[{entries}]}}"#,
        queue.inbox_id()
    );
    assert!(
        queue.send(&[Outgoing { partition: 0, id: "many".to_owned(), body, quiet: false }]).await[0].is_ok()
    );
    queue.close().await;
    place.drained().await;
}

/// Rounds opened by operators only, and longer than a dead worker's lease.
const LONG: [(&str, &str); 5] = [
    ("ROUND_ODDS", "0"),
    ("WINDOW_MS", "90000"),
    ("GRACE_MS", "1000"),
    ("ROUND_GAP_MS", "460000"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];

/// A worker is killed while it sends: the next one continues at the cursor. The sink is a pipe of 64 KiB, less than a
/// page, so the kill is certain to be in the middle of a page.
#[rstest]
#[tokio::test]
async fn a_push_that_is_killed_in_the_middle_is_resumed(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let pipe = place.folder().join("pushes.jsonl");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let pusher = Game::start(&place, "push", &recording()).await;
    let handler = Game::start(&place, "handler", &LONG).await;
    let ingest = Game::start(&place, "ingest", &with_auth(&LONG)).await;
    add_devices(&place).await;

    let opened = pipe.clone();
    let read = tokio::task::spawn_blocking(move || {
        // Opened for both directions, so that reading does not end when the writer closes the pipe between two pages.
        let mut file = std::fs::OpenOptions::new().read(true).write(true).open(opened).unwrap();
        let (mut text, mut bytes) = (Vec::new(), [0; 4_096]);
        while text.iter().filter(|byte| **byte == b'\n').count() <= PAGE {
            let read = file.read(&mut bytes).unwrap();
            text.extend_from_slice(&bytes[..read]);
        }
        (file, text)
    });
    ingest.announce_round(100).await;
    let (open_end, text) = timeout(crate::support::DEADLINE, read).await.unwrap().unwrap();
    pusher.kill().await;
    let whole_lines = &text[..=text.iter().rposition(|byte| *byte == b'\n').unwrap()];
    let before = parsed(std::str::from_utf8(whole_lines).unwrap());
    assert!((PAGE + 1..2 * PAGE).contains(&before.len()), "{} of {DEVICES}", before.len());
    drop(open_end);
    std::fs::remove_file(&pipe).unwrap();

    // The dead worker's lease expires after 30 s (short run: 5 s).
    if full(false, true) {
        let lease = "UPDATE outbox SET lease_until_ms = lease_until_ms - 25000 WHERE done_at_ms IS NULL";
        place.change_store(lease).await;
    }
    let next = Game::start(&place, "push", &recording()).await;
    let outbox = place.store().outbox().await.unwrap();
    let done = async {
        while outbox.pending().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(60), done).await.expect("the lease runs out and the rest is pushed");
    outbox.close().await;
    let after = recorded(&place);
    let tokens = |pushed: &[Value]| {
        pushed.iter().map(|push| push["token"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let device = |number: usize| format!("device-{number:04}");
    // The first page was recorded, so its devices get no second push; all later devices get one, in order.
    assert_eq!(tokens(&after), (PAGE..DEVICES).map(device).collect::<Vec<_>>());
    assert_eq!(tokens(&before), (0..before.len()).map(device).collect::<Vec<_>>());
    for process in [next, handler, ingest] {
        assert!(process.stop().await.success());
    }
}
