//! What goes into the ledger and what comes out of it.

use crate::Error;

/// Where a partition's writer stands in its inbox. The greater one is further on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// 1, 2, …; a new one whenever another inbox was adopted or the number of partitions changed.
    pub generation: u32,
    /// The sequence last applied in it; 0 for none.
    pub sequence: u128,
}

/// The way of one partition in one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The partition.
    pub partition: u16,
    /// Where it stood when the batch was read.
    pub from: Position,
    /// Where it stands afterwards: the same generation, a greater sequence.
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

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a statement waits for others, milliseconds.
    pub busy_timeout_ms: u64,
    /// Connections of whoever only reads.
    pub readers: u32,
    /// Connections of a [`Ledger`](crate::Ledger) to PostgreSQL; SQLite has one.
    pub writers: u32,
    /// How long PostgreSQL may take for a statement, milliseconds. A call that has heard nothing a little later gives
    /// up its connection.
    pub statement_ms_max: u64,
    /// How long PostgreSQL waits for the next statement of a transaction before it ends it, milliseconds: so long can
    /// a process that stands still hold a partition.
    pub idle_in_transaction_ms_max: u64,
    /// How long a call waits for a connection to PostgreSQL, milliseconds.
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

/// What a game belongs to, now or in a past generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub generation: u32,
    /// The id of its inbox.
    pub inbox_id: String,
    /// The number of partitions.
    pub partitions: u16,
}

impl Identity {
    /// Whether the game belongs to what was asked for.
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

/// One applied message, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow<'a> {
    /// Its sequence in the generation of the commit's `to`.
    pub sequence: u128,
    /// When the inbox stored it, Unix milliseconds.
    pub stored_at_ms: i64,
    /// Its body.
    pub body: &'a str,
    /// The indices of the commands in it that were buried.
    pub buried: &'a [u32],
}

/// One message of the journal, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Where it stood.
    pub position: Position,
    /// When the inbox stored it, Unix milliseconds; `None` in a row that an earlier version wrote.
    pub stored_at_ms: Option<i64>,
    /// Its body.
    pub body: String,
    /// The indices of the commands in it that were buried.
    pub buried: Vec<u32>,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// It is durable; or, of a rehearsal, it would be.
    Done,
    /// The partition stands elsewhere than when the batch was read: nothing was written; read and apply it again.
    Fenced,
}
