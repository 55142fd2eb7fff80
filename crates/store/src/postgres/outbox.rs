//! The outbox: one atomic statement for each step of a lease.

use game::Token;

use super::database::Database;
use crate::bounds::STEP_CONNECTIONS;
use crate::columns::Columns;
use crate::{DeviceRow, Error, Job};
use ledger::postgres::Pool;

#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    pool: Pool,
}

impl Outbox {
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        Ok(Self { pool: database.write_pool(STEP_CONNECTIONS).await? })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn take(&self, owner: &str, now_ms: i64, lease_ms: i64) -> Result<Option<Job>, Error> {
        // A row that another pusher is taking is skipped.
        let take = "UPDATE outbox SET owner = $1, taken = taken + 1, lease_until_ms = $2 + $3
            WHERE id = (SELECT id FROM outbox WHERE done_at_ms IS NULL AND due_at_ms <= $2
                AND (lease_until_ms <= $2 OR lease_until_ms > $2 + 2 * $3) ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING id, taken, partition, topic, payload, expires_at_ms, cursor";
        let take = sqlx::query(take).bind(owner).bind(now_ms).bind(lease_ms);
        let row = self.pool.fetch_optional(take).await?;
        row.map(|row| Columns::from(&row).job()).transpose()
    }

    pub(crate) async fn devices(
        &self,
        partition: u16,
        after: Option<&Token>,
        limit: u32,
    ) -> Result<Vec<DeviceRow>, Error> {
        // The index holds prefixes of the tokens, which sort in the same order.
        let devices = "SELECT token, username, platform FROM devices
            WHERE partition = $1 AND (substr(token, 1, 512), token) > (substr($2, 1, 512), $2)
            ORDER BY substr(token, 1, 512), token LIMIT $3";
        let after = after.map_or("", Token::as_str); // no token is empty
        let devices =
            sqlx::query(devices).bind(i32::from(partition)).bind(after.as_bytes()).bind(i64::from(limit));
        let rows = self.pool.fetch_all(devices).await?;
        rows.iter().map(|row| Columns::from(row).device_row()).collect()
    }

    pub(crate) async fn advance(
        &self,
        job: &Job,
        cursor: &Token,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<bool, Error> {
        let advance = "UPDATE outbox SET cursor = $3, lease_until_ms = $4
            WHERE id = $1 AND taken = $2 AND done_at_ms IS NULL";
        let advance = sqlx::query(advance)
            .bind(job.id)
            .bind(job.taken)
            .bind(cursor.as_str().as_bytes())
            .bind(now_ms.saturating_add(lease_ms));
        Ok(self.pool.execute(advance).await? == 1)
    }

    pub(crate) async fn done(&self, job: &Job, now_ms: i64) -> Result<bool, Error> {
        let done = "UPDATE outbox SET done_at_ms = $3 WHERE id = $1 AND taken = $2 AND done_at_ms IS NULL";
        Ok(self.pool.execute(sqlx::query(done).bind(job.id).bind(job.taken).bind(now_ms)).await? == 1)
    }

    pub(crate) async fn pending(&self) -> Result<u64, Error> {
        let pending = "SELECT count(*) FROM outbox WHERE done_at_ms IS NULL";
        Columns::from(&self.pool.fetch_one(sqlx::query(pending)).await?).u64()
    }
}
