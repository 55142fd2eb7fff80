//! The rows of the generations. Each function is one statement of [`crate::generation`].

use sqlx::SqliteConnection;

use crate::{Columns, Error, Identity, Position, sequence_text};

/// Nothing to do: the write lock keeps every other writer out.
pub(crate) async fn lock(_: &mut SqliteConnection) -> Result<(), Error> {
    Ok(())
}

/// Stores the number of partitions. `false`: another process has stored and committed it.
pub(crate) async fn fix_partitions(
    connection: &mut SqliteConnection,
    partitions: u16,
) -> Result<bool, Error> {
    let fix = "INSERT INTO meta (key, value) VALUES ('partitions', ?) ON CONFLICT (key) DO NOTHING";
    let fixed = sqlx::query(fix).bind(partitions.to_string()).execute(connection).await?;
    Ok(fixed.rows_affected() == 1)
}

pub(crate) async fn add_inbox(
    connection: &mut SqliteConnection,
    identity: &Identity,
    now_ms: i64,
) -> Result<(), Error> {
    let inbox = "INSERT INTO inboxes (number, inbox_id, adopted_at_ms) VALUES (?, ?, ?)";
    sqlx::query(inbox)
        .bind(identity.generation)
        .bind(&identity.inbox_id)
        .bind(now_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Adds all partitions of a generation, each at this sequence.
pub(crate) async fn add_partitions(
    connection: &mut SqliteConnection,
    identity: &Identity,
    sequence: u128,
    mark: i64,
) -> Result<(), Error> {
    let rows = "WITH RECURSIVE all_of (partition) AS
            (VALUES (0) UNION ALL SELECT partition + 1 FROM all_of WHERE partition + 1 < ?1)
        INSERT INTO partitions (partition, inbox, sequence, applied_through_ms)
        SELECT partition, ?2, ?3, ?4 FROM all_of";
    sqlx::query(rows)
        .bind(identity.partitions)
        .bind(identity.generation)
        .bind(sequence_text(sequence))
        .bind(mark)
        .execute(connection)
        .await?;
    Ok(())
}

/// Moves all partitions to the beginning of a generation.
pub(crate) async fn move_all(connection: &mut SqliteConnection, generation: u32) -> Result<(), Error> {
    sqlx::query("UPDATE partitions SET inbox = ?, sequence = ?")
        .bind(generation)
        .bind(sequence_text(0))
        .execute(connection)
        .await?;
    Ok(())
}

/// Nothing to do: the write lock keeps every other writer out.
pub(crate) async fn hold_positions(_: &mut SqliteConnection) -> Result<(), Error> {
    Ok(())
}

pub(crate) async fn least_mark(connection: &mut SqliteConnection) -> Result<i64, Error> {
    let row = sqlx::query("SELECT min(applied_through_ms) FROM partitions").fetch_one(connection).await?;
    Columns::from(&row).int()
}

pub(crate) async fn change_partitions(
    connection: &mut SqliteConnection,
    known: &Identity,
    next: &Identity,
) -> Result<(), Error> {
    sqlx::query("UPDATE inboxes SET partitions = ? WHERE partitions IS NULL")
        .bind(known.partitions)
        .execute(&mut *connection)
        .await?;
    sqlx::query("UPDATE meta SET value = ? WHERE key = 'partitions'")
        .bind(next.partitions.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn remove_partitions(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("DELETE FROM partitions").execute(connection).await?;
    Ok(())
}

/// Every generation, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn generations(connection: &mut SqliteConnection) -> Result<Vec<Identity>, Error> {
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
pub async fn identity(connection: &mut SqliteConnection) -> Result<Option<Identity>, Error> {
    let identity = "SELECT number, inbox_id, (SELECT value FROM meta WHERE key = 'partitions')
        FROM inboxes ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(identity).fetch_optional(connection).await?;
    row.map(|row| Columns::from(&row).identity()).transpose()
}

/// The position of each partition, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn positions(connection: &mut SqliteConnection) -> Result<Vec<(u16, Position)>, Error> {
    let positions = "SELECT partition, inbox, sequence FROM partitions ORDER BY partition";
    let rows = sqlx::query(positions).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).partition_position()).collect()
}
