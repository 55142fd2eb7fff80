//! The ordered inbox: delivers messages at least once, in order per partition, and keeps dead letters.
//!
//! It does not know what bodies mean. Senders call [`Queue::send`]; the one consumer of a partition calls `receive`
//! and `ack`.
//!
//! The semantics are those of an SQS FIFO queue with one message group per partition. While messages of a partition
//! are in flight, nobody else receives from it. What is not acked before its visibility runs out is received again,
//! in order. A resend with the id of a message that was sent in the last [`DEDUP_MS`] succeeds and stores nothing.
//!
//! All futures are cancel-safe: what they began is either done or undone. A batch whose `receive` was dropped at the
//! last moment is received again when its visibility has run out.

mod bounds;
mod error;
mod sqlite;
mod sqs;
mod types;

use std::path::Path;
use std::time::Duration;

pub use bounds::DEDUP_MS;
pub use error::Error;
pub use sqlite::Sqlite;
pub use sqs::{AccessKey, Service, Sqs};
use types::LeaseKey;
pub use types::{Backlog, DeadLetter, Delivery, Lease, Limit, Message, NowMs, Options, Outgoing, Sequence};

/// An inbox. Clones share it.
#[derive(Clone, Debug)]
pub enum Queue {
    /// A file on this machine, shared by the processes that open it.
    Sqlite(Sqlite),
    /// An SQS FIFO queue, shared by everybody with access.
    Sqs(Sqs),
}

impl Queue {
    /// Opens the inbox in the file `path`, and creates it if there is none; the folder must exist.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] for a file of a newer version, [`Error::Corrupt`] for one that is not an inbox,
    /// [`Error::Refused`] if the file cannot be opened.
    pub async fn open_sqlite(path: &Path, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        Ok(Self::Sqlite(Sqlite::open(path, options, now_ms).await?))
    }

    /// Opens an SQS FIFO queue as an inbox, with the dead-letter queue of its redrive policy. Both must exist. The
    /// queue must have `DeduplicationScope` = `messageGroup`, `FifoThroughputLimit` = `perMessageGroupId`, a
    /// `RedrivePolicy`, and, as its dead-letter queue, a `MaximumMessageSize` of 4096 bytes more than the longest
    /// body. Its ARN must consist of letters, digits and `:-_.`. Of the options, the visibility (in whole seconds)
    /// and the longest body apply; the redrive policy decides how often a message is received.
    ///
    /// # Errors
    /// [`Error::Unfit`] with the attribute that is wrong; those of the backend.
    pub async fn open_sqs(service: &Service, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        Ok(Self::Sqs(Sqs::open(service, options, now_ms).await?))
    }

    /// The id of this inbox: random, chosen when the file was created; or the queue's ARN, `@`, and the second of its
    /// creation. It contains neither `/` nor `"`, so it can stand unescaped in ids of dead letters and in JSON.
    pub fn inbox_id(&self) -> &str {
        match self {
            Self::Sqlite(sqlite) => sqlite.inbox_id(),
            Self::Sqs(sqs) => sqs.inbox_id(),
        }
    }

    /// Sends messages in order, and returns the result of each one. `Ok` means stored durably. A file stores up to
    /// 1024 messages in one transaction. SQS gets a message of a partition only when it has stored the one before: if
    /// one fails, those behind it in its partition are not sent and get its error.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a body that is too long and [`Error::Unsendable`] for what SQS does not accept, for
    /// that message alone; [`Error::Full`] and the others for all messages of the transaction.
    pub async fn send(&self, envelopes: &[Outgoing]) -> Vec<Result<(), Error>> {
        let mut results = vec![Err(Error::Closed); envelopes.len()];
        self.send_each(envelopes, |index, result| results[index] = result).await;
        results
    }

    /// Like [`send`](Self::send), but calls `answered` with the index of each message as soon as its result is known,
    /// exactly once. On SQS, a partition that hangs delays the others by about a second at most.
    pub async fn send_each(&self, envelopes: &[Outgoing], answered: impl FnMut(usize, Result<(), Error>)) {
        match self {
            Self::Sqlite(sqlite) => sqlite.send_each(envelopes, answered).await,
            Self::Sqs(sqs) => sqs.send_each(envelopes, answered).await,
        }
    }

    /// Receives from partitions without a lease, and waits up to `wait` for a message. Returns an empty list if none
    /// came. A file returns at most one batch, of the partition with the oldest message. SQS returns at most ten
    /// messages, of one or several partitions, and waits in whole seconds.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn receive(&self, limit: Limit, wait: Duration) -> Result<Vec<Delivery>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.receive(limit, wait).await,
            Self::Sqs(sqs) => sqs.receive(limit, wait).await,
        }
    }

    /// More of the partition that this lease holds, after what it has been given. It may be nothing, and does
    /// not wait. With SQS it is always nothing.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is over; those of the backend.
    pub async fn read_ahead(&self, lease: &Lease, limit: Limit) -> Result<Vec<Message>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read_ahead(lease, limit).await,
            Self::Sqs(sqs) => sqs.read_ahead(lease),
        }
    }

    /// Renews a lease: its visibility starts anew.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is over; those of the backend.
    pub async fn extend(&self, lease: &Lease) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.extend(lease).await,
            Self::Sqs(sqs) => sqs.extend(lease).await,
        }
    }

    /// Removes the messages of this lease up to and including `through`. When none is left, the lease ends and the
    /// partition is free.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if the lease is over, and then nothing is removed; those of the backend. SQS decides
    /// message by message, and may accept the ack of a lease that ran out for the present holder's: ack only what
    /// nobody needs any more.
    pub async fn ack(&self, lease: &Lease, through: Sequence) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ack(lease, through).await,
            Self::Sqs(sqs) => sqs.ack(lease, through).await,
        }
    }

    /// Ends the lease: messages that are not acked can be received at once, in order.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] if the lease is over; those of the backend.
    pub async fn release(&self, lease: &Lease) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.release(lease).await,
            Self::Sqs(sqs) => sqs.release(lease).await,
        }
    }

    /// Stores dead letters durably. A letter whose id exists changes nothing; on SQS neither does one that was buried
    /// and removed under its id in the last [`DEDUP_MS`]. So an id names one burial: what is buried again, at another
    /// place in the inbox, needs another id.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn bury(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.bury(letters).await,
            Self::Sqs(sqs) => sqs.bury(letters).await,
        }
    }

    /// Up to `limit` dead letters in the order of their ids, after `after_id` (which need not exist). On SQS all
    /// letters, at most 10 000, are received and made visible again: two concurrent listings see a part each.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn dead_letters(&self, after_id: Option<&str>, limit: usize) -> Result<Vec<DeadLetter>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.dead_letters(after_id, limit).await,
            Self::Sqs(sqs) => sqs.dead_letters(after_id, limit).await,
        }
    }

    /// One dead letter.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.dead_letter(id).await,
            Self::Sqs(sqs) => sqs.dead_letter(id).await,
        }
    }

    /// Removes dead letters, and returns how many there were.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn forget_dead(&self, ids: &[String]) -> Result<u64, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.forget_dead(ids).await,
            Self::Sqs(sqs) => sqs.forget_dead(ids).await,
        }
    }

    /// The state of the inbox. It counts messages, so call it every few seconds and not for every request.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.backlog().await,
            Self::Sqs(sqs) => sqs.backlog().await,
        }
    }

    /// Whether there is no message, neither waiting nor in flight, quiet ones included. SQS counts roughly: it may
    /// take a minute after the last send until this is true.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_empty().await,
            Self::Sqs(sqs) => sqs.is_empty().await,
        }
    }

    /// The highest sequence ever stored, even if the message is gone; 0 if nothing was ever sent. If it is lower than
    /// what was applied, the inbox was restored from an older copy. `None`: the backend cannot tell.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn highest_sequence(&self) -> Result<Option<Sequence>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.highest_sequence().await,
            Self::Sqs(sqs) => Ok(sqs.highest_sequence()),
        }
    }

    /// Checks that the inbox can be used: one small write that is not synced, or on SQS one request.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check().await,
            Self::Sqs(sqs) => sqs.check().await,
        }
    }

    /// Checks that the inbox's file is still the one that was opened, without I/O on it. Always succeeds on SQS.
    ///
    /// # Errors
    /// [`Error::Moved`].
    pub fn in_place(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.in_place(),
            Self::Sqs(_) => Ok(()),
        }
    }

    /// Checks that this is still the inbox that was opened, and not another one in its place. On SQS this is one
    /// request.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Replaced`]; those of the backend.
    pub async fn must_be_same(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.in_place(),
            Self::Sqs(sqs) => sqs.check().await,
        }
    }

    /// Closes the inbox for all clones, and finishes what is in progress in a file. A send to SQS still gets its
    /// result; other requests are cut off. Later calls return [`Error::Closed`].
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Sqs(sqs) => sqs.close(),
        }
    }
}
