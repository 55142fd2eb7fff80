//! The rows and views of the store.

use game::{DisplayName, Platform, Player, Round, Standing, Token, Username};
use ledger::Position;

/// The result of the migrations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Migrated {
    /// 0 for an empty database.
    pub from: i64,
    pub to: i64,
}

/// A push to the devices of a partition. One per partition and topic; a second is ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxRow {
    pub topic: String,
    pub payload: String,
    /// The earliest time of the push, in Unix milliseconds.
    pub due_at_ms: i64,
    /// From this time on no device gets the push any more, in Unix milliseconds.
    pub expires_at_ms: i64,
}

/// A player, as reads show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayerView {
    /// Settled up to the time up to which the partition has applied all arrivals.
    pub player: Player,
    pub standing: Standing,
    /// The latest round that has opened and that every partition knows; never one that opens later.
    pub lit: Option<Round>,
    /// The positions of all partitions at the read.
    pub positions: Vec<(u16, Position)>,
}

/// One entry of a partition's stored top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopEntry {
    pub standing: Standing,
    /// The display name, if there is one.
    pub name: Option<DisplayName>,
}

/// One of the best players of all partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopRow {
    /// 1 + the number of players strictly ahead.
    pub rank: u64,
    pub username: Username,
    /// The display name, if there is one.
    pub name: Option<DisplayName>,
    pub score: u64,
}

/// Counts of rows. Each is counted at the read, so this is for operators, not for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub players: u64,
    /// Outbox rows that are not done.
    pub outbox_pending: u64,
}

/// The stage of a round's announcement. It only moves forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Secret, and can be replaced.
    Drawn,
    /// Fixed, and being sent to the partitions.
    Announcing,
    /// Every partition has it durably.
    Announced,
}

/// The number of a stage in the database.
pub(crate) fn stage_number(stage: Stage) -> i16 {
    match stage {
        Stage::Drawn => 0,
        Stage::Announcing => 1,
        Stage::Announced => 2,
    }
}

/// The stage of a number in the database.
pub(crate) fn stage_of(number: i64) -> Option<Stage> {
    [Stage::Drawn, Stage::Announcing, Stage::Announced]
        .into_iter()
        .find(|stage| i64::from(stage_number(*stage)) == number)
}

/// A row of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scheduled {
    pub round: Round,
    /// Whether an operator has opened it.
    pub by_operator: bool,
    pub stage: Stage,
    /// For how many of `round.cutoffs_ms()` the tick has been sent, 0 to 5.
    pub ticks_sent: u8,
}

/// An outbox row that a pusher has leased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub partition: u16,
    pub topic: String,
    pub payload: String,
    /// As in [`OutboxRow`]; `None` in a row of an earlier version.
    pub expires_at_ms: Option<i64>,
    /// The last device that was pushed to; `None` for none.
    pub cursor: Option<Token>,
    pub(crate) id: i64,
    /// The number of this lease of the row; a later lease makes it void.
    pub(crate) taken: i64,
}

/// A device to push to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    pub token: Token,
    pub username: Username,
    pub platform: Option<Platform>,
}
