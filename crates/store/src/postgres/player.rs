//! Writing players: an array for each column.

use game::{Player, Username};
use sqlx::PgConnection;

use crate::Error;
use crate::player::{PlayerRow, columns};

/// The rows, out of an array for each column. Arrays that are taken apart here, and not in `FROM`, go through no store
/// of their own: that is a third of the work.
macro_rules! rows {
    () => {
        concat!("SELECT $1 AS partition, ", columns!(unnested))
    };
}

/// Writes players: those that are new with one statement, those that are not with another. An insertion that turns
/// into an update would do for both; but it locks every row first, which costs as much again.
pub(super) async fn write<'a>(
    connection: &mut PgConnection,
    partition: u16,
    players: impl Iterator<Item = (&'a Username, &'a Player, bool)>,
) -> Result<(), Error> {
    const INSERT: &str = concat!("INSERT INTO players (partition, ", columns!(names), ") ", rows!());
    const UPDATE: &str = concat!(
        "UPDATE players AS p SET ",
        columns!(assigned),
        " FROM (",
        rows!(),
        ") AS r WHERE p.partition = ANY (ARRAY[r.partition]) AND p.username = r.username"
    );
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for (username, player, is_new) in players {
        if is_new { &mut new } else { &mut known }.push(PlayerRow::of(username, player));
    }
    for (statement, rows) in [(INSERT, new), (UPDATE, known)] {
        if rows.is_empty() {
            continue;
        }
        let statement = sqlx::query(statement).bind(i32::from(partition));
        let statement = columns!(bind statement rows);
        let written = statement.execute(&mut *connection).await?.rows_affected();
        if usize::try_from(written) != Ok(rows.len()) {
            return Err(Error::corrupt("players that were loaded have disappeared"));
        }
    }
    Ok(())
}
