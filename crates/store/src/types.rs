//! What goes into the store and what comes out of it.

use game::{DisplayName, Platform, Player, Round, Standing, Token, Username};
use ledger::Position;

/// What the migrations did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// The version before; 0 for an empty database.
    pub from: i64,
    /// The version now.
    pub to: i64,
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
