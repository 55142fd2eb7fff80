//! Bad commands in the inbox: they become dead letters with a reason, the commands around them are applied, and dead
//! letters are listed and redriven.

use std::time::Duration;

use game::partition_of;
use queue::{DeadLetter, Limit, Outgoing, Queue};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{BY_HAND, DEADLINE, Game, beside_others, eventually, now_ms, run, with_auth};

const PARTITIONS: u16 = 2;
/// No practical limit.
const ALL: Limit = Limit { messages_max: 1_000, bytes_max: 1 << 20 };

fn settings() -> Vec<(&'static str, &'static str)> {
    with_auth(&BY_HAND).into_iter().chain([("PARTITIONS", "2")]).collect()
}

/// A username of this partition.
fn player_of(partition: u16, number: usize) -> String {
    let mut all = (0..).map(|try_| format!("player-{number}-{try_}"));
    all.find(|username| partition_of(username, PARTITIONS) == partition).unwrap()
}

/// The payload that adds a player.
fn add(username: &str) -> String {
    json!({ "at": now_ms(), "c": { "add": { "username": username } } }).to_string()
}

fn envelope(inbox: &str, partitions: u16, id: &str, entries: &[String]) -> String {
    let entries = entries.join(",");
    format!(r#"{{"v":1,"inbox":"{inbox}","partitions":{partitions},"id":"{id}","entries":[{entries}]}}"#)
}

async fn send(queue: &Queue, partition: u16, id: &str, body: String) {
    let sent = queue.send(&[Outgoing { partition, id: id.to_owned(), body, quiet: false }]).await;
    sent.into_iter().for_each(|sent| sent.unwrap());
}

/// All dead letters, as `dlq list` shows them.
async fn listed(place: &Place) -> Vec<Value> {
    let output = run(place, &["dlq", "list"], &settings()).await;
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let letters: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains(&format!("{} dead letter(s)", letters.len())), "{told}");
    letters
}

async fn dead(queue: &Queue, number: u64) {
    let buried = || async { (queue.backlog().await.unwrap().dead == number).then_some(()) };
    eventually(&format!("{number} dead letters"), buried).await;
}

/// Payloads that must become dead letters, each with a part of its reason.
fn poison(round: &Value) -> Vec<(String, &'static str)> {
    let now = now_ms();
    let entry = |command: Value| json!({ "at": now, "c": command }).to_string();
    let announce = |id: u64, opens_at_ms: i64| {
        entry(
            json!({ "announce": { "round": id, "opens_at_ms": opens_at_ms, "window_ms": 1000, "grace_ms": 1000 } }),
        )
    };
    let opens_at_ms = round["opens_at"].as_i64().unwrap();
    let press = json!({ "press": { "username": player_of(0, 0) } });
    vec![
        ("7".to_owned(), "not an entry"),
        ("null".to_owned(), "not an entry"),
        (json!([now, press]).to_string(), "not an entry"),
        (json!({ "c": press }).to_string(), "not an entry: missing field `at`"),
        (json!({ "at": now, "c": press, "extra": 1 }).to_string(), "unknown field `extra`"),
        (json!({ "at": -1, "c": press }).to_string(), "at: must be from 0 to 9007199254740991"),
        (json!({ "at": 1_i64 << 53, "c": press }).to_string(), "at: must be from 0 to 9007199254740991"),
        (json!({ "at": "now", "c": press }).to_string(), "not an entry"),
        (entry(json!({ "dance": {} })), "not a command: unknown variant `dance`"),
        (entry(json!({ "press": { "username": "" } })), "username: must not be empty"),
        (entry(json!({ "press": {} })), "missing field `username`"),
        (
            entry(json!({ "buy": { "username": player_of(0, 0), "powerup": "FREEZE", "level": 9 } })),
            "level: must be one of",
        ),
        (
            entry(json!({ "press": { "username": player_of(1, 0) } })),
            "belongs to partition 1, but is in partition 0",
        ),
        (entry(json!({ "tick": { "through_ms": -1 } })), "through_ms: must be from 0"),
        (announce(1, opens_at_ms + 1), "round 1 was announced before with other times"),
        (announce(2, opens_at_ms + 1_000), "round 2 overlaps round 1"),
        (announce(0, opens_at_ms + 100_000), "round"),
    ]
}

#[rstest]
#[tokio::test]
async fn poison_is_buried_with_its_reason_and_its_neighbours_are_applied(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &settings()).await;
    let round = game.open_round().await;
    let queue = place.inbox().await;
    let inbox_id = queue.inbox_id().to_owned();

    // Messages that are not envelopes, between good ones. SQS cannot send an empty one.
    let newer = r#"{"v":2,"inbox":"x","partitions":2,"id":"newer","entries":[],"more":true}"#;
    let empty = if stack == Embedded { "" } else { " " };
    let whole = [
        ("not an envelope", "not an envelope"),
        (empty, "not an envelope"),
        ("[1,\"x\",2,\"y\",[]]", "must be a JSON object"),
        (newer, "envelope version 2 is unknown, this program reads version 1"),
    ];
    for (number, (body, _)) in whole.into_iter().enumerate() {
        send(&queue, 0, &format!("whole-{number}"), body.to_owned()).await;
        let good =
            envelope(&inbox_id, PARTITIONS, &format!("good-{number}"), &[add(&player_of(0, 100 + number))]);
        send(&queue, 0, &format!("good-{number}"), good).await;
    }
    // One message in which every other entry is bad.
    let poison = poison(&round);
    let entries: Vec<_> =
        (0..).zip(&poison).flat_map(|(number, (bad, _))| [bad.clone(), add(&player_of(0, number))]).collect();
    send(&queue, 0, "mixed", envelope(&inbox_id, PARTITIONS, "mixed", &entries)).await;
    place.emptied().await;

    for number in (0..poison.len()).chain(100..100 + whole.len()) {
        let username = player_of(0, number);
        let player = game.player(&username, |_| true).await;
        assert_eq!(player["score"], 0, "{player}");
    }
    let letters = listed(&place).await;
    assert_eq!(letters.len(), whole.len() + poison.len());
    let find = |place: &str, body: &str| {
        let ends = format!("/{place}");
        let found = letters
            .iter()
            .find(|letter| letter["id"].as_str().unwrap().ends_with(&ends) && letter["body"] == body);
        found.unwrap_or_else(|| panic!("no dead letter {ends} with {body}: {letters:?}"))
    };
    for (body, reason) in whole {
        let letter = find("all", body);
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{letter}");
    }
    for (index, (bad, reason)) in poison.iter().enumerate() {
        let index = 2 * index;
        // A readable command keeps the id that it had in its envelope.
        let letter = find(&index.to_string(), &engine::envelope::with_id(bad, &format!("mixed.{index}")));
        assert!(letter["reason"].as_str().unwrap().contains(reason), "{letter}");
        assert!(letter["id"].as_str().unwrap().starts_with(&format!("{inbox_id}/0/")), "{letter}");
        assert_eq!(letter["partition"], 0);
    }
    assert_eq!(game.metric("buttonparty_buried_total").await, letters.len() as f64);
    eventually("the gauge follows", || async {
        (game.metric("buttonparty_dead_letters").await == letters.len() as f64).then_some(())
    })
    .await;
    queue.close().await;
    assert!(game.stop().await.success());
    place.assert_verified(&settings()).await;
}

/// A dead letter as the handler writes it: a command with its id and arrival time.
fn letter(id: &str, partition: u16, entry: &Value) -> DeadLetter {
    DeadLetter {
        id: id.to_owned(),
        partition,
        body: entry.to_string(),
        reason: "a bug that has been mended".to_owned(),
        buried_at_ms: now_ms(),
    }
}

#[rstest]
#[tokio::test]
async fn redriven_letters_are_judged_as_they_came(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &settings()).await;
    let (presser, buyer) = (player_of(0, 1), player_of(1, 2));
    game.add(&presser).await;
    game.add(&buyer).await;
    let opens_at = game.open_round().await["opens_at"].as_i64().unwrap();
    let queue = place.inbox().await;
    // Nobody presses in time; the round is over when the dead letter is redriven.
    game.wait_until(opens_at + 2_001).await;
    let pressed_at = opens_at + 7;
    let bought_at = opens_at + 9;
    let press = json!({ "id": "old.3", "at": pressed_at, "c": { "press": { "username": presser } } });
    let buy = json!({ "id": "old.4", "at": bought_at, "c": { "buy": { "username": buyer, "powerup": "FREEZE", "level": 1 } } });
    let poison = json!({ "id": "old.5", "at": pressed_at, "c": { "dance": {} } });
    queue
        .bury(&[
            letter("by/hand/1", 0, &press),
            letter("by/hand/2", 1, &buy),
            letter("by/hand/3", 0, &poison),
        ])
        .await
        .unwrap();
    assert_eq!(listed(&place).await.len(), 3);

    let unknown = run(&place, &["dlq", "redrive", "no/such/letter"], &settings()).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no/such/letter"), "{unknown:?}");
    assert_eq!(listed(&place).await.len(), 3);

    let redriven = run(&place, &["dlq", "redrive", "by/hand/1"], &settings()).await;
    assert_eq!(String::from_utf8_lossy(&redriven.stdout), "1 dead letter(s) sent again\n", "{redriven:?}");
    let player = game.player(&presser, |player| player["last_press"].is_object()).await;
    assert_eq!(
        player["last_press"],
        json!({ "round": 1, "outcome": "counted", "points": 1, "arrived_at": pressed_at })
    );
    assert_eq!(player["score"], 1);
    let left: Vec<_> = listed(&place).await.into_iter().map(|letter| letter["id"].clone()).collect();
    assert_eq!(left, ["by/hand/2", "by/hand/3"]);

    // Redrives all: a good one is applied under its old id, a bad one becomes a dead letter with a new id.
    let redriven = run(&place, &["dlq", "redrive"], &settings()).await;
    assert_eq!(String::from_utf8_lossy(&redriven.stdout), "2 dead letter(s) sent again\n", "{redriven:?}");
    let player = game.player(&buyer, |player| player["last_purchase"].is_object()).await;
    assert_eq!(player["last_purchase"], json!({ "id": "old.4", "outcome": "not_enough_points" }));
    dead(&queue, 1).await;
    let again = listed(&place).await.remove(0);
    assert_ne!(again["id"], "by/hand/3");
    assert_eq!(serde_json::from_str::<Value>(again["body"].as_str().unwrap()).unwrap(), poison);
    assert!(again["reason"].as_str().unwrap().contains("unknown variant `dance`"), "{again}");
    queue.close().await;
    assert!(game.stop().await.success());
    place.assert_verified(&settings()).await;
}

/// `dlq redrive` does not depend on the number of partitions: with a wrong number in the message the handler would
/// stop. The same is true of a whole message of the previous inbox, if it were sent unchanged.
#[rstest]
#[tokio::test]
async fn redriving_under_another_number_of_partitions_harms_nobody(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _beside = beside_others().await;
    let place = Place::new(stack).await;
    let game = Game::start(&place, "all", &settings()).await;
    let username = player_of(1, 1);
    let queue = place.inbox().await;
    let entry = json!({ "id": "old.1", "at": now_ms(), "c": { "add": { "username": username } } });
    let before = player_of(0, 2);
    let whole = envelope("the inbox before", PARTITIONS, "old", &[add(&before)]);
    let whole = DeadLetter { body: whole, ..letter("given-up", 0, &json!({})) };
    queue.bury(&[letter("by/hand/1", 1, &entry), whole]).await.unwrap();
    let others: Vec<_> = settings()
        .into_iter()
        .map(|(name, value)| (name, if name == "PARTITIONS" { "7" } else { value }))
        .collect();
    let redriven = run(&place, &["dlq", "redrive"], &others).await;
    assert!(redriven.status.success(), "{redriven:?}");
    game.player(&username, |_| true).await;
    game.player(&before, |_| true).await;
    assert_eq!(listed(&place).await.len(), 0);
    queue.close().await;
}

#[rstest]
#[tokio::test]
async fn a_message_of_another_game_stops_the_handler_and_stays(#[values(Embedded, Services)] stack: Stack) {
    let _beside = beside_others().await;
    for (what, partitions) in [("inbox elsewhere", 1), ("with 3 partitions", 3)] {
        let place = Place::new(stack).await;
        let handler = Game::start(&place, "handler", &BY_HAND).await;
        let queue = place.inbox().await;
        let id = if partitions == 1 { "elsewhere" } else { queue.inbox_id() };
        // A good message before and after it, in the same send: neither is lost.
        let bodies = [
            envelope(queue.inbox_id(), 1, "before", &[add("before")]),
            envelope(id, partitions, "foreign", &[add("foreign")]),
            envelope(queue.inbox_id(), 1, "after", &[add("after")]),
        ];
        let all = bodies.map(|body| Outgoing { partition: 0, id: body.clone(), body, quiet: false });
        assert!(queue.send(&all).await.iter().all(Result::is_ok));
        let log = handler.log.clone();
        assert_eq!(handler.wait().await.code(), Some(1));
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("the handler stopped") && log.contains(what), "{log}");
        // A server that delivers one message at a time has had the first of them applied.
        let backlog = queue.backlog().await.unwrap();
        let applied = if stack == Services { 0..=1 } else { 0..=0 };
        assert!(applied.contains(&(3 - backlog.messages)) && backlog.dead == 0, "{what}: {backlog:?}");

        // The handler stops each time until the message is removed; then everything continues.
        let again = Game::start(&place, "handler", &BY_HAND).await;
        assert_eq!(again.wait().await.code(), Some(1));
        remove(&queue, "foreign").await;
        let game = Game::start(&place, "all", &with_auth(&BY_HAND)).await;
        for username in ["before", "after"] {
            game.player(username, |_| true).await;
        }
        assert_eq!(game.get("/fetch/self?username=foreign").await.0, 404);
        queue.close().await;
    }
}

/// Removes the message whose body has this id, as an operator would while no handler runs: receives all messages, and
/// sends the others again.
async fn remove(queue: &Queue, id: &str) {
    let mut taken = Vec::new();
    let take_all = async {
        while queue.backlog().await.unwrap().messages > 0 {
            for batch in queue.receive(ALL, Duration::from_secs(1)).await.unwrap() {
                let last = batch.messages.last().unwrap().sequence;
                queue.ack(&batch.lease, last).await.unwrap();
                taken.extend(batch.messages.into_iter().map(|message| (batch.lease.partition(), message)));
            }
        }
    };
    timeout(DEADLINE, take_all).await.expect("the dead handler's lease runs out");
    let (removed, kept): (Vec<_>, Vec<_>) =
        taken.into_iter().partition(|(_, message)| message.body.contains(&format!(r#""id":"{id}""#)));
    assert_eq!(removed.len(), 1, "{removed:?}");
    for (partition, message) in kept {
        send(queue, partition, &format!("{}-again", message.id), message.body).await;
    }
}
