//! A fresh inbox of a backend, a manual clock, and shorthands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use queue::{Delivery, Error, Limit, Message, NowMs, Options, Outgoing, Queue, Service};
use servers::sqs;
use tempfile::TempDir;

use crate::server::Server;

/// No practical limit.
pub(crate) const ALL: Limit = Limit { messages_max: 10_000, bytes_max: 64 << 20 };
/// Does not wait.
pub(crate) const NOW: Duration = Duration::ZERO;
/// Longer than any test: a receive that is not woken fails by the test's deadline, before its own wait ends.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// The backends; for SQS, the servers that implement its protocol.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Backend {
    /// One file.
    Sqlite,
    /// SQS as AWS documents it, in this process.
    Sqs,
    /// A fast third-party server. [`Backend::has`] says what it lacks.
    Fauxqs,
    /// A strict third-party server.
    Fakecloud,
}

/// A feature that a check needs and not every backend has.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub(crate) enum Need {
    /// A manual clock.
    Clock,
    /// Several messages of a partition in one batch.
    Batches,
    /// More than ten messages in one batch.
    LongBatches,
    /// Extending a lease to more messages than the first batch.
    ReadOn,
    /// Characters outside of Unicode's basic plane.
    Characters,
    /// Bodies of 256 KiB with attributes.
    LongBodies,
    /// Empty bodies.
    EmptyBodies,
    /// Reporting the highest sequence.
    Highest,
}

impl Backend {
    /// Whether the backend has this feature.
    pub(crate) fn has(self, need: Need) -> bool {
        use Need::{Batches, Characters, Clock, EmptyBodies, Highest, LongBatches, LongBodies, ReadOn};
        match self {
            Self::Sqlite => true,
            // SQS lacks these.
            _ if matches!(need, LongBatches | ReadOn | EmptyBodies | Highest) => false,
            Self::Sqs => true,
            // It delivers one message of a group at a time, and rejects characters beyond the basic plane.
            Self::Fauxqs => !matches!(need, Clock | Batches | Characters),
            // It limits a request to 256 KiB, attributes included.
            Self::Fakecloud => !matches!(need, Clock | LongBodies),
        }
    }

    /// Why a check with these needs cannot run.
    pub(crate) fn lacks(self, needs: &[Need]) -> Option<String> {
        if let Some(need) = needs.iter().find(|need| !self.has(**need)) {
            return Some(format!("{self:?} lacks {need:?}"));
        }
        match self {
            Self::Sqlite | Self::Sqs | Self::Fauxqs => None,
            Self::Fakecloud => sqs::strict().err(),
        }
    }
}

/// Location of an inbox.
enum Place {
    File(TempDir),
    Server(Server, Service),
}

/// A fresh inbox.
pub(crate) struct Harness {
    /// The first handle of the inbox.
    pub(crate) queue: Queue,
    backend: Backend,
    clock: Arc<AtomicI64>,
    place: Place,
    options: Options,
    /// Batches that a receive returned beside the one that the check asked for.
    spare: Mutex<Vec<Delivery>>,
}

impl Harness {
    /// Opens an inbox with default options.
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, Options::default()).await
    }

    /// Opens an inbox with these options.
    pub(crate) async fn with(backend: Backend, mut options: Options) -> Self {
        let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
        let server = match backend {
            Backend::Sqlite => None,
            Backend::Sqs => Some(Server::fake(&clock).await),
            Backend::Fauxqs => Some(Server::Shared(sqs::server())),
            Backend::Fakecloud => Some(Server::Shared(sqs::strict().unwrap())),
        };
        if !backend.has(Need::Clock) {
            options.visibility_ms = 3_000;
        }
        let place = match server {
            None => Place::File(tempfile::tempdir().unwrap()),
            Some(server) => {
                let service = Box::pin(server.make(&options)).await;
                Place::Server(server, service)
            }
        };
        let queue = place.open(options, reads(&clock)).await.unwrap();
        Self { queue, backend, clock, place, options, spare: Mutex::default() }
    }

    /// Another handle of the same inbox, as in another process.
    pub(crate) async fn another(&self) -> Queue {
        self.place.open(self.options, reads(&self.clock)).await.unwrap()
    }

    /// Opens the inbox again.
    pub(crate) async fn reopen(&self, options: Options) -> Result<Queue, Error> {
        self.place.open(options, reads(&self.clock)).await
    }

    /// Path of the file.
    pub(crate) fn path(&self) -> PathBuf {
        match &self.place {
            Place::File(folder) => folder.path().join(FILE),
            Place::Server(..) => panic!("the inbox is no file"),
        }
    }

    /// The server, and its queue.
    pub(crate) fn server(&self) -> (&Server, &Service) {
        match &self.place {
            Place::File(_) => panic!("the inbox is a file"),
            Place::Server(server, service) => (server, service),
        }
    }

    /// Whether the backend has this feature.
    pub(crate) fn has(&self, need: Need) -> bool {
        self.backend.has(need)
    }

    /// Time of the handles' clock.
    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    /// Duration of a lease.
    pub(crate) fn visibility_ms(&self) -> i64 {
        self.options.visibility_ms
    }

    /// Advances the clock.
    pub(crate) fn advance(&self, ms: i64) {
        assert!(self.has(Need::Clock), "a check that moves the clock must say so in the list");
        self.clock.fetch_add(ms, Ordering::SeqCst);
        self.spare.lock().unwrap().clear();
    }

    /// Lets all leases expire. A server with its own clock expires them later than the handles do; the next receive
    /// waits for that.
    pub(crate) fn pass_visibility(&self) {
        self.clock.fetch_add(self.options.visibility_ms, Ordering::SeqCst);
        self.spare.lock().unwrap().clear();
    }

    /// Sends these bodies to a partition; each body is also its message's id.
    pub(crate) async fn send<B: ToString>(&self, partition: u16, bodies: impl IntoIterator<Item = B>) {
        let envelopes: Vec<_> =
            bodies.into_iter().map(|body| outgoing(partition, &body.to_string())).collect();
        send(&self.queue, &envelopes).await;
    }

    /// Receives a batch; fails if there is none.
    pub(crate) async fn receive(&self, limit: Limit) -> Delivery {
        let spare = self.spare.lock().unwrap().pop();
        if let Some(batch) = spare {
            return batch;
        }
        let wait = if self.has(Need::Clock) { NOW } else { LONG };
        let mut batches = self.queue.receive(limit, wait).await.unwrap();
        assert!(!batches.is_empty(), "a batch is expected");
        assert!(batches.len() == 1 || self.backend != Backend::Sqlite, "a file gives one batch");
        batches.reverse();
        let batch = batches.pop().unwrap();
        *self.spare.lock().unwrap() = batches;
        batch
    }

    /// Receives and acks this many messages, in one batch for each partition if batches may be that long. Returns the
    /// bodies by partition.
    pub(crate) async fn drain(&self, messages: usize) -> BTreeMap<u16, Vec<String>> {
        let mut drained = BTreeMap::<u16, Vec<String>>::new();
        let (mut count, mut batches) = (0, 0);
        while count < messages {
            let batch = self.receive(ALL).await;
            ack_all(&self.queue, &batch).await;
            let bodies = bodies(&batch.messages).into_iter().map(ToOwned::to_owned);
            drained.entry(batch.lease.partition()).or_default().extend(bodies);
            count += batch.messages.len();
            batches += 1;
        }
        assert!(batches == drained.len() || !self.has(Need::LongBatches), "{batches} batches");
        assert_eq!(count, messages);
        drained
    }

    /// Checks that no message can be received.
    pub(crate) async fn nothing(&self) {
        assert_eq!(*self.spare.lock().unwrap(), []);
        assert_eq!(self.queue.receive(ALL, NOW).await.unwrap(), []);
    }
}

/// Name of the inbox's file.
const FILE: &str = "inbox.sqlite";

impl Place {
    async fn open(&self, options: Options, now_ms: NowMs) -> Result<Queue, Error> {
        match self {
            Self::File(folder) => Queue::open_sqlite(&folder.path().join(FILE), options, now_ms).await,
            Self::Server(_, service) => Queue::open_sqs(service, options, now_ms).await,
        }
    }
}

fn reads(clock: &Arc<AtomicI64>) -> NowMs {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.load(Ordering::SeqCst))
}

/// Fails if `check` exceeds the deadline.
pub(crate) async fn in_time(check: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), check).await.unwrap();
}

/// A message with an id made from partition and body.
pub(crate) fn quiet(partition: u16, body: &str) -> Outgoing {
    Outgoing { quiet: true, ..outgoing(partition, body) }
}

pub(crate) fn outgoing(partition: u16, body: &str) -> Outgoing {
    Outgoing { partition, id: format!("{partition}-{body}"), body: body.to_owned(), quiet: false }
}

/// Sends envelopes; fails if one is not stored.
pub(crate) async fn send(queue: &Queue, envelopes: &[Outgoing]) {
    for result in queue.send(envelopes).await {
        result.unwrap();
    }
}

/// Receives a batch; fails if there is none.
pub(crate) async fn receive(queue: &Queue, limit: Limit) -> Delivery {
    let mut batches = queue.receive(limit, NOW).await.unwrap();
    assert_eq!(batches.len(), 1, "one batch is expected");
    batches.remove(0)
}

/// At most this many messages.
pub(crate) fn up_to(messages_max: usize) -> Limit {
    Limit { messages_max, ..ALL }
}

/// The bodies, in order; also checks the order of the sequences.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    assert!(messages.is_sorted_by(|a, b| a.sequence < b.sequence), "sequences grow: {messages:?}");
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// Acks all messages of a batch.
pub(crate) async fn ack_all(queue: &Queue, batch: &Delivery) {
    queue.ack(&batch.lease, batch.messages.last().unwrap().sequence).await.unwrap();
}
