//! The positions of partitions, and the journal of applied messages.

use sqlx::PgConnection;

use crate::{Columns, Error, JournalEntry, JournalRow, Position, Span, json_rows, sequence_text};

/// The position of a partition, and its mark.
pub(crate) async fn position(
    connection: &mut PgConnection,
    partition: u16,
) -> Result<(Position, i64), Error> {
    let position = "SELECT inbox, sequence, applied_through_ms FROM partitions WHERE partition = $1";
    let row = sqlx::query(position).bind(i32::from(partition)).fetch_optional(connection).await?;
    let row = row.ok_or(Error::UnknownPartition { partition })?;
    let mut columns = Columns::from(&row);
    Ok((columns.position()?, columns.int()?))
}

/// Moves the partition if it is still at the position at which the batch was read.
pub(crate) async fn move_on(connection: &mut PgConnection, span: Span, mark: i64) -> Result<bool, Error> {
    const MOVE_ON: &str = "UPDATE partitions SET sequence = $4, applied_through_ms = $5
        WHERE partition = $1 AND inbox = $2 AND sequence = $3";
    let moved = sqlx::query(MOVE_ON)
        .bind(i32::from(span.partition))
        .bind(i64::from(span.from.generation))
        .bind(sequence_text(span.from.sequence))
        .bind(sequence_text(span.to.sequence))
        .bind(mark)
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

pub(crate) async fn write_journal(
    connection: &mut PgConnection,
    span: Span,
    entries: &[JournalRow<'_>],
) -> Result<(), Error> {
    const JOURNAL: &str = "INSERT INTO journal (partition, inbox, sequence, stored_at_ms, body, buried)
        SELECT $1, $2, r.* FROM unnest($3::text[], $4::int8[], $5::bytea[], $6::text[]) AS r";
    let buried: Result<Vec<String>, Error> = entries.iter().map(|entry| json_rows(entry.buried)).collect();
    sqlx::query(JOURNAL)
        .bind(i32::from(span.partition))
        .bind(i64::from(span.to.generation))
        .bind(entries.iter().map(|entry| sequence_text(entry.sequence)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.stored_at_ms).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.body.as_bytes()).collect::<Vec<_>>())
        .bind(buried?)
        .execute(connection)
        .await?;
    Ok(())
}

/// The first messages of a partition's journal after this position, in order.
///
/// # Errors
/// Whatever the database says.
pub async fn journal(
    connection: &mut PgConnection,
    partition: u16,
    after: Position,
    rows_max: u32,
) -> Result<Vec<JournalEntry>, Error> {
    let entries = "SELECT inbox, sequence, stored_at_ms, body, buried FROM journal
        WHERE partition = $1 AND (inbox, sequence) > ($2, $3) ORDER BY inbox, sequence LIMIT $4";
    let rows = sqlx::query(entries)
        .bind(i32::from(partition))
        .bind(i64::from(after.generation))
        .bind(sequence_text(after.sequence))
        .bind(i64::from(rows_max))
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Columns::from(row).journal_entry()).collect()
}
