//! What goes into the ledger and what comes out of it.

use crate::Error;

/// How far a partition has applied its inbox. A later position is greater.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// 1, 2, …; a new one whenever another inbox was adopted or the number of partitions changed.
    pub generation: u32,
    /// The sequence that was applied last in this generation; 0 for none.
    pub sequence: u128,
}

/// The move of one partition in one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub partition: u16,
    /// Its position when the batch was read.
    pub from: Position,
    /// Its position after the commit: the same generation, a greater sequence.
    pub to: Position,
}

impl Span {
    /// Whether it leads forward within its generation.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.to.generation == self.from.generation && self.to.sequence > self.from.sequence {
            Ok(())
        } else {
            Err(Error::NotForward { partition: self.partition })
        }
    }
}

/// Limits and timeouts of the connections to a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a statement waits for locks, in milliseconds.
    pub busy_timeout_ms: u64,
    /// Read-only connections.
    pub readers: u32,
    /// Connections of a [`Ledger`](crate::Ledger) to PostgreSQL; SQLite has one.
    pub writers: u32,
    /// PostgreSQL's `statement_timeout`, in milliseconds. A call without an answer shortly after it gives up its
    /// connection.
    pub statement_ms_max: u64,
    /// PostgreSQL's `idle_in_transaction_session_timeout`, in milliseconds: how long a process that hangs can lock a
    /// partition.
    pub idle_in_transaction_ms_max: u64,
    /// How long a call waits for a connection to PostgreSQL, in milliseconds.
    pub connect_ms_max: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            busy_timeout_ms: 5_000,
            readers: 4,
            writers: 4,
            statement_ms_max: 10_000,
            idle_in_transaction_ms_max: 5_000,
            connect_ms_max: 5_000,
        }
    }
}

/// The inbox and the number of partitions of a generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub generation: u32,
    pub inbox_id: String,
    pub partitions: u16,
}

impl Identity {
    /// Checks that the game is bound to this inbox and this number of partitions.
    pub(crate) fn matching(self, inbox_id: &str, partitions: u16) -> Result<Self, Error> {
        if self.partitions != partitions {
            return Err(Error::OtherPartitions { known: self.partitions, found: partitions });
        }
        if self.inbox_id != inbox_id {
            return Err(Error::OtherInbox { known: self.inbox_id, found: inbox_id.to_owned() });
        }
        Ok(self)
    }
}

/// An applied message, as it was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow<'a> {
    /// Its sequence in the generation of the commit's `to`.
    pub sequence: u128,
    /// When the inbox stored it, in Unix milliseconds.
    pub stored_at_ms: i64,
    pub body: &'a str,
    /// The indices of the commands in it that were buried.
    pub buried: &'a [u32],
}

/// A message read from the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    pub position: Position,
    /// When the inbox stored it, Unix milliseconds; `None` in a row that an earlier version wrote.
    pub stored_at_ms: Option<i64>,
    pub body: String,
    /// The indices of the commands in it that were buried.
    pub buried: Vec<u32>,
}

/// The result of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// It is durable. For a rehearsal: it would be.
    Done,
    /// The partition has moved since the batch was read. Nothing was written; read and apply the batch again.
    Fenced,
}
