//! The server stops and starts: every user of it continues without being opened again.

use std::process::Command;

use ledger::{Committed, JournalRow};
use servers::postgres::{Database, Mode, Server};
use store::{Error, Options, Outbox, OutboxRow, Position, Reader, Schedule, Scheduled, Stage, Store};
use tokio::time::timeout;

use crate::harness::{Commit, DEADLINE, INBOX, NOW_MS, Prefetched, Writer, add, eventually, round};

/// All handles that are connected.
struct Open {
    writer: Writer,
    reader: Reader,
    outbox: Outbox,
    schedule: Schedule,
}

impl Open {
    async fn of(database: &Database, options: Options) -> Self {
        let store = Store::postgres(&database.url(), options).unwrap();
        store.migrate().await.unwrap();
        let writer = Writer::open(&store).await.unwrap();
        writer.settle_identity(INBOX, 1, NOW_MS).await.unwrap();
        Self {
            writer,
            reader: store.reader().await.unwrap(),
            outbox: store.outbox().await.unwrap(),
            schedule: store.schedule().await.unwrap(),
        }
    }

    /// Adds the nth player in a message of its own, with a push. `false`: the message had been applied before.
    async fn apply(&self, n: u64) -> Result<bool, Error> {
        let commands = [(NOW_MS, add(&format!("player {n}")))];
        let names = [commands[0].1.username().unwrap().clone()];
        let Prefetched { from, mut world } = self.writer.prefetch(0, &names, &[]).await?;
        if from.sequence >= u128::from(n) {
            return Ok(false);
        }
        world.apply(game::Stamps::of_arrival(commands[0].0), &commands[0].1).unwrap();
        let to = Position { sequence: u128::from(n), ..from };
        let journal = [JournalRow { sequence: to.sequence, stored_at_ms: NOW_MS, body: "body", buried: &[] }];
        let outbox = [OutboxRow {
            topic: format!("topic {n}"),
            payload: "{}".into(),
            due_at_ms: NOW_MS,
            expires_at_ms: NOW_MS + 1,
        }];
        let commit = Commit { partition: 0, from, to, world: &world, journal: &journal, outbox: &outbox };
        assert_eq!(self.writer.commit(commit).await?, Committed::Done);
        Ok(true)
    }

    /// One step of each handle.
    async fn step(&self, n: u64) -> Result<(), Error> {
        self.apply(n).await?;
        let drawn = Scheduled { round: round(n), by_operator: false, stage: Stage::Drawn, ticks_sent: 0 };
        self.schedule.insert_if_absent(&drawn).await?;
        if let Some(job) = self.outbox.take("pusher", NOW_MS, 1000).await? {
            self.outbox.done(&job, NOW_MS).await?;
        }
        self.reader.top(10).await?;
        self.reader.check().await
    }

    /// Retries the step until it succeeds. Each error must be temporary.
    async fn until_made(&self, n: u64) {
        let trying = async {
            while let Err(error) = self.step(n).await {
                assert!(error.is_transient(), "{error:?}");
            }
        };
        timeout(DEADLINE, trying).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_goes_on_after_a_restart() {
    let server = Server::start().await;
    let database = server.database().await;
    let open = Open::of(&database, Options::default()).await;
    let mut n = 0;
    for mode in [Mode::Fast, Mode::Immediate, Mode::Fast, Mode::Immediate] {
        // A restart during work.
        let work = async {
            for _ in 0..20 {
                n += 1;
                open.until_made(n).await;
            }
        };
        tokio::join!(work, server.restart(mode));
        // A restart between two steps.
        server.restart(mode).await;
        n += 1;
        open.until_made(n).await;
        let (position, standings) = open.reader.standings(0).await.unwrap();
        assert_eq!((position.sequence, standings.len()), (u128::from(n), usize::try_from(n).unwrap()));
    }
    let mut audit = open.reader.audit().await.unwrap();
    assert_eq!(audit.journal(0, Position::default(), 1000).await.unwrap().len(), usize::try_from(n).unwrap());
    assert_eq!(open.schedule.latest().await.unwrap().unwrap().round, round(n));
    drop(audit);

    // While the server is down, every call fails within its timeout.
    server.stop(Mode::Fast).await;
    let error = timeout(DEADLINE, open.step(n + 1)).await.unwrap().unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    server.resume().await;
    open.until_made(n + 1).await;
}

/// A primary that becomes a replica rejects writes: clients reconnect and find the new primary.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_only_reads_is_left() {
    let database = servers::postgres::server().await.database().await;
    let open = Open::of(&database, Options { writers: 1, ..Options::default() }).await;
    open.until_made(1).await;
    database
        .execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.name()))
        .await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.execute(end).await;
    let scheduled = Scheduled { round: round(2), by_operator: false, stage: Stage::Drawn, ticks_sent: 0 };
    let error = open.schedule.insert_if_absent(&scheduled).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    database
        .execute(&format!(
            "BEGIN READ WRITE; ALTER DATABASE {} RESET default_transaction_read_only; COMMIT",
            database.name()
        ))
        .await;
    open.until_made(2).await;
    assert_eq!(open.schedule.latest().await.unwrap().unwrap(), scheduled);
}

/// A call without an answer times out, and its connection is closed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_hears_nothing_gives_up() {
    let server = Server::start().await;
    let database = server.database().await;
    // The server would end the wait itself if it were not stopped during it.
    let patient = Options { writers: 1, statement_ms_max: 3_000, ..Options::default() };
    let open = Open::of(&database, patient).await;
    open.until_made(1).await;
    let mut other = database.connect().await;
    sqlx::raw_sql("BEGIN; UPDATE partitions SET inbox = inbox").execute(&mut other).await.unwrap();

    let stop = async {
        let waiting = "SELECT pid FROM pg_stat_activity
            WHERE application_name = 'buttonparty' AND wait_event_type = 'Lock'";
        let mut look = database.connect().await;
        let mut found: Option<i32> = None;
        eventually("the commit waits for the lock", async || {
            found = sqlx::query_scalar(waiting).fetch_optional(&mut look).await.unwrap();
            found.is_some()
        })
        .await;
        signal("STOP", found.unwrap());
        found.unwrap()
    };
    let (error, stopped) = tokio::join!(open.apply(2), stop);
    let error = error.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(format!("{error:?}").contains("no answer within 4000 ms"), "{error:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
    open.until_made(2).await;
    signal("CONT", stopped);
}

fn signal(name: &str, pid: i32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "{sent}");
}
