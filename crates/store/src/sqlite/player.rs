//! The row of a player: a value for each column when it is written, one JSON text when it is read.

use game::{Player, Username};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use crate::Error;
use crate::bounds::PLAYERS_PER_STATEMENT_LOG2;
use crate::columns::valid;
use crate::player::{PlayerRow, columns};

/// Writes players, new or not.
///
/// Every value is bound, where other tables go in as one JSON text: a player has so many columns that taking them out
/// of JSON again costs more than half of the commit.
pub(super) async fn write<'a>(
    connection: &mut SqliteConnection,
    partition: u16,
    players: impl Iterator<Item = (&'a Username, &'a Player)>,
) -> Result<(), Error> {
    const INSERT: &str = concat!("INSERT OR REPLACE INTO players (partition, ", columns!(names), ") ");
    let players: Vec<(&Username, &Player)> = players.collect();
    let mut rest = &players[..];
    while let Some(log2) = rest.len().checked_ilog2() {
        let (batch, after) = rest.split_at(1 << log2.min(PLAYERS_PER_STATEMENT_LOG2));
        rest = after;
        let mut insert = QueryBuilder::<Sqlite>::new(INSERT);
        insert.push_values(batch, |mut values, (username, player)| {
            let row = PlayerRow::of(username, player);
            values.push_bind(partition);
            columns!(push values row);
        });
        insert.build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// A row of `players p` as one JSON text, for [`read`]: twice as fast as a column for each value, because the driver
/// copies every value of a row by itself.
macro_rules! player_json {
    () => {
        concat!("json_array(", $crate::player::columns!(selected), ")")
    };
}
pub(super) use player_json;

/// Reads a player from [`player_json`].
pub(super) fn read(json: &str) -> Result<(Username, Player), Error> {
    let row: PlayerRow<String> = valid(serde_json::from_str(json))?;
    row.player()
}
