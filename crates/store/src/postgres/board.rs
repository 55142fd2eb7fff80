//! What the top of a partition reads and writes.

use futures_util::TryStreamExt as _;
use game::bounds::TOP_KEPT_MAX;
use game::{Standing, World};
use sqlx::PgConnection;

use crate::Error;
use crate::board::{Board, Names};
use crate::columns::Columns;

/// Brings the top and its snapshot up to date with a batch that has just been written. `None` stays `None` until a
/// player changes.
pub(crate) async fn update(
    connection: &mut PgConnection,
    partition: u16,
    board: Option<Board>,
    world: &World,
) -> Result<Option<Board>, Error> {
    if world.changes.players.is_empty() {
        return Ok(board);
    }
    let known = match board {
        Some(board) => Some(board),
        None => load(connection, partition).await?.as_deref().map(Board::read).transpose()?,
    };
    let mut board = match known {
        Some(mut board) => {
            if !board.change(world) {
                board.refill(scan(connection, partition).await?);
            }
            board
        }
        None => Board::new(scan(connection, partition).await?),
    };
    let names = read_names(connection, partition, &board.nameless(world)).await?;
    if let Some(snapshot) = board.store(world, names)? {
        store(connection, partition, &snapshot).await?;
    }
    Ok(Some(board))
}

/// Makes the snapshot of a partition that has none, from its players, if it has any.
pub(crate) async fn make(connection: &mut PgConnection, partition: u16) -> Result<(), Error> {
    let nobody = World::default();
    let mut board = Board::new(scan(connection, partition).await?);
    let names = read_names(connection, partition, &board.nameless(&nobody)).await?;
    match board.store(&nobody, names)? {
        Some(snapshot) => store(connection, partition, &snapshot).await,
        None => Ok(()),
    }
}

/// Removes all snapshots.
pub(crate) async fn clear(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM board").execute(connection).await?;
    Ok(())
}

async fn store(connection: &mut PgConnection, partition: u16, snapshot: &str) -> Result<(), Error> {
    const STORE: &str = "INSERT INTO board (partition, snapshot) VALUES ($1, $2)
        ON CONFLICT (partition) DO UPDATE SET snapshot = excluded.snapshot";
    sqlx::query(STORE).bind(i32::from(partition)).bind(snapshot).execute(connection).await?;
    Ok(())
}

/// The best players of a partition, from its players.
async fn scan(connection: &mut PgConnection, partition: u16) -> Result<Vec<Standing>, Error> {
    const SCAN: &str = "SELECT score, reached_at_ms, username FROM players WHERE partition = $1
        ORDER BY score DESC, reached_at_ms, username LIMIT $2";
    let limit = i64::try_from(TOP_KEPT_MAX).unwrap_or(i64::MAX);
    let mut rows = sqlx::query(SCAN).bind(i32::from(partition)).bind(limit).fetch(connection);
    let mut best = Vec::with_capacity(TOP_KEPT_MAX);
    while let Some(row) = rows.try_next().await? {
        best.push(Columns::from(&row).standing()?);
    }
    Ok(best)
}

async fn load(connection: &mut PgConnection, partition: u16) -> Result<Option<String>, Error> {
    let snapshot = "SELECT snapshot FROM board WHERE partition = $1";
    Ok(sqlx::query_scalar(snapshot).bind(i32::from(partition)).fetch_optional(connection).await?)
}

async fn read_names(
    connection: &mut PgConnection,
    partition: u16,
    usernames: &[&str],
) -> Result<Names, Error> {
    let mut names = Names::new();
    if usernames.is_empty() {
        return Ok(names);
    }
    const NAMES: &str = "SELECT p.username, p.name FROM unnest($2::text[]) AS r (username), LATERAL
        (SELECT * FROM players AS p WHERE p.partition = $1 AND p.username = r.username OFFSET 0) AS p";
    let read = sqlx::query(NAMES).bind(i32::from(partition)).bind(usernames);
    for row in read.fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        names.insert(columns.username()?, columns.name()?);
    }
    Ok(names)
}
