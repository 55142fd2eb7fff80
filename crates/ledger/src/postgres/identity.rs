//! The rows that say what a game belongs to. Each function is one statement of [`crate::generation`].

use sqlx::PgConnection;

use crate::{Columns, Error, Identity, Position, sequence_text};

/// Lets one at a time change what belongs to all partitions, until its transaction ends.
///
/// # Errors
/// Whatever the database says.
pub async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    /// Any number that nobody else locks by.
    const KEY: i64 = 0x6275_7474_6f6e;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(KEY).execute(connection).await?;
    Ok(())
}

/// Settles the number of partitions. `false`: somebody else has settled it, and has committed that.
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

/// Adds every partition, to stand there in this generation.
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

/// Has every partition begin with nothing in this generation.
pub(crate) async fn move_all(connection: &mut PgConnection, generation: u32) -> Result<(), Error> {
    sqlx::query("UPDATE partitions SET inbox = $1, sequence = $2")
        .bind(i64::from(generation))
        .bind(sequence_text(0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Every batch writes its partition's row first: what has begun ends before, and what comes finds no such row. The
/// transaction may take as long as there are rows to deal.
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

/// What the game belongs to; `None` before that is settled.
///
/// # Errors
/// Whatever the database says.
pub async fn identity(connection: &mut PgConnection) -> Result<Option<Identity>, Error> {
    let identity = "SELECT number, inbox_id, (SELECT value FROM meta WHERE key = 'partitions')
        FROM inboxes ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(identity).fetch_optional(connection).await?;
    row.map(|row| Columns::from(&row).identity()).transpose()
}

/// Where each partition stands, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn positions(connection: &mut PgConnection) -> Result<Vec<(u16, Position)>, Error> {
    let positions = "SELECT partition, inbox, sequence FROM partitions ORDER BY partition";
    let rows = sqlx::query(positions).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).partition_position()).collect()
}
