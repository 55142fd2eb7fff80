//! The scheduler killed at every moment of a round's life, the handler stopped all the while: it goes on from its
//! table, and neither skips nor doubles a round.

use std::collections::BTreeMap;
use std::path::Path;

use game::{Action, Round};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, SqliteConnection};
use store::{Position, Schedule, Scheduled, Stage, State};

use crate::support::{Game, beside_others, eventually, inbox, now_ms, run, store, with_auth};

/// A round every three seconds or so, lit for 0.2 s, for a player with the largest extender for 1 s.
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

async fn start(data: &Path) -> Game {
    Game::start(data, "scheduler", &BUSY).await
}

/// A round, as soon as `check` holds for it.
async fn round(schedule: &Schedule, id: u64, what: &str, check: impl Fn(&Scheduled) -> bool) -> Scheduled {
    let check = &check;
    eventually(
        &format!("round {id} is {what}"),
        || async move { schedule.get(id).await.unwrap().filter(check) },
    )
    .await
}

/// A round that is secret still, as soon as there is one.
async fn drawn(schedule: &Schedule, id: u64) -> Round {
    round(schedule, id, "drawn", |row| row.stage == Stage::Drawn).await.round
}

/// A round that every partition has been told of, as soon as it is.
async fn announced(schedule: &Schedule, id: u64) -> Round {
    round(schedule, id, "announced", |row| row.stage == Stage::Announced).await.round
}

/// Changes a file that no process uses meanwhile, so that it is as a crash at a certain moment leaves it.
async fn change(file: &Path, statement: &'static str) {
    let mut connection: SqliteConnection =
        SqliteConnectOptions::new().filename(file).connect().await.unwrap();
    assert_ne!(
        sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected(),
        0,
        "{statement}"
    );
    sqlx::Connection::close(connection).await.unwrap();
}

#[tokio::test]
async fn a_scheduler_that_is_killed_neither_skips_nor_doubles_a_round() {
    let _beside = beside_others().await;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    let scheduler = start(data).await;
    let schedule = store(data).schedule().await.unwrap();

    // Killed between the drawing and the announcement: the next one keeps what was drawn.
    let first = drawn(&schedule, 1).await;
    scheduler.kill().await;
    let scheduler = start(data).await;
    assert_eq!(announced(&schedule, 1).await, first);

    // Killed after an announcement, before the round has ended.
    scheduler.kill().await;
    let scheduler = start(data).await;
    assert_eq!(round(&schedule, 1, "over", |row| row.ticks_sent > 0).await.round, first);

    // Killed between drawing and announcing, and gone until after the opening: nobody has been told of the round, so
    // it opens later.
    let missed = drawn(&schedule, 2).await;
    scheduler.kill().await;
    eventually("the opening passes", || async { (now_ms() > missed.opens_at_ms).then_some(()) }).await;
    let scheduler = start(data).await;
    assert!(announced(&schedule, 2).await.opens_at_ms > missed.opens_at_ms);

    // Killed after it fixed a round for ever, before it announced it.
    drawn(&schedule, 3).await;
    scheduler.kill().await;
    let fixed = schedule.freeze(3).await.unwrap().unwrap();
    let scheduler = start(data).await;
    assert_eq!(announced(&schedule, 3).await, fixed.round);

    // Killed after announcements, before it noted them; and once so late that the inbox has forgotten them.
    scheduler.kill().await;
    change(&data.join("game.sqlite"), "UPDATE schedule SET stage = 1 WHERE stage = 2").await;
    let scheduler = start(data).await;
    announced(&schedule, 4).await;
    scheduler.kill().await;
    change(&data.join("game.sqlite"), "UPDATE schedule SET stage = 1 WHERE id = 2").await;
    change(&data.join("inbox.sqlite"), "DELETE FROM dedup WHERE id LIKE '~round-2-%'").await;
    let scheduler = start(data).await;
    announced(&schedule, 2).await;

    // Beside it a second one, and ingest, which opens rounds for operators.
    let second = start(data).await;
    let ingest = Game::start(data, "ingest", &with_auth(&BUSY)).await;
    let by_operator = ingest.announce_round(100).await["round"].as_u64().unwrap();
    announced(&schedule, by_operator + 1).await;
    for process in [scheduler, second, ingest] {
        assert!(process.stop().await.success());
    }
    schedule.close().await;
    let (rounds, state, announcements) = applied(data).await;
    check(&rounds, &state, &announcements);
    assert!(rounds.iter().any(|row| row.by_operator && row.round.id == by_operator));
    assert!(run(data, &["verify"], &BUSY).await.status.success());
}

/// How often each partition's journal has each announcement; one that differs from another is another key.
type Announcements = BTreeMap<(u16, u64, i64), usize>;

/// Starts the handler at last, and reads what it made of everything.
async fn applied(data: &Path) -> (Vec<Scheduled>, State, Announcements) {
    let handler = Game::start(data, "handler", &BUSY).await;
    let queue = inbox(data).await;
    eventually("the inbox is empty", || async {
        (queue.backlog().await.unwrap().messages == 0).then_some(())
    })
    .await;
    assert_eq!(queue.backlog().await.unwrap().dead, 0);
    queue.close().await;
    assert!(handler.stop().await.success());

    let schedule = store(data).schedule().await.unwrap();
    let mut rounds = Vec::new();
    while let Some(row) = schedule.get(rounds.len() as u64 + 1).await.unwrap() {
        rounds.push(row);
    }
    assert_eq!(schedule.latest().await.unwrap(), rounds.last().copied(), "the numbers have a hole");
    schedule.close().await;
    let reader = store(data).reader().await.unwrap();
    let mut audit = reader.audit().await.unwrap();
    let mut announcements = Announcements::new();
    for partition in 0..PARTITIONS {
        for message in audit.journal(partition, Position::default(), 100_000).await.unwrap() {
            assert!(message.buried.is_empty(), "{}", message.body);
            let envelope = wire::decode(&message.body).unwrap();
            for entry in envelope.raw_entries() {
                let entry = wire::Entry::decode(entry).unwrap();
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

fn check(rounds: &[Scheduled], state: &State, announcements: &Announcements) {
    for pair in rounds.windows(2) {
        assert!(pair[0].round.cutoff_max_ms() < pair[1].round.opens_at_ms, "they overlap: {pair:?}");
    }
    let told: Vec<Round> =
        rounds.iter().filter(|row| row.stage == Stage::Announced).map(|row| row.round).collect();
    assert!(told.len() >= 6, "{rounds:?}");
    assert!(rounds.len() - told.len() <= 1, "only the latest round may be secret: {rounds:?}");
    for partition in 0..PARTITIONS {
        let known: Vec<_> =
            state.rounds.range((partition, 0)..=(partition, u64::MAX)).map(|(_, round)| *round).collect();
        assert_eq!(known, told, "partition {partition}");
    }
    let expected: Announcements = (0..PARTITIONS)
        .flat_map(|partition| told.iter().map(move |round| (partition, round)))
        .map(|(partition, round)| {
            ((partition, round.id, round.opens_at_ms), if round.id == 2 { 2 } else { 1 })
        })
        .collect();
    assert_eq!(*announcements, expected);
}
