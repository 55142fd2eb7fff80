//! The types of what enters and leaves an inbox.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::sqs;
#[cfg(doc)]
use crate::{DEDUP_MS, Error, Queue};

/// The clock, in Unix milliseconds, that leases and remembered ids are judged by. It may be set while an inbox is
/// open: whatever ends later than twice its full length from now is taken as over.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Position of a message in an inbox. It grows within a partition, with gaps.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sequence(pub u128);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    pub partition: u16,
    /// Deduplicates the message: sent again within [`DEDUP_MS`], it succeeds and is not stored twice. It must not
    /// begin with `~`.
    pub id: String,
    pub body: String,
    /// Whether the [`Backlog`] leaves it out, as far as the backend can.
    pub quiet: bool,
}

/// Prefix of the stored ids of quiet messages.
const QUIET_PREFIX: char = '~';

/// The pattern of these ids for SQLite's `GLOB`.
pub(crate) const QUIET_GLOB: &str = "~*";

impl Outgoing {
    /// The id that the inbox stores, and that [`Message::id`] returns: a quiet message has `~` before its id.
    pub fn stored_id(&self) -> Cow<'_, str> {
        if self.quiet { format!("{QUIET_PREFIX}{}", self.id).into() } else { self.id.as_str().into() }
    }
}

impl Message {
    pub(crate) fn is_quiet(&self) -> bool {
        self.id.starts_with(QUIET_PREFIX)
    }
}

/// A received message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    pub sequence: Sequence,
    /// The stored id: [`Outgoing::stored_id`].
    pub id: String,
    pub body: String,
    /// When the inbox stored it, Unix milliseconds. On SQS by its clock; in a file by the sender's, taken before the
    /// wait for other processes, but after it for a quiet message. Redelivery and resends do not change it.
    pub stored_at_ms: i64,
    /// How often it was received, including this time.
    pub receive_count: u32,
}

/// The exclusive right to one partition until its visibility runs out. Every call with a lease that is over returns
/// [`Error::LeaseLost`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub(crate) partition: u16,
    pub(crate) key: LeaseKey,
}

/// Identifies a lease to its backend.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum LeaseKey {
    Token(i64),
    Receipts(sqs::Receipts),
}

impl Lease {
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// The token of a lease in a file, which is 1 or more.
    pub(crate) fn token(&self) -> i64 {
        match self.key {
            LeaseKey::Token(token) => token,
            LeaseKey::Receipts(_) => 0,
        }
    }
}

/// Messages of one partition, and the lease on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    pub lease: Lease,
    /// In order, never empty.
    pub messages: Vec<Message>,
}

/// Bounds of a receive. One message is always returned, however long. Messages that SQS returns beyond the bytes are
/// made visible again at once, which counts as one receive.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Maximum number of messages; 0 counts as 1.
    pub messages_max: usize,
    /// Maximum bytes of their bodies together.
    pub bytes_max: usize,
}

/// A message, or a part of one, that could not be processed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// The first letter with an id is kept. A letter that the inbox itself buried, because it was received too often,
    /// has the message's id, `#` and its sequence.
    pub id: String,
    pub partition: u16,
    pub body: String,
    /// For people.
    pub reason: String,
    /// Unix milliseconds.
    pub buried_at_ms: i64,
}

/// The state of the inbox at one moment. A file does not count quiet messages; SQS cannot tell them apart.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Messages that are not acked, including those in flight.
    pub messages: u64,
    /// Messages under a lease that is not over.
    pub in_flight: u64,
    pub dead: u64,
    /// When the oldest message that is not quiet was sent, Unix milliseconds. On SQS: the oldest of those that this
    /// process received last.
    pub oldest_sent_at_ms: Option<i64>,
}

/// Options of an inbox.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long a lease lasts without renewal. SQS rounds up to whole seconds, and allows up to 12 hours.
    pub visibility_ms: i64,
    /// Maximum length of a body.
    pub body_bytes_max: usize,
    /// Maximum size of the file that sends may fill, without the write-ahead log. Not used by SQS.
    pub file_bytes_max: u64,
    /// A message that was received this often and not acked is buried instead of being received again. On SQS the
    /// redrive policy of the queue decides.
    pub receive_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { visibility_ms: 30_000, body_bytes_max: 262_144, file_bytes_max: 16 << 30, receive_max: 1000 }
    }
}
