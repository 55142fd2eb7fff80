//! Another number of partitions.

use sqlx::SqliteConnection;

use super::board;
use super::identity::{add_inbox, add_partitions, identity};
use super::writer::Writer;
use crate::columns::Columns;
use crate::json::Rows;
use crate::repartition::{DRAINED, ROWS_AT_ONCE, applied_through_ms, elsewhere, next};
use crate::{Error, Identity};

impl Writer {
    pub(crate) async fn repartition(
        &self,
        inbox_id: &str,
        partitions: u16,
        sequence: u128,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        let mut transaction = self.begin_write().await?;
        let Some(known) = identity(&mut transaction).await? else {
            return Err(Error::UnknownPartition { partition: 0 });
        };
        let next = next(&known, inbox_id, partitions)?;
        let drained = sqlx::query(DRAINED).fetch_one(&mut *transaction).await?;
        let applied_through_ms = applied_through_ms(&mut Columns::from(&drained))?;
        begin_generation(&mut transaction, &known, &next, now_ms).await?;
        sqlx::query("DELETE FROM partitions").execute(&mut *transaction).await?;
        add_partitions(&mut transaction, &next, sequence, applied_through_ms).await?;
        deal_rounds(&mut transaction, &known, &next).await?;
        for partition in 0..known.partitions {
            deal_players(&mut transaction, partition, partitions).await?;
        }
        deal_devices(&mut transaction, partitions).await?;
        sqlx::query("DELETE FROM board").execute(&mut *transaction).await?;
        for partition in 0..partitions {
            board::make(&mut transaction, partition).await?;
        }
        self.end_write(transaction).await?;
        Ok(next)
    }
}

/// Notes how many partitions there were until now, and how many there are from now on.
async fn begin_generation(
    connection: &mut SqliteConnection,
    known: &Identity,
    next: &Identity,
    now_ms: i64,
) -> Result<(), Error> {
    sqlx::query("UPDATE inboxes SET partitions = ? WHERE partitions IS NULL")
        .bind(known.partitions)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE meta SET value = ? WHERE key = 'partitions'")
        .bind(next.partitions.to_string())
        .execute(&mut *connection)
        .await?;
    add_inbox(connection, next.inbox, &next.inbox_id, now_ms).await
}

/// Tells the partitions that are new of every round: all that there were know the same.
async fn deal_rounds(
    connection: &mut SqliteConnection,
    known: &Identity,
    next: &Identity,
) -> Result<(), Error> {
    let gone = "DELETE FROM rounds WHERE partition >= ?";
    sqlx::query(gone).bind(next.partitions).execute(&mut *connection).await?;
    let copies = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms)
        SELECT p.partition, r.id, r.opens_at_ms, r.window_ms, r.grace_ms FROM partitions AS p
        JOIN rounds AS r ON r.partition = 0 WHERE p.partition >= ?";
    sqlx::query(copies).bind(known.partitions).execute(connection).await?;
    Ok(())
}

/// Moves the players of a partition, with their purchases, to where they belong. Who comes to a partition that is
/// dealt later is met again there, and stays.
async fn deal_players(
    connection: &mut SqliteConnection,
    partition: u16,
    partitions: u16,
) -> Result<(), Error> {
    // All of the key stands in `k`: with a part of it elsewhere, SQLite goes through the partition for each row of `k`.
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
        let page = sqlx::query_scalar(players).bind(partition).bind(&after).bind(ROWS_AT_ONCE);
        let usernames: Vec<String> = page.fetch_all(&mut *connection).await?;
        let mut moved = Rows::new();
        for username in &usernames {
            if let Some(to) = elsewhere(username, partition, partitions) {
                moved.row().int(partition.into()).text(username).int(to.into()).end();
            }
        }
        let moved = moved.finish();
        for statement in MOVES {
            sqlx::query(statement).bind(&moved).execute(&mut *connection).await?;
        }
        let Some(last) = usernames.into_iter().last() else { return Ok(()) };
        after = last;
    }
}

/// Moves every device to where its owner belongs.
async fn deal_devices(connection: &mut SqliteConnection, partitions: u16) -> Result<(), Error> {
    let devices = "SELECT token, username, partition FROM devices WHERE token > ? ORDER BY token LIMIT ?";
    const MOVE: &str = "UPDATE devices AS d SET partition = k.value->>1 FROM json_each(?) AS k
        WHERE d.token = k.value->>0";
    let mut after = String::new(); // no token is empty
    loop {
        let page = sqlx::query_as(devices).bind(&after).bind(ROWS_AT_ONCE);
        let owners: Vec<(String, String, u16)> = page.fetch_all(&mut *connection).await?;
        let mut moved = Rows::new();
        for (token, username, partition) in &owners {
            if let Some(to) = elsewhere(username, *partition, partitions) {
                moved.row().text(token).int(to.into()).end();
            }
        }
        sqlx::query(MOVE).bind(moved.finish()).execute(&mut *connection).await?;
        let Some((last, ..)) = owners.into_iter().last() else { return Ok(()) };
        after = last;
    }
}
