//! A repartition: the checks before it, and the rows that move.

use ledger::json_rows;
use sqlx::SqliteConnection;

use crate::Error;
use crate::bounds::REPARTITION_ROWS;
use crate::columns::Columns;
use crate::repartition::{DRAINED, counts, elsewhere};

/// Counts pending pushes, and rounds over all partitions.
pub(crate) async fn drained(connection: &mut SqliteConnection) -> Result<[u64; 3], Error> {
    let row = sqlx::query(DRAINED).fetch_one(connection).await?;
    counts(&mut Columns::from(&row))
}

/// Copies the rounds, which all partitions share, to the new partitions. A round that is late in one partition becomes
/// late in all.
pub(crate) async fn deal_rounds(
    connection: &mut SqliteConnection,
    known: u16,
    next: u16,
) -> Result<(), Error> {
    let late = "UPDATE rounds SET late = TRUE WHERE NOT late AND id IN (SELECT id FROM rounds WHERE late)";
    sqlx::query(late).execute(&mut *connection).await?;
    let gone = "DELETE FROM rounds WHERE partition >= ?";
    sqlx::query(gone).bind(next).execute(&mut *connection).await?;
    let copies = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms, late)
        SELECT p.partition, r.id, r.opens_at_ms, r.window_ms, r.grace_ms, r.late FROM partitions AS p
        JOIN rounds AS r ON r.partition = 0 WHERE p.partition >= ?";
    sqlx::query(copies).bind(known).execute(connection).await?;
    Ok(())
}

/// Moves the players of a partition, with their purchases, to their new partitions. A player who moves to a partition
/// that comes later is read again there, and stays.
pub(crate) async fn deal_players(
    connection: &mut SqliteConnection,
    partition: u16,
    partitions: u16,
) -> Result<(), Error> {
    // The whole key must come from `k`: otherwise SQLite scans the partition for each row of `k`.
    const MOVES: [&str; 2] = [
        "UPDATE players AS p SET partition = k.value->>2 FROM json_each(?) AS k
            WHERE p.partition = k.value->>0 AND p.username = k.value->>1",
        "UPDATE purchases AS p SET partition = k.value->>2 FROM json_each(?) AS k
            WHERE p.partition = k.value->>0 AND p.username = k.value->>1",
    ];
    let players =
        "SELECT username FROM players WHERE partition = ? AND username > ? ORDER BY username LIMIT ?";
    let mut after = String::new(); // no username is empty
    loop {
        let page = sqlx::query_scalar(players).bind(partition).bind(&after).bind(REPARTITION_ROWS);
        let usernames: Vec<String> = page.fetch_all(&mut *connection).await?;
        let mut moved = Vec::new();
        for username in &usernames {
            if let Some(to) = elsewhere(username, partition, partitions) {
                moved.push((partition, username, to));
            }
        }
        let moved = json_rows(&moved)?;
        for statement in MOVES {
            sqlx::query(statement).bind(&moved).execute(&mut *connection).await?;
        }
        let Some(last) = usernames.into_iter().last() else { return Ok(()) };
        after = last;
    }
}

/// Moves every device to the partition of its owner.
pub(crate) async fn deal_devices(connection: &mut SqliteConnection, partitions: u16) -> Result<(), Error> {
    let devices = "SELECT token, username, partition FROM devices WHERE token > ? ORDER BY token LIMIT ?";
    const MOVE: &str = "UPDATE devices AS d SET partition = k.value->>1 FROM json_each(?) AS k
        WHERE d.token = k.value->>0";
    let mut after = String::new(); // no token is empty
    loop {
        let page = sqlx::query_as(devices).bind(&after).bind(REPARTITION_ROWS);
        let owners: Vec<(String, String, u16)> = page.fetch_all(&mut *connection).await?;
        let mut moved = Vec::new();
        for (token, username, partition) in &owners {
            if let Some(to) = elsewhere(username, *partition, partitions) {
                moved.push((token, to));
            }
        }
        sqlx::query(MOVE).bind(json_rows(&moved)?).execute(&mut *connection).await?;
        let Some((last, ..)) = owners.into_iter().last() else { return Ok(()) };
        after = last;
    }
}
