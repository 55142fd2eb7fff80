//! The view of a player, from the one row that both backends select for it.

use game::{KnownRound, Player, Round, Standing, Username};
use serde::Deserialize;

use crate::columns::{Columns, rounds, valid};
use crate::{Error, PlayerView, Position};

/// A round, as a JSON array.
#[derive(Deserialize)]
struct RoundRow {
    id: u64,
    opens_at_ms: i64,
    window_ms: i64,
    grace_ms: i64,
}

/// A round of a partition, as a JSON array.
#[derive(Deserialize)]
struct KnownRoundRow {
    id: u64,
    opens_at_ms: i64,
    window_ms: i64,
    grace_ms: i64,
    late: bool,
}

/// A partition, as a JSON array.
#[derive(Deserialize)]
struct PartitionRow {
    partition: u16,
    generation: u32,
    sequence: String,
    applied_through_ms: i64,
}

impl RoundRow {
    fn round(self) -> Result<Round, Error> {
        valid(Round::new(self.id, self.opens_at_ms, self.window_ms, self.grace_ms))
    }
}

impl KnownRoundRow {
    fn known_round(self) -> Result<KnownRound, Error> {
        let Self { id, opens_at_ms, window_ms, grace_ms, late } = self;
        Ok(KnownRound { round: RoundRow { id, opens_at_ms, window_ms, grace_ms }.round()?, late })
    }
}

/// Reads the columns behind the player's, each a JSON text: the partition's rounds that the player has not settled, all
/// partitions, and the round that has opened last, if any.
pub(crate) fn read(
    username: &Username,
    player: &Player,
    partition: u16,
    columns: &mut Columns<'_>,
) -> Result<PlayerView, Error> {
    let unsettled: Vec<KnownRoundRow> = valid(serde_json::from_str(columns.text()?))?;
    let unsettled = rounds(unsettled.into_iter().map(KnownRoundRow::known_round))?;
    let partitions: Vec<PartitionRow> = valid(serde_json::from_str(columns.text()?))?;
    let lit: Option<RoundRow> = valid(columns.opt_text()?.map(serde_json::from_str).transpose())?;

    let own = partitions.iter().find(|row| row.partition == partition);
    let applied_through_ms = own.ok_or(Error::UnknownPartition { partition })?.applied_through_ms;
    let positions = partitions.iter().map(|row| {
        let position = Position { generation: row.generation, sequence: valid(row.sequence.parse())? };
        Ok((row.partition, position))
    });
    Ok(PlayerView {
        standing: Standing::of(username, player),
        player: player.settled_view(&unsettled, applied_through_ms),
        lit: lit.map(RoundRow::round).transpose()?,
        positions: positions.collect::<Result<_, Error>>()?,
    })
}
