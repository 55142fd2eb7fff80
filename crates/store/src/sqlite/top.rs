//! The statements of the top of a partition.

use futures_util::TryStreamExt as _;
use game::Standing;
use game::bounds::TOP_KEPT_MAX;
use ledger::json_rows;
use sqlx::SqliteConnection;

use crate::Error;
use crate::columns::Columns;
use crate::top::Names;

/// Removes all snapshots.
pub(crate) async fn clear(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM board").execute(connection).await?;
    Ok(())
}

pub(crate) async fn write_snapshot(
    connection: &mut SqliteConnection,
    partition: u16,
    snapshot: &str,
) -> Result<(), Error> {
    const WRITE: &str = "INSERT INTO board (partition, snapshot) VALUES (?, ?)
        ON CONFLICT (partition) DO UPDATE SET snapshot = excluded.snapshot";
    sqlx::query(WRITE).bind(partition).bind(snapshot).execute(connection).await?;
    Ok(())
}

/// The best players of a partition, read from all of its players.
pub(crate) async fn best(connection: &mut SqliteConnection, partition: u16) -> Result<Vec<Standing>, Error> {
    const BEST: &str = "SELECT score, reached_at_ms, username FROM players WHERE partition = ?
        ORDER BY score DESC, reached_at_ms, username LIMIT ?";
    let limit = i64::try_from(TOP_KEPT_MAX).unwrap_or(i64::MAX);
    let mut rows = sqlx::query(BEST).bind(partition).bind(limit).fetch(connection);
    let mut best = Vec::with_capacity(TOP_KEPT_MAX);
    while let Some(row) = rows.try_next().await? {
        best.push(Columns::from(&row).standing()?);
    }
    Ok(best)
}

pub(crate) async fn read_snapshot(
    connection: &mut SqliteConnection,
    partition: u16,
) -> Result<Option<String>, Error> {
    let snapshot = "SELECT snapshot FROM board WHERE partition = ?";
    Ok(sqlx::query_scalar(snapshot).bind(partition).fetch_optional(connection).await?)
}

pub(crate) async fn names(
    connection: &mut SqliteConnection,
    partition: u16,
    usernames: &[&str],
) -> Result<Names, Error> {
    let mut names = Names::new();
    if usernames.is_empty() {
        return Ok(names);
    }
    const NAMES: &str = "SELECT p.username, p.name FROM json_each(?2) AS k CROSS JOIN players AS p
        ON p.partition = ?1 AND p.username = k.value";
    let usernames = json_rows(usernames)?;
    for row in sqlx::query(NAMES).bind(partition).bind(usernames).fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        names.insert(columns.username()?, columns.name()?);
    }
    Ok(names)
}
