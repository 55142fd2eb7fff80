//! The row of a player: its columns as they are written, and as one JSON text when they are read.

use game::{Player, Username};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::Error;
use crate::columns::valid;
use crate::player::{PlayerColumns, player};

/// Most rows that one statement writes; a power of two, as are the smaller numbers, so that few texts are prepared.
const ROWS_PER_STATEMENT_LOG2: u32 = 6;

/// Writes players, new or not.
///
/// Every value is bound, where other tables go in as one JSON text: a player has so many columns that taking them out
/// of JSON again costs more than half of the commit.
pub(super) async fn write<'a>(
    connection: &mut SqliteConnection,
    partition: u16,
    players: impl Iterator<Item = (&'a Username, &'a Player)>,
) -> Result<(), Error> {
    const INSERT: &str = "INSERT OR REPLACE INTO players
        (partition, username, name, platform, added_at_ms, score, streak, reached_at_ms, settled_round, pressed_round,
         fixed_round, fixed_extender, freeze_level, freeze_from_ms, freeze_until_ms, multiplier_level,
         multiplier_from_ms, multiplier_until_ms, extender_level, extender_from_ms, extender_until_ms, press_round,
         press_outcome, press_points, press_at_ms, purchase_id, purchase_outcome) ";
    let players: Vec<(&Username, &Player)> = players.collect();
    let mut rest = &players[..];
    while let Some(log2) = rest.len().checked_ilog2() {
        let (batch, after) = rest.split_at(1 << log2.min(ROWS_PER_STATEMENT_LOG2));
        rest = after;
        let mut insert = QueryBuilder::<Sqlite>::new(INSERT);
        insert.push_values(batch, |mut row, (username, player)| {
            row.push_bind(partition)
                .push_bind(username.as_str())
                .push_bind(player.name.as_ref().map(|name| name.as_str()))
                .push_bind(player.platform.map(|platform| platform.code()))
                .push_bind(player.added_at_ms)
                .push_bind(player.score.cast_signed())
                .push_bind(player.streak.cast_signed())
                .push_bind(player.reached_at_ms)
                .push_bind(player.settled_round.cast_signed())
                .push_bind(player.pressed_round.cast_signed())
                .push_bind(player.fixed_round.cast_signed())
                .push_bind(player.fixed_extender);
            for effect in [player.freeze, player.multiplier, player.extender] {
                row.push_bind(effect.map(|effect| effect.level.number()))
                    .push_bind(effect.map(|effect| effect.from_ms))
                    .push_bind(effect.map(|effect| effect.until_ms));
            }
            let (press, purchase) = (player.last_press, player.last_purchase.as_ref());
            row.push_bind(press.and_then(|press| press.round).map(u64::cast_signed))
                .push_bind(press.map(|press| press.outcome.code()))
                .push_bind(press.map(|press| press.outcome.points().cast_signed()))
                .push_bind(press.map(|press| press.arrived_at_ms))
                .push_bind(purchase.map(|purchase| purchase.id.as_str()))
                .push_bind(purchase.map(|purchase| purchase.outcome.code()));
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A row of `players p` as one JSON text, for [`read`]: twice as fast as a column for each value, because the driver
/// copies every value of a row by itself.
macro_rules! player_json {
    () => {
        "json_array(p.username, p.name, p.platform,
            json_array(p.added_at_ms, p.score, p.streak, p.reached_at_ms, p.settled_round, p.pressed_round,
                p.fixed_round),
            p.fixed_extender,
            json_array(p.freeze_level, p.freeze_from_ms, p.freeze_until_ms),
            json_array(p.multiplier_level, p.multiplier_from_ms, p.multiplier_until_ms),
            json_array(p.extender_level, p.extender_from_ms, p.extender_until_ms),
            json_array(p.press_round, p.press_outcome, p.press_points, p.press_at_ms),
            json_array(p.purchase_id, p.purchase_outcome))"
    };
}
pub(super) use player_json;

/// Reads a player from [`player_json`].
pub(super) fn read(json: &str) -> Result<(Username, Player), Error> {
    let columns: PlayerColumns<String> = valid(serde_json::from_str(json))?;
    player(columns)
}
