//! A fresh inbox and store, a clock that moves when told, and shorthands.

pub(crate) mod tally;
pub(crate) mod way;

use std::path::PathBuf;
use std::time::Duration;

use game::{Action, Add, Token, Username, World};
use ledger::{Ledger, Position, Span};
use queue::{AccessKey, Limit, Message, Options, Outgoing, Queue, Service};
use server::clock::Clock;
use servers::sqs;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use store::{Memory, OutboxRow, Store};
use tempfile::TempDir;
use wire::EnvelopeBuilder;

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

/// A fresh folder with an inbox and a store, and the clock by which both live.
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

    /// With an inbox in SQS, which is reached at this address or directly. Its leases run out for us by the clock of
    /// the test, and for the server by its own.
    pub(crate) async fn sqs(address: Option<&str>, visibility_ms: i64) -> Self {
        Self::sqs_by(Clock::manual(NOW_MS), address, visibility_ms).await
    }

    /// The same, by another clock.
    pub(crate) async fn sqs_by(clock: Clock, address: Option<&str>, visibility_ms: i64) -> Self {
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

    /// The inbox, as another process has it.
    pub(crate) async fn another_queue(&self) -> Queue {
        let path = self.path("inbox.sqlite");
        Queue::open_sqlite(&path, Options::default(), self.clock.as_fn()).await.unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The store, with a game of so many partitions that draws from this inbox.
    pub(crate) async fn game(&self, partitions: u16) -> (Store, Ledger) {
        let store = Store::sqlite(&self.path("game.sqlite"), store::Options::default());
        store.migrate().await.unwrap();
        let ledger = store.ledger().await.unwrap();
        ledger.settle_identity(self.queue.inbox_id(), partitions, NOW_MS).await.unwrap();
        (store, ledger)
    }

    /// Puts a body into the inbox, as it is.
    pub(crate) async fn send_body(&self, partition: u16, id: &str, body: &str) {
        let outgoing = Outgoing { partition, id: id.to_owned(), body: body.to_owned() };
        self.queue.send(&[outgoing]).await.remove(0).unwrap();
    }

    /// An envelope of this inbox with these payloads.
    pub(crate) fn envelope(&self, partitions: u16, id: &str, payloads: &[&str]) -> String {
        let mut builder =
            EnvelopeBuilder::new(self.queue.inbox_id(), partitions, id, wire::ENVELOPE_BYTES_MAX);
        for payload in payloads {
            builder.push(None, NOW_MS, payload.as_bytes()).unwrap();
        }
        builder.finish()
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

/// Writes a batch that no message has brought.
pub(crate) async fn play(
    ledger: &Ledger,
    partition: u16,
    change: impl FnOnce(&mut World),
    outbox: &[OutboxRow],
) {
    let mut connection = ledger.acquire().await.unwrap();
    let mut read = connection.read(partition).await.unwrap();
    let from = read.position();
    let mut batch = Memory::default().load(&mut read, &[], &[]).await.unwrap();
    read.end().await.unwrap();
    change(&mut batch.world);
    let span = Span { partition, from, to: Position { sequence: from.sequence + 1, ..from } };
    let mut write = connection.write(span, batch.world.applied_through_ms).await.unwrap().unwrap();
    store::save(&mut write, &mut batch, outbox).await.unwrap();
    write.commit(&[]).await.unwrap();
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

pub(crate) fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

pub(crate) fn add(name: &str, token: Option<&str>) -> Action {
    let token = token.map(|token| Token::new(token).unwrap());
    Action::Add(Add { username: user(name), name: None, platform: None, token })
}
