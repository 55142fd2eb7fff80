//! What can only be seen from inside: what a reader's connection is able to do, what a statement touches, and what
//! SQLite itself says.

use std::pin::pin;
use std::time::Duration;

use game::{Action, Add, Round, Username};
use ledger::{Committed, Ledger, Position, Session, Span};
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;
use tokio::time::timeout;

use super::{Database, Reader, migrate, migrations};
use crate::{Error, Memory, Migrated, Options, OutboxRow, save};

const NOW_MS: i64 = 1_800_000_000_000;

async fn database(busy_timeout_ms: u64) -> (TempDir, Database, Ledger) {
    let folder = TempDir::new().unwrap();
    let options = Options { busy_timeout_ms, ..Options::default() };
    let database = Database::new(&folder.path().join("game.sqlite"), options);
    migrate(&database).await.unwrap();
    let ledger = database.ledger().await.unwrap();
    ledger.settle_identity("inbox", 1, NOW_MS).await.unwrap();
    (folder, database, ledger)
}

async fn run(ledger: &Ledger, actions: &[Action], outbox: &[OutboxRow]) {
    assert_eq!(try_run(ledger, actions, outbox).await.unwrap(), Committed::Done);
}

async fn try_run(ledger: &Ledger, actions: &[Action], outbox: &[OutboxRow]) -> Result<Committed, Error> {
    let names: Vec<Username> = actions.iter().filter_map(|action| action.username().cloned()).collect();
    let mut connection = ledger.acquire().await.unwrap();
    let mut read = connection.read(0).await.unwrap();
    let from = read.position();
    let mut batch = Memory::default().load(&mut read, &names, &[]).await.unwrap();
    read.end().await.unwrap();
    for action in actions {
        batch.world.apply(game::Stamps::of_arrival(NOW_MS), action).unwrap();
    }
    let span = Span { partition: 0, from, to: Position { sequence: from.sequence + 1, ..from } };
    let writing = async {
        let Some(mut write) = connection.write(span, batch.world.applied_through_ms).await? else {
            return Ok(Committed::Fenced);
        };
        save(&mut write, &mut batch, outbox).await?;
        write.commit(&[]).await?;
        Ok(Committed::Done)
    };
    let written = writing.await;
    connection.release(written)
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

/// Asks the connection that writes.
async fn scalar(ledger: &Ledger, statement: &'static str) -> i64 {
    let mut connection = ledger.acquire().await.unwrap();
    let Session::Sqlite(connection) = connection.session() else { panic!("it is a file") };
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_folder, database, _ledger) = database(5_000).await;
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
        let (_folder, _database, ledger) = database(5_000).await;
        run(&ledger, &adds(players), &[]).await;
        let before = scalar(&ledger, "SELECT total_changes()").await;
        let round = Round::new(1, NOW_MS + 1, 100_000, 10_000).unwrap();
        let push = OutboxRow {
            topic: "round-1".into(),
            payload: "{}".into(),
            due_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + 1,
        };
        run(&ledger, &[Action::Announce(round), Action::Tick { through_ms: NOW_MS }], &[push]).await;
        written.push(scalar(&ledger, "SELECT total_changes()").await - before);
    }
    assert_eq!(written, [3, 3], "the position, the round and the push");
}

#[tokio::test]
async fn an_unchanged_top_is_not_written_again() {
    let (_folder, _database, ledger) = database(5_000).await;
    run(&ledger, &adds(200), &[]).await;
    let before = scalar(&ledger, "SELECT total_changes()").await;
    let last = &adds(200)[199..]; // "99" is within the first 100 by name, "199" is not
    let last = [last[0].clone(), adds(200)[150].clone()];
    run(&ledger, &last, &[]).await;
    let written = scalar(&ledger, "SELECT total_changes()").await - before;
    assert_eq!(written, 3, "the position and two players");
}

#[tokio::test]
async fn who_waits_too_long_is_told_that_it_is_busy() {
    let (_folder, database, ledger) = database(20).await;
    let other = database.write_pool().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let busy = try_run(&ledger, &[], &[]).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && busy.is_transient(), "{busy:?}");
    held.rollback().await.unwrap();
    run(&ledger, &[], &[]).await;
}

/// A new file that another is still turning into a WAL file: SQLite itself would not wait there.
#[tokio::test]
async fn migrating_waits_for_who_writes_to_a_new_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("game.sqlite");
    let database = Database::new(&path, Options::default());
    let mut other = database.connect_options().create_if_missing(true).connect().await.unwrap();
    let held = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let impatient = Options { busy_timeout_ms: 50, ..Options::default() };
    let busy = migrate(&Database::new(&path, impatient)).await.unwrap_err();
    assert!(matches!(busy, Error::Busy { .. }) && busy.is_transient(), "{busy:?}");

    let mut waiting = pin!(migrate(&database));
    let early = timeout(Duration::from_millis(100), &mut waiting).await;
    assert!(early.is_err(), "not before the other is done: {early:?}");
    held.rollback().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Migrated { from: 0, to: migrations::known() });
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
    let (_folder, _database, ledger) = database(5_000).await;
    run(&ledger, &adds(10), &[]).await;
    let plan = "EXPLAIN QUERY PLAN SELECT p.username FROM json_each('[]') AS k CROSS JOIN players AS p
        ON p.partition = 0 AND p.username = k.value";
    let mut connection = ledger.acquire().await.unwrap();
    let Session::Sqlite(connection) = connection.session() else { panic!("it is a file") };
    let rows = sqlx::query_as::<_, (i64, i64, i64, String)>(plan).fetch_all(connection).await.unwrap();
    assert!(rows.iter().any(|row| row.3.contains("PRIMARY KEY (partition=? AND username=?)")), "{rows:?}");
}
