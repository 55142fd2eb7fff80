//! The positions of partitions, and the journal of applied messages.

use sqlx::SqliteConnection;

use crate::{Columns, Error, JournalEntry, JournalRow, Position, Span, json_rows, sequence_text};

/// The position of a partition, and its mark.
pub(crate) async fn position(
    connection: &mut SqliteConnection,
    partition: u16,
) -> Result<(Position, i64), Error> {
    let position = "SELECT inbox, sequence, applied_through_ms FROM partitions WHERE partition = ?";
    let row = sqlx::query(position).bind(partition).fetch_optional(connection).await?;
    let row = row.ok_or(Error::UnknownPartition { partition })?;
    let mut columns = Columns::from(&row);
    Ok((columns.position()?, columns.int()?))
}

/// Moves the partition if it is still at the position at which the batch was read.
pub(crate) async fn move_on(connection: &mut SqliteConnection, span: Span, mark: i64) -> Result<bool, Error> {
    const MOVE_ON: &str = "UPDATE partitions SET sequence = ?4, applied_through_ms = ?5
        WHERE partition = ?1 AND inbox = ?2 AND sequence = ?3";
    let moved = sqlx::query(MOVE_ON)
        .bind(span.partition)
        .bind(span.from.generation)
        .bind(sequence_text(span.from.sequence))
        .bind(sequence_text(span.to.sequence))
        .bind(mark)
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

pub(crate) async fn write_journal(
    connection: &mut SqliteConnection,
    span: Span,
    entries: &[JournalRow<'_>],
) -> Result<(), Error> {
    const JOURNAL: &str = "INSERT INTO journal (partition, inbox, sequence, stored_at_ms, body, buried)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?2)";
    let mut rows = Vec::with_capacity(entries.len());
    for JournalRow { sequence, stored_at_ms, body, buried } in entries {
        rows.push((span.to.generation, sequence_text(*sequence), stored_at_ms, body, json_rows(buried)?));
    }
    sqlx::query(JOURNAL).bind(span.partition).bind(json_rows(&rows)?).execute(connection).await?;
    Ok(())
}

/// The first messages of a partition's journal after this position, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn journal(
    connection: &mut SqliteConnection,
    partition: u16,
    after: Position,
    rows_max: u32,
) -> Result<Vec<JournalEntry>, Error> {
    let entries = "SELECT inbox, sequence, stored_at_ms, body, buried FROM journal
        WHERE partition = ? AND (inbox, sequence) > (?, ?) ORDER BY inbox, sequence LIMIT ?";
    let rows = sqlx::query(entries)
        .bind(partition)
        .bind(after.generation)
        .bind(sequence_text(after.sequence))
        .bind(rows_max)
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Columns::from(row).journal_entry()).collect()
}
