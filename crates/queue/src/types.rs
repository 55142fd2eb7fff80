//! What goes into an inbox and comes out of it.

use std::{fmt, sync::Arc};

use crate::sqs;
#[cfg(doc)]
use crate::{DEDUP_MS, Error, Queue};

/// The clock: Unix milliseconds. Leases and remembered ids are judged by it. It may be set while an inbox is open: what
/// ends further in the future than it can if the clock was right when it was written, twice over, is over.
pub type NowMs = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Position in one inbox. It grows within a partition, with gaps.
#[derive(Copy, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Sequence(pub u128);

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A message to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Messages of one partition stay in order.
    pub partition: u16,
    /// Names this message: sent again within [`DEDUP_MS`], it succeeds and is not stored twice. A message whose id
    /// begins with `~` is quiet: the [`Backlog`] says as little of it as the backend can.
    pub id: String,
    /// The content.
    pub body: String,
}

/// A message received.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Where it stands in its partition.
    pub sequence: Sequence,
    /// The id that it was sent with.
    pub id: String,
    /// The content.
    pub body: String,
    /// When the inbox stored it, Unix milliseconds (SQS: by its clock; a file: by the sender's, before it waits for other
    /// processes, but behind that wait where it is quiet). It stays over redeliveries and resends.
    pub stored_at_ms: i64,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

/// The right to one partition until its visibility runs out. It is given with a [`Delivery`] and proves nothing
/// by itself: every call made with it says [`Error::LeaseLost`] once it is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    pub(crate) partition: u16,
    pub(crate) hold: Hold,
}

/// What shows a backend which lease it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Hold {
    Token(i64),
    Receipts(sqs::Receipts),
}

impl Lease {
    /// The partition that is held.
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// The token of a file's lease; they begin with 1.
    pub(crate) fn token(&self) -> i64 {
        match self.hold {
            Hold::Token(token) => token,
            Hold::Receipts(_) => 0,
        }
    }
}

/// Messages of one partition, and the lease on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// What to extend, ack or release.
    pub lease: Lease,
    /// In order, never empty.
    pub messages: Vec<Message>,
}

/// How much to receive. One message is always returned, however long. What SQS hands out beyond the bytes is given
/// back at once, and counts as received once.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// The most messages; 0 counts as 1.
    pub messages_max: usize,
    /// The most bytes of their bodies together.
    pub bytes_max: usize,
}

/// A message, or a part of one, that could not be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeadLetter {
    /// Names it; the first letter of an id stays. One that the inbox itself buried, because it was received
    /// too often, has the message's id followed by `#` and its sequence.
    pub id: String,
    /// Where it came from.
    pub partition: u16,
    /// The content.
    pub body: String,
    /// Why it is here, for people.
    pub reason: String,
    /// When it was buried, Unix milliseconds.
    pub buried_at_ms: i64,
}

/// Figures about the inbox at one moment.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Backlog {
    /// Messages that are not acked, those in flight included. A file does not count quiet ones, here and below; SQS
    /// cannot tell them apart.
    pub messages: u64,
    /// Messages given out under a lease that has not run out.
    pub in_flight: u64,
    /// Dead letters.
    pub dead: u64,
    /// When the oldest of the messages that are not quiet was sent, Unix milliseconds. With SQS: the oldest of those
    /// that this process received last; `None` where there was none.
    pub oldest_sent_at_ms: Option<i64>,
}

/// How an inbox behaves.
#[derive(Copy, Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// How long a lease lasts without being extended. SQS counts whole seconds, up to 12 hours: a part of one counts
    /// as one.
    pub visibility_ms: i64,
    /// The longest body.
    pub body_bytes_max: usize,
    /// The largest file that sends may fill, the write-ahead log not counted. Nothing to SQS.
    pub file_bytes_max: u64,
    /// A message received this often and still not acked is buried instead of being received once more.
    /// With SQS the queue's redrive policy says it instead.
    pub receive_max: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { visibility_ms: 30_000, body_bytes_max: 262_144, file_bytes_max: 16 << 30, receive_max: 1000 }
    }
}
