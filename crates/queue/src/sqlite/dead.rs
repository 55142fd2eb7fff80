//! Dead letters.

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, FromRow, Row, SqliteConnection, query, query_as};

use super::connect::BEGIN;
use super::{Sqlite, number};
use crate::DeadLetter;
use crate::error::Error;

impl FromRow<'_, SqliteRow> for DeadLetter {
    fn from_row(row: &SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            partition: row.try_get("partition")?,
            body: row.try_get("body")?,
            reason: row.try_get("reason")?,
            buried_at_ms: row.try_get("buried_at_ms")?,
        })
    }
}

impl Sqlite {
    pub(crate) async fn bury(&self, letters: &[DeadLetter]) -> Result<(), Error> {
        let mut writers = self.writers().await?;
        insert(&mut writers.burier, letters).await.map_err(|error| self.failed(error))?;
        self.in_place()
    }

    pub(crate) async fn dead_letters(
        &self,
        after_id: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        // Ids are not empty, so all of them are after the empty text.
        Ok(query_as(
            "SELECT id, partition, body, reason, buried_at_ms FROM dead WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after_id.unwrap_or_default())
        .bind(number(limit))
        .fetch_all(&self.0.readers)
        .await?)
    }

    pub(crate) async fn dead_letter(&self, id: &str) -> Result<Option<DeadLetter>, Error> {
        Ok(query_as("SELECT id, partition, body, reason, buried_at_ms FROM dead WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.0.readers)
            .await?)
    }

    pub(crate) async fn forget_dead(&self, ids: &[String]) -> Result<u64, Error> {
        let mut writers = self.writers().await?;
        delete(&mut writers.burier, ids).await.map_err(|error| self.failed(error))
    }

    /// Buries the messages behind `after` that were received too often.
    pub(super) async fn bury_exhausted(
        &self,
        connection: &mut SqliteConnection,
        partition: u16,
        after: i64,
    ) -> Result<(), sqlx::Error> {
        let receive_max = self.0.options.receive_max;
        let buried = query(
            "INSERT INTO dead (id, partition, reason, buried_at_ms, body)
             SELECT id || '#' || sequence, partition, 'received ' || count || ' times', ?4, body
             FROM received JOIN messages USING (partition, sequence)
             WHERE partition = ?1 AND sequence > ?2 AND count >= ?3
             ON CONFLICT DO NOTHING",
        )
        .bind(partition)
        .bind(after)
        .bind(receive_max)
        .bind(self.now_ms())
        .execute(&mut *connection)
        .await?
        .rows_affected();
        if buried == 0 {
            return Ok(());
        }
        tracing::warn!(
            partition,
            messages = buried,
            "messages that were received too often moved to dead letters"
        );
        for statement in [
            "DELETE FROM messages WHERE sequence IN
             (SELECT sequence FROM received WHERE partition = ? AND sequence > ? AND count >= ?)",
            "DELETE FROM received WHERE partition = ? AND sequence > ? AND count >= ?",
        ] {
            query(statement).bind(partition).bind(after).bind(receive_max).execute(&mut *connection).await?;
        }
        Ok(())
    }
}

async fn insert(connection: &mut SqliteConnection, letters: &[DeadLetter]) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    for letter in letters {
        query(
            "INSERT INTO dead (id, partition, body, reason, buried_at_ms) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT DO NOTHING",
        )
        .bind(letter.id.as_str())
        .bind(letter.partition)
        .bind(letter.body.as_str())
        .bind(letter.reason.as_str())
        .bind(letter.buried_at_ms)
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

async fn delete(connection: &mut SqliteConnection, ids: &[String]) -> Result<u64, sqlx::Error> {
    let mut transaction = connection.begin_with(BEGIN).await?;
    let mut deleted = 0;
    for id in ids {
        let done =
            query("DELETE FROM dead WHERE id = ?").bind(id.as_str()).execute(&mut *transaction).await?;
        deleted += done.rows_affected();
    }
    transaction.commit().await?;
    Ok(deleted)
}
