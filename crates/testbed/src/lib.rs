//! For the tests of `engine` and `server`: a fresh inbox, in a file or in SQS, and a manual clock. Any failure here
//! panics.

#![expect(clippy::unwrap_used, reason = "a test fails where it is")]

use std::path::PathBuf;
use std::time::Duration;

use engine::clock::Clock;
use engine::{ENVELOPE_BYTES_MAX, EnvelopeBuilder};
use queue::{AccessKey, Limit, Message, Options, Outgoing, Queue, Service};
use servers::sqs;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tempfile::TempDir;

/// Start time of every test.
pub const NOW_MS: i64 = 1_800_000_000_000;
/// Duration of a lease.
pub const VISIBILITY_MS: i64 = 30_000;
/// Does not wait.
pub const NOW: Duration = Duration::ZERO;
/// No practical limit.
pub const ALL: Limit = Limit { messages_max: 10_000, bytes_max: 64 << 20 };
/// Longer than any test.
const LONG: Duration = Duration::from_secs(120);

/// A fresh folder with an inbox, and the clock of that inbox.
pub struct Site {
    pub clock: Clock,
    pub queue: Queue,
    pub folder: TempDir,
}

impl Site {
    pub async fn new() -> Self {
        Self::with(Options { visibility_ms: VISIBILITY_MS, ..Options::default() }).await
    }

    pub async fn with(options: Options) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(NOW_MS);
        let queue =
            Queue::open_sqlite(&folder.path().join("inbox.sqlite"), options, clock.as_fn()).await.unwrap();
        Self { clock, queue, folder }
    }

    /// A site with an inbox in SQS, at this address or the server's own. Leases expire by the test's clock in this
    /// process, and by the server's clock in the server.
    pub async fn sqs(address: Option<&str>, visibility_ms: i64) -> Self {
        Self::sqs_by(Clock::manual(NOW_MS), address, visibility_ms).await
    }

    /// The same with another clock.
    pub async fn sqs_by(clock: Clock, address: Option<&str>, visibility_ms: i64) -> Self {
        let server = sqs::server();
        let made = Box::pin(server.make("game", sqs::QueueOptions::default())).await;
        let service = Service {
            queue_url: made.queue_url,
            endpoint_url: Some(address.unwrap_or(server.address()).to_owned()),
            region: Some(sqs::REGION.to_owned()),
            access_key: Some(AccessKey { id: sqs::KEY.to_owned(), secret: sqs::KEY.to_owned() }),
        };
        let options = Options { visibility_ms, ..Options::default() };
        let queue = Box::pin(Queue::open_sqs(&service, options, clock.as_fn())).await.unwrap();
        Self { clock, queue, folder: TempDir::new().unwrap() }
    }

    /// An envelope of this inbox with these payloads.
    pub fn envelope(&self, partitions: u16, id: &str, payloads: &[&str]) -> String {
        let mut builder = EnvelopeBuilder::new(self.queue.inbox_id(), partitions, id, ENVELOPE_BYTES_MAX);
        for payload in payloads {
            builder.push(None, NOW_MS, payload.as_bytes()).unwrap();
        }
        builder.finish()
    }

    /// Another handle of the inbox in the file, as in another process.
    pub async fn another_queue(&self) -> Queue {
        let path = self.path("inbox.sqlite");
        Queue::open_sqlite(&path, Options::default(), self.clock.as_fn()).await.unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a body into the inbox without an envelope.
    pub async fn send_body(&self, partition: u16, id: &str, body: &str) {
        let outgoing = Outgoing { partition, id: id.to_owned(), body: body.to_owned(), quiet: false };
        self.queue.send(&[outgoing]).await.remove(0).unwrap();
    }

    /// Number of unacked messages.
    pub async fn left(&self) -> u64 {
        self.queue.backlog().await.unwrap().messages
    }

    /// Receives and acks all messages, in order, with the partition of each.
    pub async fn drain(&self) -> Vec<(u16, Message)> {
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

    /// Fills the inbox until not even a short message fits; the ids begin with `filler`.
    pub async fn fill(&self) {
        for bytes in [200_000, 2_000, 1] {
            for index in 0.. {
                let id = format!("filler-{bytes}-{index}");
                let outgoing = Outgoing { partition: 0, id, body: "x".repeat(bytes), quiet: false };
                if self.queue.send(&[outgoing]).await[0].is_err() {
                    break;
                }
            }
        }
    }

    /// Takes the write lock of the inbox, like a backup tool.
    pub async fn lock_inbox(&self) -> SqliteConnection {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.path("inbox.sqlite"));
        let mut connection = options.connect().await.unwrap();
        sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.unwrap();
        connection
    }
}

/// Releases the write lock of the inbox.
pub async fn unlock(connection: SqliteConnection) {
    connection.close().await.unwrap();
}

/// Fails if this exceeds the timeout. Boxed, because loops over a database are large futures.
pub fn in_time<T>(work: impl Future<Output = T>) -> impl Future<Output = T> {
    let work = Box::pin(work);
    async move { tokio::time::timeout(LONG, work).await.expect("this does not end") }
}
