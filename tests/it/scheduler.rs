//! The scheduler is killed at every point of a round's life, while the handler is stopped: it continues from its table,
//! and neither skips nor doubles a round.

use std::collections::BTreeMap;

use game::{Action, Round};
use rstest::rstest;
use store::{Position, Schedule, Scheduled, Stage, State};

use crate::place::Place;
use crate::place::Stack::{self, Embedded, Services};
use crate::support::{Game, alone, eventually, now_ms, with_auth};

/// A round about every three seconds; it lasts 0.2 s, or 1 s for a player with the largest extender.
const BUSY: [(&str, &str); 7] = [
    ("ROUND_ODDS", "1"),
    ("WINDOW_MS", "100"),
    ("GRACE_MS", "100"),
    ("ROUND_GAP_MS", "2001"),
    ("ROUND_LEAD_MS", "300"),
    ("PARTITIONS", "3"),
    ("OPERATOR_TOKEN", "secret-of-operators"),
];
const PARTITIONS: u16 = 3;

async fn start(place: &Place) -> Game {
    Game::start(place, "scheduler", &BUSY).await
}

/// Waits for a round for which `check` holds.
async fn round(schedule: &Schedule, id: u64, what: &str, check: impl Fn(&Scheduled) -> bool) -> Scheduled {
    let check = &check;
    eventually(
        &format!("round {id} is {what}"),
        || async move { schedule.get(id).await.unwrap().filter(check) },
    )
    .await
}

/// Waits for a round that is drawn and still secret.
async fn drawn(schedule: &Schedule, id: u64) -> Round {
    round(schedule, id, "drawn", |row| row.stage == Stage::Drawn).await.round
}

/// Waits for a round that is announced to every partition.
async fn announced(schedule: &Schedule, id: u64) -> Round {
    round(schedule, id, "announced", |row| row.stage == Stage::Announced).await.round
}

#[rstest]
#[tokio::test]
async fn a_scheduler_that_is_killed_neither_skips_nor_doubles_a_round(
    #[values(Embedded, Services)] stack: Stack,
) {
    let _alone = alone().await; // the scheduler must be back before the round opens
    let place = Place::new(stack).await;
    let scheduler = start(&place).await;
    let schedule = place.store().schedule().await.unwrap();

    // Killed between drawing and announcing: the next scheduler keeps the drawn round.
    let first = drawn(&schedule, 1).await;
    scheduler.kill().await;
    let scheduler = start(&place).await;
    assert_eq!(announced(&schedule, 1).await, first);

    // Killed after an announcement, before the end of the round.
    scheduler.kill().await;
    let scheduler = start(&place).await;
    assert_eq!(round(&schedule, 1, "over", |row| row.ticks_sent > 0).await.round, first);

    // Killed between drawing and announcing, and restarted after the opening: the round is unannounced, so it opens
    // later.
    let missed = drawn(&schedule, 2).await;
    scheduler.kill().await;
    eventually("the opening passes", || async { (now_ms() > missed.opens_at_ms).then_some(()) }).await;
    let scheduler = start(&place).await;
    assert!(announced(&schedule, 2).await.opens_at_ms > missed.opens_at_ms);

    // Killed after it fixed a round, before it announced the round.
    let third = drawn(&schedule, 3).await;
    scheduler.kill().await;
    let fixed = Scheduled { round: third, by_operator: false, stage: Stage::Announcing, ticks_sent: 0 };
    assert!(schedule.replace_drawn(&third, &fixed).await.unwrap());
    let scheduler = start(&place).await;
    assert_eq!(announced(&schedule, 3).await, third);

    // Killed after announcements, before it recorded them; once for so long that the inbox has forgotten their ids.
    scheduler.kill().await;
    place.change_store("UPDATE schedule SET stage = 1 WHERE stage = 2").await;
    let scheduler = start(&place).await;
    announced(&schedule, 4).await;
    scheduler.kill().await;
    place.change_store("UPDATE schedule SET stage = 1 WHERE id = 2").await;
    if stack == Embedded {
        // Only the embedded inbox can be made to forget.
        place.change_inbox_file("DELETE FROM dedup WHERE id LIKE '~round-2-%'").await;
    }
    let scheduler = start(&place).await;
    announced(&schedule, 2).await;

    // A second scheduler where that is possible, and an ingest, through which operators open rounds.
    let second = if stack == Services { Some(start(&place).await) } else { None };
    let ingest = Game::start(&place, "ingest", &with_auth(&BUSY)).await;
    let by_operator = ingest.announce_round(300).await["round"].as_u64().unwrap();
    announced(&schedule, by_operator + 1).await;
    for process in [Some(scheduler), second, Some(ingest)].into_iter().flatten() {
        assert!(process.stop().await.success());
    }
    schedule.close().await;
    let (rounds, state, announcements) = applied(&place).await;
    check(&rounds, &state, &announcements, if stack == Embedded { 2 } else { 1 });
    assert!(rounds.iter().any(|row| row.by_operator && row.round.id == by_operator));
    place.assert_verified(&BUSY).await;
}

/// Number of times that each partition's journal has each announcement; different announcements have different keys.
type Announcements = BTreeMap<(u16, u64, i64), usize>;

/// Starts the handler, and reads the result of everything.
async fn applied(place: &Place) -> (Vec<Scheduled>, State, Announcements) {
    let handler = Game::start(place, "handler", &BUSY).await;
    place.drained().await;
    assert!(handler.stop().await.success());

    let schedule = place.store().schedule().await.unwrap();
    let mut rounds = Vec::new();
    while let Some(row) = schedule.get(rounds.len() as u64 + 1).await.unwrap() {
        rounds.push(row);
    }
    assert_eq!(schedule.latest().await.unwrap(), rounds.last().copied(), "the numbers have a hole");
    schedule.close().await;
    let reader = place.store().reader().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    let mut announcements = Announcements::new();
    for partition in 0..PARTITIONS {
        for message in audit.journal(partition, Position::default(), 100_000).await.unwrap() {
            assert!(message.buried.is_empty(), "{}", message.body);
            let envelope = engine::Envelope::decode(&message.body).unwrap();
            for entry in envelope.entries() {
                let entry = entry.unwrap();
                if let Action::Announce(round) = wire::decode_action(entry.payload, String::new).unwrap() {
                    *announcements.entry((partition, round.id, round.opens_at_ms)).or_default() += 1;
                }
            }
        }
    }
    let state = audit.state().await.unwrap();
    drop(audit);
    assert_eq!(reader.counts().await.unwrap().outbox_pending, state.rounds.len() as u64);
    reader.close().await;
    (rounds, state, announcements)
}

/// The second round must be in the journal this many times, every other round once.
fn check(rounds: &[Scheduled], state: &State, announcements: &Announcements, second: usize) {
    for pair in rounds.windows(2) {
        assert!(pair[0].round.cutoff_max_ms() < pair[1].round.opens_at_ms, "they overlap: {pair:?}");
    }
    let told: Vec<Round> =
        rounds.iter().filter(|row| row.stage == Stage::Announced).map(|row| row.round).collect();
    assert!(told.len() >= 6, "{rounds:?}");
    assert!(rounds.len() - told.len() <= 1, "only the latest round may be secret: {rounds:?}");
    for partition in 0..PARTITIONS {
        let known: Vec<_> = state
            .rounds
            .range((partition, 0)..=(partition, u64::MAX))
            .map(|(_, known)| known.round)
            .collect();
        assert_eq!(known, told, "partition {partition}");
    }
    let expected: Announcements = (0..PARTITIONS)
        .flat_map(|partition| told.iter().map(move |round| (partition, round)))
        .map(|(partition, round)| {
            ((partition, round.id, round.opens_at_ms), if round.id == 2 { second } else { 1 })
        })
        .collect();
    assert_eq!(*announcements, expected);
}
