//! What goes into the store and what comes out of it.

use game::{DisplayName, Platform, Player, Round, Standing, Token, Username, World};

use crate::Error;

/// Where a partition's writer stands in its inbox. The greater one is further on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The generation: 1, 2, …; a new one whenever another inbox was adopted or the number of partitions changed.
    pub inbox: u32,
    /// The sequence last applied in it; 0 for none.
    pub sequence: u128,
}

/// How a database is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a statement waits for others, milliseconds.
    pub busy_timeout_ms: u64,
    /// Connections of a [`Reader`](crate::Reader).
    pub readers: u32,
    /// Connections of a [`Writer`](crate::Writer) to PostgreSQL; SQLite has one.
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

/// What the migrations did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0 for an empty database.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

/// What a game belongs to, now or in a past generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The generation.
    pub inbox: u32,
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

/// What a batch needs, and where its partition stood when it was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Prefetched {
    /// What the commit must find unchanged.
    pub from: Position,
    /// The players, purchases and rounds that were asked for, as far as they exist.
    pub world: World,
}

/// One applied message, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalRow<'a> {
    /// Its sequence in the inbox of the commit's `to`.
    pub sequence: u128,
    /// Its body.
    pub body: &'a str,
    /// The indices of the commands in it that were buried.
    pub buried: &'a [u32],
}

impl JournalRow<'_> {
    /// The indices as a JSON array: Rust's way of showing numbers is JSON's.
    pub(crate) fn buried_text(&self) -> String {
        format!("{:?}", self.buried)
    }
}

/// One message of the journal, read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Where it stood.
    pub position: Position,
    /// Its body.
    pub body: String,
    /// The indices of the commands in it that were buried.
    pub buried: Vec<u32>,
}

/// Something to be pushed to the devices of a partition. There is one per partition and topic; a second is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    /// What it is about.
    pub topic: String,
    /// What is to be sent.
    pub payload: String,
    /// When it may leave at the earliest, Unix milliseconds: nobody is told before.
    pub due_at_ms: i64,
    /// From when on it is of no use, Unix milliseconds: whoever was not told by then is not told.
    pub expires_at_ms: i64,
}

/// Everything that one batch writes, in one transaction.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// The partition.
    pub partition: u16,
    /// Where it stood when the batch was prefetched.
    pub from: Position,
    /// Where it stands afterwards: the same inbox, a greater sequence.
    pub to: Position,
    /// The world after the batch, its changes still inside.
    pub world: &'a World,
    /// The messages of the batch.
    pub journal: &'a [JournalRow<'a>],
    /// What is to be pushed because of the batch.
    pub outbox: &'a [OutboxRow],
}

impl Commit<'_> {
    /// Whether it moves its partition forward within its inbox.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.to.inbox == self.from.inbox && self.to.sequence > self.from.sequence {
            Ok(())
        } else {
            Err(Error::NotForward { partition: self.partition })
        }
    }
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// It is durable.
    Done,
    /// The partition stands elsewhere than at the prefetch: nothing was written; prefetch and apply again.
    Fenced,
}

/// A player as reads show them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerView {
    /// The player, settled as far as the partition has applied everything that arrived.
    pub player: Player,
    /// Where they stand.
    pub standing: Standing,
    /// The latest round that has opened and that every partition knows; never one that opens later.
    pub lit: Option<Round>,
    /// Where all partitions stood when this was read.
    pub positions: Vec<(u16, Position)>,
}

/// One place of a partition's stored top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopEntry {
    /// Who stands there, and with what.
    pub standing: Standing,
    /// The name to show, if not the username.
    pub name: Option<DisplayName>,
}

/// One of the best players of all partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopRow {
    /// 1 + the number of players strictly ahead.
    pub rank: u64,
    /// Who.
    pub username: Username,
    /// The name to show, if not the username.
    pub name: Option<DisplayName>,
    /// Points.
    pub score: u64,
}

/// How much there is. Each is counted, so this is for an operator, not for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Players.
    pub players: u64,
    /// Outbox rows that are not done.
    pub outbox_pending: u64,
}

/// How far the announcement of a round has come. It only ever moves on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Secret, and may still be replaced.
    Drawn,
    /// Fixed for ever, and on its way to the partitions.
    Announcing,
    /// Every partition has it durably.
    Announced,
}

/// The number that the database has for a stage.
pub(crate) fn stage_number(stage: Stage) -> i16 {
    match stage {
        Stage::Drawn => 0,
        Stage::Announcing => 1,
        Stage::Announced => 2,
    }
}

/// The stage with this number.
pub(crate) fn stage_of(number: i64) -> Option<Stage> {
    [Stage::Drawn, Stage::Announcing, Stage::Announced]
        .into_iter()
        .find(|stage| i64::from(stage_number(*stage)) == number)
}

/// One round of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduled {
    /// The round.
    pub round: Round,
    /// Whether an operator asked for it.
    pub by_operator: bool,
    /// How far its announcement has come.
    pub stage: Stage,
    /// How many of `round.cutoffs_ms()` have been ticked, 0 to 5.
    pub ticks_sent: u8,
}

/// An outbox row that a pusher holds for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The partition whose devices it is for.
    pub partition: u16,
    /// What it is about.
    pub topic: String,
    /// What is to be sent.
    pub payload: String,
    /// From when on it is of no use, Unix milliseconds; `None` in a row that an earlier version wrote.
    pub expires_at_ms: Option<i64>,
    /// The last device that was dealt with; `None` when none was.
    pub cursor: Option<Token>,
    /// The row.
    pub(crate) id: i64,
    /// Which taking of the row this is: a later one makes it void.
    pub(crate) taken: i64,
}

/// A device to push to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its address.
    pub token: Token,
    /// Whose it is.
    pub username: Username,
    /// What it is.
    pub platform: Option<Platform>,
}
