//! What the game belongs to: its inbox and its number of partitions.

use sqlx::SqliteConnection;

use super::writer::Writer;
use crate::columns::{Columns, sequence_text};
use crate::{Error, Identity, Position};

const POSITIONS: &str = "SELECT partition, inbox, sequence FROM partitions ORDER BY partition";

impl Writer {
    pub(crate) async fn settle_identity(
        &self,
        inbox_id: &str,
        partitions: u16,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        let mut transaction = self.begin_write().await?;
        if let Some(known) = identity(&mut transaction).await? {
            return known.matching(inbox_id, partitions);
        }
        let partitions_fixed = "INSERT INTO meta (key, value) VALUES ('partitions', ?)";
        sqlx::query(partitions_fixed).bind(partitions.to_string()).execute(&mut *transaction).await?;
        add_inbox(&mut transaction, 1, inbox_id, now_ms).await?;
        let settled = Identity { inbox: 1, inbox_id: inbox_id.to_owned(), partitions };
        add_partitions(&mut transaction, &settled, 0, 0).await?;
        self.end_write(transaction).await?;
        Ok(settled)
    }

    pub(crate) async fn adopt_inbox(&self, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
        let mut transaction = self.begin_write().await?;
        let Some(known) = identity(&mut transaction).await? else {
            return Err(Error::UnknownPartition { partition: 0 });
        };
        if known.inbox_id == inbox_id {
            return Ok(known);
        }
        let adopted = Identity { inbox: known.inbox + 1, inbox_id: inbox_id.to_owned(), ..known };
        add_inbox(&mut transaction, adopted.inbox, inbox_id, now_ms).await?;
        sqlx::query("UPDATE partitions SET inbox = ?, sequence = ?")
            .bind(adopted.inbox)
            .bind(sequence_text(0))
            .execute(&mut *transaction)
            .await?;
        self.end_write(transaction).await?;
        Ok(adopted)
    }

    pub(crate) async fn highest_position(&self) -> Result<u128, Error> {
        let positions = self.positions().await?; // every partition stands in the current inbox: adopting moves all
        Ok(positions.into_iter().map(|(_, position)| position.sequence).max().unwrap_or_default())
    }

    pub(crate) async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        positions(&mut *self.pool().acquire().await?).await
    }
}

pub(super) async fn add_inbox(
    connection: &mut SqliteConnection,
    number: u32,
    inbox_id: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let inbox = "INSERT INTO inboxes (number, inbox_id, adopted_at_ms) VALUES (?, ?, ?)";
    sqlx::query(inbox).bind(number).bind(inbox_id).bind(now_ms).execute(connection).await?;
    Ok(())
}

/// Adds every partition, to stand there in this generation.
pub(super) async fn add_partitions(
    connection: &mut SqliteConnection,
    identity: &Identity,
    sequence: u128,
    applied_through_ms: i64,
) -> Result<(), Error> {
    let rows = "WITH RECURSIVE all_of (partition) AS
            (VALUES (0) UNION ALL SELECT partition + 1 FROM all_of WHERE partition + 1 < ?1)
        INSERT INTO partitions (partition, inbox, sequence, applied_through_ms)
        SELECT partition, ?2, ?3, ?4 FROM all_of";
    sqlx::query(rows)
        .bind(identity.partitions)
        .bind(identity.inbox)
        .bind(sequence_text(sequence))
        .bind(applied_through_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Every generation, in order.
pub(super) async fn generations(connection: &mut SqliteConnection) -> Result<Vec<Identity>, Error> {
    let generations = "SELECT number, inbox_id,
            coalesce(CAST(partitions AS TEXT), (SELECT value FROM meta WHERE key = 'partitions'))
        FROM inboxes ORDER BY number";
    let rows = sqlx::query(generations).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).identity()).collect()
}

/// What the game belongs to; `None` before that is settled.
pub(super) async fn identity(connection: &mut SqliteConnection) -> Result<Option<Identity>, Error> {
    let identity = "SELECT number, inbox_id, (SELECT value FROM meta WHERE key = 'partitions')
        FROM inboxes ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(identity).fetch_optional(connection).await?;
    row.map(|row| Columns::from(&row).identity()).transpose()
}

/// Where each partition stands, in order.
pub(super) async fn positions(connection: &mut SqliteConnection) -> Result<Vec<(u16, Position)>, Error> {
    let rows = sqlx::query(POSITIONS).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).stand()).collect()
}
