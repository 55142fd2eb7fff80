//! The rows of the generations. Each function is one statement of [`crate::generation`].

use sqlx::PgConnection;

use crate::{Columns, Error, Identity, Position, sequence_text};

/// Lets only one transaction at a time change what all partitions share.
///
/// # Errors
/// Whatever the database says.
pub async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    /// Any number that no other program locks.
    const KEY: i64 = 0x6275_7474_6f6e;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(KEY).execute(connection).await?;
    Ok(())
}

/// Stores the number of partitions. `false`: another process has stored and committed it.
pub(crate) async fn fix_partitions(connection: &mut PgConnection, partitions: u16) -> Result<bool, Error> {
    let fix = "INSERT INTO meta (key, value) VALUES ('partitions', $1) ON CONFLICT (key) DO NOTHING";
    let fixed = sqlx::query(fix).bind(partitions.to_string()).execute(connection).await?;
    Ok(fixed.rows_affected() == 1)
}

pub(crate) async fn add_inbox(
    connection: &mut PgConnection,
    identity: &Identity,
    now_ms: i64,
) -> Result<(), Error> {
    let inbox = "INSERT INTO inboxes (number, inbox_id, adopted_at_ms) VALUES ($1, $2, $3)";
    sqlx::query(inbox)
        .bind(i64::from(identity.generation))
        .bind(&identity.inbox_id)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds all partitions of a generation, each at this sequence.
pub(crate) async fn add_partitions(
    connection: &mut PgConnection,
    identity: &Identity,
    sequence: u128,
    mark: i64,
) -> Result<(), Error> {
    let rows = "INSERT INTO partitions (partition, inbox, sequence, applied_through_ms)
        SELECT partition, $2, $3, $4 FROM generate_series(0, $1 - 1) AS partition";
    sqlx::query(rows)
        .bind(i32::from(identity.partitions))
        .bind(i64::from(identity.generation))
        .bind(sequence_text(sequence))
        .bind(mark)
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves all partitions to the beginning of a generation.
pub(crate) async fn move_all(connection: &mut PgConnection, generation: u32) -> Result<(), Error> {
    sqlx::query("UPDATE partitions SET inbox = $1, sequence = $2")
        .bind(i64::from(generation))
        .bind(sequence_text(0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Locks all positions. Every batch writes its partition's row first: running batches end before, later ones no longer
/// find the row. Lifts the statement timeout, because the time of a repartition grows with the number of players.
pub(crate) async fn hold_positions(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *connection).await?;
    sqlx::query("SELECT FROM partitions ORDER BY partition FOR UPDATE").execute(connection).await?;
    Ok(())
}

pub(crate) async fn least_mark(connection: &mut PgConnection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT min(applied_through_ms) FROM partitions").fetch_one(connection).await?;
    Columns::from(&row).int()
}

pub(crate) async fn change_partitions(
    connection: &mut PgConnection,
    known: &Identity,
    next: &Identity,
) -> Result<(), Error> {
    sqlx::query("UPDATE inboxes SET partitions = $1 WHERE partitions IS NULL")
        .bind(i32::from(known.partitions))
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE meta SET value = $1 WHERE key = 'partitions'")
        .bind(next.partitions.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn remove_partitions(connection: &mut PgConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM partitions").execute(connection).await?;
    Ok(())
}

/// Every generation, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn generations(connection: &mut PgConnection) -> Result<Vec<Identity>, Error> {
    let generations = "SELECT number, inbox_id,
            coalesce(CAST(partitions AS TEXT), (SELECT value FROM meta WHERE key = 'partitions'))
        FROM inboxes ORDER BY number";
    let rows = sqlx::query(generations).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).identity()).collect()
}

/// The current generation; `None` before the game is bound to an inbox.
///
/// # Errors
/// Whatever the database says.
pub async fn identity(connection: &mut PgConnection) -> Result<Option<Identity>, Error> {
    let identity = "SELECT number, inbox_id, (SELECT value FROM meta WHERE key = 'partitions')
        FROM inboxes ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(identity).fetch_optional(connection).await?;
    row.map(|row| Columns::from(&row).identity()).transpose()
}

/// The position of each partition, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn positions(connection: &mut PgConnection) -> Result<Vec<(u16, Position)>, Error> {
    let positions = "SELECT partition, inbox, sequence FROM partitions ORDER BY partition";
    let rows = sqlx::query(positions).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).partition_position()).collect()
}
