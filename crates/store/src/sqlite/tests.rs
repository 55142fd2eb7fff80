//! What can only be seen from inside: what a reader's connection is able to do, what a statement touches, and what
//! SQLite itself says.

use std::pin::pin;
use std::time::Duration;

use game::{Action, Add, Round, Username};
use sqlx::{ConnectOptions as _, Connection as _, SqlitePool};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Database, Reader, Writer, migrate};
use crate::{Commit, Committed, Error, Migrated, Options, OutboxRow, Position, Prefetched};

const NOW_MS: i64 = 1_800_000_000_000;

async fn database(busy_timeout_ms: u64) -> (TempDir, Database, Writer) {
    let folder = TempDir::new().unwrap();
    let options = Options { busy_timeout_ms, ..Options::default() };
    let database = Database::new(&folder.path().join("game.sqlite"), options);
    migrate(&database).await.unwrap();
    let writer = Writer::open(&database).await.unwrap();
    writer.settle_identity("inbox", 1, NOW_MS).await.unwrap();
    (folder, database, writer)
}

async fn run(writer: &Writer, actions: &[Action], outbox: &[OutboxRow]) {
    let names: Vec<Username> = actions.iter().filter_map(|action| action.username().cloned()).collect();
    let Prefetched { from, mut world } = writer.prefetch(0, &names, &[]).await.unwrap();
    for action in actions {
        world.apply(NOW_MS, action).unwrap();
    }
    let to = Position { sequence: from.sequence + 1, ..from };
    let commit = Commit { partition: 0, from, to, world: &world, journal: &[], outbox };
    assert_eq!(writer.commit(commit).await.unwrap(), Committed::Done);
}

fn adds(players: usize) -> Vec<Action> {
    let add = |n| Add {
        username: Username::new(&format!("{n}")).unwrap(),
        name: None,
        platform: None,
        token: None,
    };
    (0..players).map(|n| Action::Add(add(n))).collect()
}

async fn scalar(pool: &SqlitePool, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_folder, database, _writer) = database(5_000).await;
    let reader = Reader::open(&database).await.unwrap();
    let statements = [
        "INSERT INTO meta (key, value) VALUES ('a', 'b')",
        "DELETE FROM partitions",
        "CREATE TABLE mine (a)",
        "PRAGMA user_version = 7",
    ];
    // Not even when it takes off the first of its two locks.
    for unlock in ["SELECT 1", "PRAGMA query_only = OFF"] {
        sqlx::query(unlock).execute(reader.pool()).await.unwrap();
        for statement in statements {
            let refused = sqlx::query(statement).execute(reader.pool()).await;
            let message = refused.unwrap_err().to_string();
            assert!(message.contains("readonly"), "{statement}: {message}");
        }
    }
}

/// Whatever the number of players, a round costs the same few rows.
#[tokio::test]
async fn announcing_a_round_writes_few_rows() {
    let mut written = Vec::new();
    for players in [1, 2_000] {
        let (_folder, _database, writer) = database(5_000).await;
        run(&writer, &adds(players), &[]).await;
        let before = scalar(writer.pool(), "SELECT total_changes()").await;
        let round = Round::new(1, NOW_MS + 1, 100_000, 10_000).unwrap();
        let push = OutboxRow {
            topic: "round-1".into(),
            payload: "{}".into(),
            due_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + 1,
        };
        run(&writer, &[Action::Announce(round), Action::Tick { through_ms: NOW_MS }], &[push]).await;
        written.push(scalar(writer.pool(), "SELECT total_changes()").await - before);
    }
    assert_eq!(written, [3, 3], "the position, the round and the push");
}

#[tokio::test]
async fn an_unchanged_top_is_not_written_again() {
    let (_folder, _database, writer) = database(5_000).await;
    run(&writer, &adds(200), &[]).await;
    let before = scalar(writer.pool(), "SELECT total_changes()").await;
    let last = &adds(200)[199..]; // "99" is within the first 100 by name, "199" is not
    let last = [last[0].clone(), adds(200)[150].clone()];
    run(&writer, &last, &[]).await;
    let written = scalar(writer.pool(), "SELECT total_changes()").await - before;
    assert_eq!(written, 3, "the position and two players");
}

#[tokio::test]
async fn who_waits_too_long_is_told_that_it_is_busy() {
    let (_folder, database, writer) = database(20).await;
    let other = database.write_pool().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let Prefetched { from, world } = writer.prefetch(0, &[], &[]).await.unwrap();
    let to = Position { sequence: 1, ..from };
    let commit = Commit { partition: 0, from, to, world: &world, journal: &[], outbox: &[] };
    let busy = writer.commit(commit).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && busy.is_transient(), "{busy:?}");
    held.rollback().await.unwrap();
    assert_eq!(writer.commit(commit).await.unwrap(), Committed::Done);
}

/// A new file that another is still turning into a WAL file: SQLite itself would not wait there.
#[tokio::test]
async fn migrating_waits_for_who_writes_to_a_new_file() {
    let folder = TempDir::new().unwrap();
    let database = Database::new(&folder.path().join("game.sqlite"), Options::default());
    let mut other = database.connect_options().create_if_missing(true).connect().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let impatient = Options { busy_timeout_ms: 50, ..Options::default() };
    let busy = migrate(&Database::new(&database.path, impatient)).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && busy.is_transient(), "{busy:?}");

    let mut waiting = pin!(migrate(&database));
    let early = timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "not before the other is done: {early:?}");
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Migrated { from: 0, to: migrate::known() });
}

#[tokio::test]
async fn what_is_no_database_is_corrupt() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("game.sqlite");
    std::fs::write(&path, "this is not a database, it only stands where one is expected".repeat(99)).unwrap();
    let error = migrate(&Database::new(&path, Options::default())).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }) && !error.is_transient(), "{error:?}");
}

/// Every statement that runs for each batch or each request finds its rows by a key.
#[tokio::test]
async fn nothing_scans_the_players_for_a_batch() {
    let (_folder, _database, writer) = database(5_000).await;
    run(&writer, &adds(10), &[]).await;
    let plan = "EXPLAIN QUERY PLAN SELECT p.username FROM json_each('[]') AS k CROSS JOIN players AS p
        ON p.partition = 0 AND p.username = k.value";
    let rows = sqlx::query_as::<_, (i64, i64, i64, String)>(plan).fetch_all(writer.pool()).await.unwrap();
    assert!(rows.iter().any(|row| row.3.contains("PRIMARY KEY (partition=? AND username=?)")), "{rows:?}");
}
