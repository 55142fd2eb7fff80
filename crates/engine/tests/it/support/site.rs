//! A fresh inbox and a clock that moves when told. The tests of `server` include this file.

use std::path::PathBuf;
use std::time::Duration;

use engine::clock::Clock;
use queue::{Limit, Message, Options, Outgoing, Queue};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;

/// When every test begins.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;
/// How long a lease lasts.
pub(crate) const VISIBILITY_MS: i64 = 30_000;
/// Do not wait.
pub(crate) const NOW: Duration = Duration::ZERO;
/// Plenty.
pub(crate) const ALL: Limit = Limit { messages_max: 10_000, bytes_max: 64 << 20 };
/// What no test takes.
const LONG: Duration = Duration::from_secs(120);

/// A fresh folder with an inbox, and the clock by which it lives.
pub(crate) struct Site {
    pub(crate) clock: Clock,
    pub(crate) queue: Queue,
    pub(crate) folder: TempDir,
}

impl Site {
    pub(crate) async fn new() -> Self {
        Self::with(Options { visibility_ms: VISIBILITY_MS, ..Options::default() }).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(NOW_MS);
        let queue =
            Queue::open_sqlite(&folder.path().join("inbox.sqlite"), options, clock.as_fn()).await.unwrap();
        Self { clock, queue, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a body into the inbox, as it is.
    pub(crate) async fn send_body(&self, partition: u16, id: &str, body: &str) {
        let outgoing = Outgoing { partition, id: id.to_owned(), body: body.to_owned() };
        self.queue.send(&[outgoing]).await.remove(0).unwrap();
    }

    /// Messages that are not acked.
    pub(crate) async fn left(&self) -> u64 {
        self.queue.backlog().await.unwrap().messages
    }

    /// Takes everything out of the inbox, in order, with the partition of each message.
    pub(crate) async fn drain(&self) -> Vec<(u16, Message)> {
        let mut all = Vec::new();
        loop {
            let batches = self.queue.receive(ALL, NOW).await.unwrap();
            if batches.is_empty() {
                return all;
            }
            for batch in batches {
                self.queue.ack(&batch.lease, batch.messages.last().unwrap().sequence).await.unwrap();
                all.extend(batch.messages.into_iter().map(|message| (batch.lease.partition(), message)));
            }
        }
    }

    /// Sends until nothing more goes in, however short; the ids begin with `filler`.
    pub(crate) async fn fill(&self) {
        for bytes in [200_000, 2_000, 1] {
            for index in 0.. {
                let id = format!("filler-{bytes}-{index}");
                let outgoing = Outgoing { partition: 0, id, body: "x".repeat(bytes) };
                if self.queue.send(&[outgoing]).await[0].is_err() {
                    break;
                }
            }
        }
    }

    /// Holds the inbox against everybody who wants to write: what a stranger's backup tool may do.
    pub(crate) async fn lock_inbox(&self) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("inbox.sqlite"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    }
}

/// Lets the inbox go again.
pub(crate) async fn unlock(connection: SqliteConnection) {
    connection.close().await.unwrap();
}

/// Fails when this takes longer than any test may. Boxed, because loops over a database are large futures.
pub(crate) fn in_time<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let work = Box::pin(work);
    async move { tokio::time::timeout(LONG, work).await.expect("this does not end") }
}
