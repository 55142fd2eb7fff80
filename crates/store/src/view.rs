//! The view of a player, from the one row that both backends select for it.

use game::{Player, Standing, Username};

use crate::columns::{Columns, known_round, round, rounds, valid};
use crate::{Error, PlayerView, Position};

/// A round as JSON: id, opens_at_ms, window_ms, grace_ms.
type RoundColumns = (u64, i64, i64, i64);
/// A round of a partition as JSON: the same, and whether it is late.
type KnownRoundColumns = (u64, i64, i64, i64, bool);
/// A partition as JSON: partition, inbox, sequence, applied_through_ms.
type PartitionColumns = (u16, u32, String, i64);

/// Reads the columns behind the player's, each a JSON text: the partition's rounds that the player has not settled, all
/// partitions, and the round that has opened last, if any.
pub(crate) fn read(
    username: &Username,
    player: &Player,
    partition: u16,
    columns: &mut Columns<'_>,
) -> Result<PlayerView, Error> {
    let unsettled: Vec<KnownRoundColumns> = valid(serde_json::from_str(columns.text()?))?;
    let unsettled = rounds(unsettled.into_iter().map(known_round))?;
    let partitions: Vec<PartitionColumns> = valid(serde_json::from_str(columns.text()?))?;
    let lit: Option<RoundColumns> = valid(columns.opt_text()?.map(serde_json::from_str).transpose())?;

    let own = partitions.iter().find(|(number, ..)| *number == partition);
    let applied_through_ms = own.ok_or(Error::UnknownPartition { partition })?.3;
    let positions = partitions.iter().map(|(number, generation, text, _)| {
        Ok((*number, Position { generation: *generation, sequence: valid(text.parse())? }))
    });
    Ok(PlayerView {
        standing: Standing::of(username, player),
        player: player.settled_view(&unsettled, applied_through_ms),
        lit: lit.map(round).transpose()?,
        positions: positions.collect::<Result<_, Error>>()?,
    })
}
