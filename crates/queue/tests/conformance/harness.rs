//! A fresh inbox of a backend, a clock that moves when told, and shorthands.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use queue::{Batch, Limit, Message, NowMs, Options, Outgoing, Queue};
use tempfile::TempDir;

/// Plenty.
pub(crate) const ALL: Limit = Limit { messages_max: 10_000, bytes_max: 64 << 20 };
/// Do not wait.
pub(crate) const NOW: Duration = Duration::ZERO;
/// Longer than any test may take: a receive that is to be woken fails by the deadline, not by its own end.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// The backends there are.
#[derive(Copy, Clone)]
pub(crate) enum Backend {
    /// One file.
    Sqlite,
}

/// A fresh inbox.
pub(crate) struct Harness {
    /// The first handle on it.
    pub(crate) queue: Queue,
    clock: Arc<AtomicI64>,
    folder: TempDir,
    options: Options,
}

impl Harness {
    /// With the default options.
    pub(crate) async fn new(backend: Backend) -> Self {
        Self::with(backend, Options::default()).await
    }

    /// With these options.
    pub(crate) async fn with(backend: Backend, options: Options) -> Self {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                let clock = Arc::new(AtomicI64::new(1_700_000_000_000));
                let queue = Queue::open_sqlite(&folder.path().join("inbox.sqlite"), options, reads(&clock))
                    .await
                    .unwrap();
                Self { queue, clock, folder, options }
            }
        }
    }

    /// Another handle on the same inbox, as another process has it.
    pub(crate) async fn another(&self) -> Queue {
        Queue::open_sqlite(&self.path(), self.options, reads(&self.clock)).await.unwrap()
    }

    /// Where the file is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("inbox.sqlite")
    }

    /// Lets time pass. A backend that has its own clock cannot do this: its list leaves out the checks that
    /// need it, and says so.
    pub(crate) fn advance(&self, ms: i64) {
        self.clock.fetch_add(ms, Ordering::SeqCst);
    }

    /// Lets all leases run out.
    pub(crate) fn pass_visibility(&self) {
        self.advance(self.options.visibility_ms);
    }

    /// Sends these bodies to a partition, each under itself as id.
    pub(crate) async fn send<B: ToString>(&self, partition: u16, bodies: impl IntoIterator<Item = B>) {
        let envelopes: Vec<_> =
            bodies.into_iter().map(|body| outgoing(partition, &body.to_string())).collect();
        send(&self.queue, &envelopes).await;
    }

    /// Receives a batch that must be there.
    pub(crate) async fn receive(&self, limit: Limit) -> Batch {
        receive(&self.queue, limit).await
    }

    /// Checks that there is nothing to receive.
    pub(crate) async fn nothing(&self) {
        assert_eq!(self.queue.receive(ALL, NOW).await.unwrap(), []);
    }
}

fn reads(clock: &Arc<AtomicI64>) -> NowMs {
    let clock = Arc::clone(clock);
    Arc::new(move || clock.load(Ordering::SeqCst))
}

/// Fails when `check` takes too long.
pub(crate) async fn in_time(check: impl Future<Output = ()>) {
    tokio::time::timeout(Duration::from_secs(60), check).await.unwrap();
}

/// A message whose id is made of partition and body.
pub(crate) fn outgoing(partition: u16, body: &str) -> Outgoing {
    Outgoing { partition, id: format!("{partition}-{body}"), body: body.to_owned() }
}

/// Sends what must succeed.
pub(crate) async fn send(queue: &Queue, envelopes: &[Outgoing]) {
    for result in queue.send(envelopes).await {
        result.unwrap();
    }
}

/// Receives a batch that must be there.
pub(crate) async fn receive(queue: &Queue, limit: Limit) -> Batch {
    let mut batches = queue.receive(limit, NOW).await.unwrap();
    assert_eq!(batches.len(), 1, "one batch is expected");
    batches.remove(0)
}

/// At most this many messages.
pub(crate) fn up_to(messages_max: usize) -> Limit {
    Limit { messages_max, ..ALL }
}

/// The bodies, in order; the sequences must be too.
pub(crate) fn bodies(messages: &[Message]) -> Vec<&str> {
    assert!(messages.is_sorted_by(|a, b| a.sequence < b.sequence), "sequences grow: {messages:?}");
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// Acks everything of a batch.
pub(crate) async fn ack_all(queue: &Queue, batch: &Batch) {
    queue.ack(&batch.lease, batch.messages.last().unwrap().sequence).await.unwrap();
}
