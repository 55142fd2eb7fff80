//! A repartition: the checks before it, and the rows that move.

use sqlx::PgConnection;

use crate::Error;
use crate::bounds::REPARTITION_ROWS;
use crate::columns::{Columns, valid};
use crate::repartition::{DRAINED, counts, elsewhere};

/// Counts pending pushes, and rounds over all partitions.
pub(crate) async fn drained(connection: &mut PgConnection) -> Result<[u64; 3], Error> {
    let row = sqlx::query(DRAINED).fetch_one(connection).await?;
    counts(&mut Columns::from(&row))
}

/// Copies the rounds, which all partitions share, to the new partitions. A round that is late in one partition becomes
/// late in all.
pub(crate) async fn deal_rounds(connection: &mut PgConnection, known: u16, next: u16) -> Result<(), Error> {
    let late = "UPDATE rounds SET late = TRUE WHERE NOT late AND id IN (SELECT id FROM rounds WHERE late)";
    sqlx::query(late).execute(&mut *connection).await?;
    let gone = "DELETE FROM rounds WHERE partition >= $1";
    sqlx::query(gone).bind(i32::from(next)).execute(&mut *connection).await?;
    let copies = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms, late)
        SELECT p.partition, r.id, r.opens_at_ms, r.window_ms, r.grace_ms, r.late FROM partitions AS p
        JOIN rounds AS r ON r.partition = 0 WHERE p.partition >= $1";
    sqlx::query(copies).bind(i32::from(known)).execute(connection).await?;
    Ok(())
}

/// Moves the players of a partition, with their purchases, to their new partitions. A player who moves to a partition
/// that comes later is read again there, and stays.
pub(crate) async fn deal_players(
    connection: &mut PgConnection,
    partition: u16,
    partitions: u16,
) -> Result<(), Error> {
    const MOVES: [&str; 2] = [
        "UPDATE players AS p SET partition = r.destination
            FROM (SELECT $1 AS partition, r.* FROM unnest($2::text[], $3::int4[]) AS r (username, destination) OFFSET 0) AS r
            WHERE p.partition = ANY (ARRAY[r.partition]) AND p.username = r.username",
        "UPDATE purchases AS p SET partition = r.destination
            FROM (SELECT $1 AS partition, r.* FROM unnest($2::text[], $3::int4[]) AS r (username, destination) OFFSET 0) AS r
            WHERE p.partition = ANY (ARRAY[r.partition]) AND p.username = r.username",
    ];
    let players =
        "SELECT username FROM players WHERE partition = $1 AND username > $2 ORDER BY username LIMIT $3";
    let mut after = String::new(); // no username is empty
    loop {
        let page = sqlx::query_scalar(players)
            .bind(i32::from(partition))
            .bind(&after)
            .bind(i64::from(REPARTITION_ROWS));
        let usernames: Vec<String> = page.fetch_all(&mut *connection).await?;
        let (mut moved, mut to) = (Vec::new(), Vec::new());
        for username in &usernames {
            if let Some(partition) = elsewhere(username, partition, partitions) {
                moved.push(username.as_str());
                to.push(i32::from(partition));
            }
        }
        for statement in MOVES {
            let statement = sqlx::query(statement).bind(i32::from(partition)).bind(&moved).bind(&to);
            statement.execute(&mut *connection).await?;
        }
        let Some(last) = usernames.into_iter().last() else { return Ok(()) };
        after = last;
    }
}

/// Moves every device to the partition of its owner.
pub(crate) async fn deal_devices(connection: &mut PgConnection, partitions: u16) -> Result<(), Error> {
    let devices = "SELECT token_sha256, username, partition FROM devices WHERE token_sha256 > $1
        ORDER BY token_sha256 LIMIT $2";
    const MOVE: &str = "UPDATE devices AS d SET partition = r.destination
        FROM (SELECT r.* FROM unnest($1::bytea[], $2::int4[]) AS r (token_sha256, destination) OFFSET 0) AS r
        WHERE d.token_sha256 = ANY (ARRAY[r.token_sha256])";
    let mut after: Vec<u8> = Vec::new(); // no hash is empty
    loop {
        let page = sqlx::query_as(devices).bind(&after).bind(i64::from(REPARTITION_ROWS));
        let owners: Vec<(Vec<u8>, String, i32)> = page.fetch_all(&mut *connection).await?;
        let (mut moved, mut to) = (Vec::new(), Vec::new());
        for (token, username, partition) in &owners {
            if let Some(partition) = elsewhere(username, valid(u16::try_from(*partition))?, partitions) {
                moved.push(token.as_slice());
                to.push(i32::from(partition));
            }
        }
        sqlx::query(MOVE).bind(moved).bind(to).execute(&mut *connection).await?;
        let Some((last, ..)) = owners.into_iter().last() else { return Ok(()) };
        after = last;
    }
}
