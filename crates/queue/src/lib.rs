//! The ordered inbox: moves messages at least once, in order per partition, and keeps the dead letters.
//!
//! What it is not: it knows nothing of what the bodies mean. Who calls it: whoever produces envelopes
//! ([`Queue::send`]), and the one consumer per partition (`receive` → `ack`).
//!
//! The semantics are those of an SQS FIFO queue with one message group per partition: while messages of a
//! partition are in flight nobody else receives from it; what is not acked before its visibility runs out is
//! received again, in order; a resend with the id of a message that was sent in the last [`DEDUP_MS`]
//! succeeds and stores nothing.
//!
//! Any of the futures may be dropped half-way: what it had begun is either done or undone. A batch whose
//! `receive` was dropped at the last moment is received again when its visibility has run out.

mod bounds;
mod error;
mod sqlite;
mod sqs;
mod types;

use std::{path::Path, time::Duration};

pub use bounds::DEDUP_MS;
pub use error::Error;
pub use sqlite::Sqlite;
pub use sqs::{AccessKey, Service, Sqs};
use types::Hold;
pub use types::{Backlog, DeadLetter, Delivery, Lease, Limit, Message, NowMs, Options, Outgoing, Sequence};

/// An inbox. Clones share it.
#[derive(Clone, Debug)]
pub enum Queue {
    /// A file on this machine, shared by the processes that open it.
    Sqlite(Sqlite),
    /// An SQS FIFO queue, shared by everybody who may use it.
    Sqs(Sqs),
}

impl Queue {
    /// Opens the inbox in the file `path`, and makes it if there is none; the folder must exist.
    ///
    /// # Errors
    /// [`Error::NewerSchema`] for a file of a newer version, [`Error::Corrupt`] for one that is no inbox,
    /// [`Error::Refused`] where the file cannot be opened.
    pub async fn open_sqlite(path: &Path, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        Ok(Self::Sqlite(Sqlite::open(path, options, now_ms).await?))
    }

    /// Opens the inbox that is an SQS FIFO queue, and the dead-letter queue that its redrive policy names. It is
    /// not made here. It must have `DeduplicationScope` = `messageGroup`, `FifoThroughputLimit` =
    /// `perMessageGroupId`, a `RedrivePolicy`, and, as its dead-letter queue, a `MaximumMessageSize` with room for
    /// attributes: 4096 bytes more than the longest body. Its ARN must be plain: letters, digits and `:-_.`. Of the options, the visibility (in whole seconds) and the
    /// longest body count; how often a message may be received is the redrive policy's to say.
    ///
    /// # Errors
    /// [`Error::Unfit`] with the attribute that is not as it must be; those of the backend.
    pub async fn open_sqs(service: &Service, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        Ok(Self::Sqs(Sqs::open(service, options, now_ms).await?))
    }

    /// Names this inbox: made once, at random, when the file was made; or the queue's ARN, `@`, and the second in
    /// which it was made. It has neither `/` nor `"`, so it can stand in the ids of dead letters and in JSON as it is.
    pub fn inbox_id(&self) -> &str {
        match self {
            Self::Sqlite(sqlite) => sqlite.inbox_id(),
            Self::Sqs(sqs) => sqs.inbox_id(),
        }
    }

    /// Sends messages, in order, and answers for each one. What has an `Ok` is stored durably. A file
    /// stores all that are allowed in one transaction (1024 at a time). SQS gets a message of a partition only when
    /// it has the one before: when one fails, those behind it in its partition are not sent and have its error.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for a body that is too long and [`Error::Unsendable`] for what SQS does not take, alone;
    /// [`Error::Full`] and the others for all that
    /// share the transaction.
    pub async fn send(&self, envelopes: &[Outgoing]) -> Vec<Result<(), Error>> {
        match self {
            Self::Sqlite(sqlite) => sqlite.send(envelopes).await,
            Self::Sqs(sqs) => sqs.send(envelopes).await,
        }
    }

    /// Receives from partitions that nobody holds, and waits up to `wait` for something to come. Nothing
    /// came: an empty list. A file gives one batch at most: of the partition whose oldest message is the
    /// oldest. SQS gives ten messages at most, of one partition or several, and waits in whole seconds.
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
    pub async fn read_on(&self, lease: &Lease, limit: Limit) -> Result<Vec<Message>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.read_on(lease, limit).await,
            Self::Sqs(sqs) => sqs.read_on(lease),
        }
    }

    /// Lets the visibility start anew.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is over; those of the backend.
    pub async fn extend(&self, lease: &Lease) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.extend(lease).await,
            Self::Sqs(sqs) => sqs.extend(lease).await,
        }
    }

    /// Removes what this lease was given up to and including `through`. When nothing that it was given is
    /// left, the lease ends and the partition is free.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is over, and then nothing is removed; those of the backend. SQS decides
    /// message by message, and may take the ack of a lease that ran out for that of the present holder: ack only what
    /// nobody needs any more.
    pub async fn ack(&self, lease: &Lease, through: Sequence) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.ack(lease, through).await,
            Self::Sqs(sqs) => sqs.ack(lease, through).await,
        }
    }

    /// Ends the lease: what is not acked can be received at once, in order.
    ///
    /// # Errors
    /// [`Error::LeaseLost`] when the lease is over already; those of the backend.
    pub async fn release(&self, lease: &Lease) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.release(lease).await,
            Self::Sqs(sqs) => sqs.release(lease).await,
        }
    }

    /// Keeps dead letters, durably. One whose id is there already changes nothing; with SQS neither does one that
    /// was buried under its id in the last [`DEDUP_MS`] and forgotten since. So an id names one burial: what is buried
    /// anew, at another place in the inbox, needs another.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn bury(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.bury(letters).await,
            Self::Sqs(sqs) => sqs.bury(letters).await,
        }
    }

    /// Up to `limit` dead letters in the order of their ids, those after `after_id` (which need not exist).
    /// With SQS all letters are received and given back, at most 10 000: two listings at once share them.
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

    /// Removes dead letters and says how many there were.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn forget_dead(&self, ids: &[String]) -> Result<u64, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.forget_dead(ids).await,
            Self::Sqs(sqs) => sqs.forget_dead(ids).await,
        }
    }

    /// How much is waiting. It counts, so ask every few seconds rather than for every request.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.backlog().await,
            Self::Sqs(sqs) => sqs.backlog().await,
        }
    }

    /// Whether nothing waits and nothing is in flight, quiet messages included. SQS counts roughly: it may take a
    /// minute after the last send until that is so.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn is_empty(&self) -> Result<bool, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.is_empty().await,
            Self::Sqs(sqs) => sqs.is_empty().await,
        }
    }

    /// The highest sequence that a message was ever stored under, also when it is gone; 0 when nothing was ever
    /// sent. Lower than what was applied: the inbox was restored from an older copy. `None`: the backend
    /// cannot tell.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn highest_sequence(&self) -> Result<Option<Sequence>, Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.highest_sequence().await,
            Self::Sqs(sqs) => Ok(sqs.highest_sequence()),
        }
    }

    /// Whether the inbox can be used: one small write that is not synced; with SQS, a question to the queue.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn check(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.check().await,
            Self::Sqs(sqs) => sqs.check().await,
        }
    }

    /// Whether the inbox is still where it was opened; a question to the system, not to the inbox. A queue of SQS is
    /// where it is.
    ///
    /// # Errors
    /// [`Error::Moved`].
    pub fn in_place(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.in_place(),
            Self::Sqs(_) => Ok(()),
        }
    }

    /// Whether this is still the inbox that was opened, whoever has taken its place; with SQS, a question to the queue.
    ///
    /// # Errors
    /// [`Error::Moved`], [`Error::Replaced`]; those of the backend.
    pub async fn is_same(&self) -> Result<(), Error> {
        match self {
            Self::Sqlite(sqlite) => sqlite.in_place(),
            Self::Sqs(sqs) => sqs.check().await,
        }
    }

    /// Closes the inbox, for all clones, and finishes what is under way in a file. A send to SQS still gets its answer;
    /// everything else there is cut off. Later calls say [`Error::Closed`].
    pub async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Sqs(sqs) => sqs.close(),
        }
    }
}
