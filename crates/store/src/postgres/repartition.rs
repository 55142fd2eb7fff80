//! Another number of partitions.

use sqlx::{Connection as _, PgConnection};

use super::identity::{add_inbox, add_partitions, identity};
use super::pool::give_back;
use super::writer::Writer;
use super::{board, migrate};
use crate::columns::{Columns, valid};
use crate::repartition::{DRAINED, ROWS_AT_ONCE, applied_through_ms, elsewhere, next};
use crate::{Error, Identity};

/// What waits for it sees what it has written.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

impl Writer {
    pub(crate) async fn repartition(
        &self,
        inbox_id: &str,
        partitions: u16,
        sequence: u128,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        let mut connection = self.pool().lend().await?;
        let dealt = deal(&mut connection, inbox_id, partitions, sequence, now_ms).await;
        give_back(connection, dealt)
    }
}

async fn deal(
    connection: &mut PgConnection,
    inbox_id: &str,
    partitions: u16,
    sequence: u128,
    now_ms: i64,
) -> Result<Identity, Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    migrate::lock(&mut transaction).await?;
    // It takes as long as there are players.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
    let Some(known) = identity(&mut transaction).await? else {
        return Err(Error::UnknownPartition { partition: 0 });
    };
    let next = next(&known, inbox_id, partitions)?;
    // Every batch writes its partition's row first: what has begun ends before, and what comes finds no such row.
    sqlx::query("SELECT FROM partitions ORDER BY partition FOR UPDATE").execute(&mut *transaction).await?;
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
    transaction.commit().await?;
    Ok(next)
}

/// Notes how many partitions there were until now, and how many there are from now on.
async fn begin_generation(
    connection: &mut PgConnection,
    known: &Identity,
    next: &Identity,
    now_ms: i64,
) -> Result<(), Error> {
    sqlx::query("UPDATE inboxes SET partitions = $1 WHERE partitions IS NULL")
        .bind(i32::from(known.partitions))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE meta SET value = $1 WHERE key = 'partitions'")
        .bind(next.partitions.to_string())
        .execute(&mut *connection)
        .await?;
    add_inbox(connection, next.inbox, &next.inbox_id, now_ms).await
}

/// Tells the partitions that are new of every round: all that there were know the same.
async fn deal_rounds(connection: &mut PgConnection, known: &Identity, next: &Identity) -> Result<(), Error> {
    let gone = "DELETE FROM rounds WHERE partition >= $1";
    sqlx::query(gone).bind(i32::from(next.partitions)).execute(&mut *connection).await?;
    let copies = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms)
        SELECT p.partition, r.id, r.opens_at_ms, r.window_ms, r.grace_ms FROM partitions AS p
        JOIN rounds AS r ON r.partition = 0 WHERE p.partition >= $1";
    sqlx::query(copies).bind(i32::from(known.partitions)).execute(connection).await?;
    Ok(())
}

/// Moves the players of a partition, with their purchases, to where they belong. Who comes to a partition that is
/// dealt later is met again there, and stays.
async fn deal_players(connection: &mut PgConnection, partition: u16, partitions: u16) -> Result<(), Error> {
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
        let page =
            sqlx::query_scalar(players).bind(i32::from(partition)).bind(&after).bind(i64::from(ROWS_AT_ONCE));
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

/// Moves every device to where its owner belongs.
async fn deal_devices(connection: &mut PgConnection, partitions: u16) -> Result<(), Error> {
    let devices = "SELECT token_sha256, username, partition FROM devices WHERE token_sha256 > $1
        ORDER BY token_sha256 LIMIT $2";
    const MOVE: &str = "UPDATE devices AS d SET partition = r.destination
        FROM (SELECT r.* FROM unnest($1::bytea[], $2::int4[]) AS r (token_sha256, destination) OFFSET 0) AS r
        WHERE d.token_sha256 = ANY (ARRAY[r.token_sha256])";
    let mut after: Vec<u8> = Vec::new(); // no hash is empty
    loop {
        let page = sqlx::query_as(devices).bind(&after).bind(i64::from(ROWS_AT_ONCE));
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
