//! What the game belongs to: its inbox and its number of partitions.

use sqlx::{Connection as _, PgConnection};

use super::migrate;
use super::pool::give_back;
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
        let mut connection = self.pool().lend().await?;
        let settled = self.pool().within(settle(&mut connection, inbox_id, partitions, now_ms)).await;
        give_back(connection, settled)
    }

    pub(crate) async fn adopt_inbox(&self, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
        let mut connection = self.pool().lend().await?;
        let adopted = self.pool().within(adopt(&mut connection, inbox_id, now_ms)).await;
        give_back(connection, adopted)
    }

    pub(crate) async fn highest_position(&self) -> Result<u128, Error> {
        let positions = self.positions().await?; // every partition stands in the current inbox: adopting moves all
        Ok(positions.into_iter().map(|(_, position)| position.sequence).max().unwrap_or_default())
    }

    pub(crate) async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        let rows = self.pool().fetch_all(sqlx::query(POSITIONS)).await?;
        rows.iter().map(|row| Columns::from(row).stand()).collect()
    }
}

async fn settle(
    connection: &mut PgConnection,
    inbox_id: &str,
    partitions: u16,
    now_ms: i64,
) -> Result<Identity, Error> {
    let mut transaction = connection.begin().await?;
    if let Some(known) = identity(&mut transaction).await? {
        return known.matching(inbox_id, partitions);
    }
    // Of several at once, one inserts this row; the others wait here for its commit. Not by an advisory lock, which the
    // handler's login may not take.
    let partitions_fixed =
        "INSERT INTO meta (key, value) VALUES ('partitions', $1) ON CONFLICT (key) DO NOTHING";
    let fixed = sqlx::query(partitions_fixed).bind(partitions.to_string()).execute(&mut *transaction).await?;
    if fixed.rows_affected() == 0
        && let Some(known) = identity(&mut transaction).await?
    {
        return known.matching(inbox_id, partitions);
    }
    add_inbox(&mut transaction, 1, inbox_id, now_ms).await?;
    let settled = Identity { inbox: 1, inbox_id: inbox_id.to_owned(), partitions };
    add_partitions(&mut transaction, &settled, 0, 0).await?;
    transaction.commit().await?;
    Ok(settled)
}

async fn adopt(connection: &mut PgConnection, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
    let mut transaction = connection.begin().await?;
    migrate::lock(&mut transaction).await?;
    let Some(known) = identity(&mut transaction).await? else {
        return Err(Error::UnknownPartition { partition: 0 });
    };
    if known.inbox_id == inbox_id {
        return Ok(known);
    }
    let adopted = Identity { inbox: known.inbox + 1, inbox_id: inbox_id.to_owned(), ..known };
    add_inbox(&mut transaction, adopted.inbox, inbox_id, now_ms).await?;
    sqlx::query("UPDATE partitions SET inbox = $1, sequence = $2")
        .bind(i64::from(adopted.inbox))
        .bind(sequence_text(0))
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(adopted)
}

pub(super) async fn add_inbox(
    connection: &mut PgConnection,
    number: u32,
    inbox_id: &str,
    now_ms: i64,
) -> Result<(), Error> {
    let inbox = "INSERT INTO inboxes (number, inbox_id, adopted_at_ms) VALUES ($1, $2, $3)";
    sqlx::query(inbox).bind(i64::from(number)).bind(inbox_id).bind(now_ms).execute(connection).await?;
    Ok(())
}

/// Adds every partition, to stand there in this generation.
pub(super) async fn add_partitions(
    connection: &mut PgConnection,
    identity: &Identity,
    sequence: u128,
    applied_through_ms: i64,
) -> Result<(), Error> {
    let rows = "INSERT INTO partitions (partition, inbox, sequence, applied_through_ms)
        SELECT partition, $2, $3, $4 FROM generate_series(0, $1 - 1) AS partition";
    sqlx::query(rows)
        .bind(i32::from(identity.partitions))
        .bind(i64::from(identity.inbox))
        .bind(sequence_text(sequence))
        .bind(applied_through_ms)
        .execute(connection)
        .await?;
    Ok(())
}

/// Every generation, in order.
pub(super) async fn generations(connection: &mut PgConnection) -> Result<Vec<Identity>, Error> {
    let generations = "SELECT number, inbox_id,
            coalesce(CAST(partitions AS TEXT), (SELECT value FROM meta WHERE key = 'partitions'))
        FROM inboxes ORDER BY number";
    let rows = sqlx::query(generations).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).identity()).collect()
}

/// What the game belongs to; `None` before that is settled.
pub(super) async fn identity(connection: &mut PgConnection) -> Result<Option<Identity>, Error> {
    let identity = "SELECT number, inbox_id, (SELECT value FROM meta WHERE key = 'partitions')
        FROM inboxes ORDER BY number DESC LIMIT 1";
    let row = sqlx::query(identity).fetch_optional(connection).await?;
    row.map(|row| Columns::from(&row).identity()).transpose()
}

/// Where each partition stands, in order.
pub(super) async fn positions(connection: &mut PgConnection) -> Result<Vec<(u16, Position)>, Error> {
    let rows = sqlx::query(POSITIONS).fetch_all(connection).await?;
    rows.iter().map(|row| Columns::from(row).stand()).collect()
}
