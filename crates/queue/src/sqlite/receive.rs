//! Receiving, and the calls with a lease.

use std::pin::pin;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection, query, query_as, query_scalar};
use tokio::select;
use tokio::sync::futures::Notified;
use tokio::time::sleep;

use super::connect::BEGIN;
use super::{Sqlite, number, sequence};
use crate::bounds::{BELIEVED_LENGTHS_MAX, DEDUP_MS, LOOK_EVERY, LOOK_PAUSE};
use crate::error::Error;
use crate::{Delivery, Lease, LeaseKey, Limit, Message, Sequence};

/// The free partition with the oldest message. The recursion jumps from partition to partition along the index,
/// however many messages there are. The parameters are those of [`Sqlite::lease_ends`].
const FREE_PARTITION: &str = "
    WITH RECURSIVE waiting (partition) AS (
        SELECT min(partition) FROM messages
        UNION ALL
        SELECT (SELECT min(partition) FROM messages WHERE partition > waiting.partition)
        FROM waiting WHERE waiting.partition IS NOT NULL
    )
    SELECT waiting.partition FROM waiting LEFT JOIN leases USING (partition)
    WHERE waiting.partition IS NOT NULL AND NOT (coalesce(leases.until_ms, 0) > ?1 AND leases.until_ms <= ?2)
    ORDER BY (SELECT min(sequence) FROM messages WHERE messages.partition = waiting.partition) LIMIT 1";

/// The messages of a partition after `after`, up to and including `through`.
#[derive(Copy, Clone)]
struct Stretch {
    partition: u16,
    after: i64,
    through: i64,
}

/// What a lease returns beyond the messages that it has.
enum More {
    LeaseLost,
    Nothing,
    Stretch(Stretch),
}

impl Sqlite {
    pub(crate) async fn receive(&self, limit: Limit, wait: Duration) -> Result<Vec<Delivery>, Error> {
        let mut over = pin!(sleep(wait));
        loop {
            let news = self.0.news.notified();
            if let Some(batch) = self.take(limit).await? {
                return Ok(vec![batch]);
            }
            if wait.is_zero() {
                return Ok(Vec::new());
            }
            select! {
                biased;
                () = &mut over => return Ok(Vec::new()),
                () = next_look(news) => {}
            }
        }
    }

    pub(crate) async fn read_ahead(&self, lease: &Lease, limit: Limit) -> Result<Vec<Message>, Error> {
        let more = {
            let mut writers = self.writers().await?;
            self.lengthen(&mut writers.receiver, lease, limit).await.map_err(|error| self.failed(error))?
        };
        match more {
            More::LeaseLost => Err(Error::LeaseLost),
            More::Nothing => Ok(Vec::new()),
            More::Stretch(stretch) => self.messages(stretch).await,
        }
    }

    pub(crate) async fn extend(&self, lease: &Lease) -> Result<(), Error> {
        self.set_until(lease, self.now_ms() + self.0.options.visibility_ms).await
    }

    pub(crate) async fn release(&self, lease: &Lease) -> Result<(), Error> {
        self.set_until(lease, 0).await?;
        self.0.news.notify_waiters();
        Ok(())
    }

    pub(crate) async fn ack(&self, lease: &Lease, through: Sequence) -> Result<(), Error> {
        let acked = {
            let mut writers = self.writers().await?;
            self.remove(&mut writers.receiver, lease, number(through.0))
                .await
                .map_err(|error| self.failed(error))?
        };
        if !acked {
            return Err(Error::LeaseLost);
        }
        self.0.news.notify_waiters();
        Ok(())
    }

    /// One batch, if a partition is free.
    async fn take(&self, limit: Limit) -> Result<Option<Delivery>, Error> {
        loop {
            // Polls without the write lock first: waiting receivers cost senders nothing.
            let (now_ms, believed_ms) = self.lease_ends();
            let free = query_scalar(FREE_PARTITION).bind(now_ms).bind(believed_ms);
            let free: Option<u16> = free.fetch_optional(&self.0.readers).await?;
            if free.is_none() {
                return Ok(None);
            }
            let taken = {
                let mut writers = self.writers().await?;
                self.lease(&mut writers.receiver, limit).await.map_err(|error| self.failed(error))?
            };
            let Some((lease, stretch)) = taken else {
                // Another receiver was faster, or everything in the partition was buried.
                continue;
            };
            let messages = self.messages(stretch).await?;
            if !messages.is_empty() {
                return Ok(Some(Delivery { lease, messages }));
            }
            // The lease ran out already, and another receiver acked all of it.
        }
    }

    /// Leases a free partition, and returns the messages that it covers.
    async fn lease(
        &self,
        connection: &mut SqliteConnection,
        limit: Limit,
    ) -> Result<Option<(Lease, Stretch)>, sqlx::Error> {
        let (now_ms, believed_ms) = self.lease_ends();
        let mut transaction = connection.begin_with(BEGIN).await?;
        let free = query_scalar(FREE_PARTITION).bind(now_ms).bind(believed_ms);
        let Some(partition) = free.fetch_optional(&mut *transaction).await? else {
            return Ok(None);
        };
        forget_future_ids(&mut transaction, now_ms).await?;
        let stretch = self.give_out(&mut transaction, partition, 0, limit).await?;
        let taken = match stretch {
            Some(stretch) => {
                let token = query_scalar(
                    "INSERT INTO leases (partition, token, until_ms, through) VALUES (?, 1, ?, ?)
                     ON CONFLICT (partition) DO UPDATE
                     SET token = token + 1, until_ms = excluded.until_ms, through = excluded.through
                     RETURNING token",
                )
                .bind(partition)
                .bind(now_ms + self.0.options.visibility_ms)
                .bind(stretch.through)
                .fetch_one(&mut *transaction)
                .await?;
                Some((Lease { partition, key: LeaseKey::Token(token) }, stretch))
            }
            None => None,
        };
        transaction.commit().await?;
        Ok(taken)
    }

    /// Extends the lease to more messages of its partition.
    async fn lengthen(
        &self,
        connection: &mut SqliteConnection,
        lease: &Lease,
        limit: Limit,
    ) -> Result<More, sqlx::Error> {
        let mut transaction = connection.begin_with(BEGIN).await?;
        let (now_ms, believed_ms) = self.lease_ends();
        let after = query_scalar(
            "SELECT through FROM leases WHERE partition = ? AND token = ? AND until_ms > ? AND until_ms <= ?",
        )
        .bind(lease.partition)
        .bind(lease.token())
        .bind(now_ms)
        .bind(believed_ms)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(after) = after else {
            return Ok(More::LeaseLost);
        };
        let stretch = self.give_out(&mut transaction, lease.partition, after, limit).await?;
        if let Some(stretch) = stretch {
            query("UPDATE leases SET through = ? WHERE partition = ?")
                .bind(stretch.through)
                .bind(lease.partition)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(stretch.map_or(More::Nothing, More::Stretch))
    }

    /// Finds the next messages of a partition, and counts them as received.
    async fn give_out(
        &self,
        connection: &mut SqliteConnection,
        partition: u16,
        after: i64,
        limit: Limit,
    ) -> Result<Option<Stretch>, sqlx::Error> {
        self.bury_exhausted(connection, partition, after).await?;
        let through: Option<i64> = query_scalar(
            "SELECT max(sequence) FROM (
                 SELECT sequence, row_number() OVER up_to AS messages, sum(bytes) OVER up_to AS bytes
                 FROM (SELECT sequence, octet_length(body) AS bytes FROM messages
                       WHERE partition = ? AND sequence > ? ORDER BY sequence LIMIT ?)
                 WINDOW up_to AS (ORDER BY sequence)
             ) WHERE messages = 1 OR bytes <= ?",
        )
        .bind(partition)
        .bind(after)
        .bind(number(limit.messages_max.max(1)))
        .bind(number(limit.bytes_max))
        .fetch_one(&mut *connection)
        .await?;
        let Some(through) = through else {
            return Ok(None);
        };
        query(
            "INSERT INTO received (partition, sequence, count)
             SELECT partition, sequence, 1 FROM messages WHERE partition = ? AND sequence > ? AND sequence <= ?
             ON CONFLICT DO UPDATE SET count = count + 1",
        )
        .bind(partition)
        .bind(after)
        .bind(through)
        .execute(connection)
        .await?;
        Ok(Some(Stretch { partition, after, through }))
    }

    /// Reads the messages, outside of the transaction because bodies are long.
    async fn messages(&self, stretch: Stretch) -> Result<Vec<Message>, Error> {
        let rows: Vec<(i64, String, String, i64, u32)> = query_as(
            "SELECT sequence, id, body, sent_at_ms, coalesce(count, 1)
             FROM messages LEFT JOIN received USING (partition, sequence)
             WHERE partition = ? AND sequence > ? AND sequence <= ? ORDER BY sequence",
        )
        .bind(stretch.partition)
        .bind(stretch.after)
        .bind(stretch.through)
        .fetch_all(&self.0.readers)
        .await?;
        rows.into_iter()
            .map(|(number, id, body, stored_at_ms, receive_count)| {
                Ok(Message { sequence: sequence(number)?, id, body, stored_at_ms, receive_count })
            })
            .collect()
    }

    async fn set_until(&self, lease: &Lease, until_ms: i64) -> Result<(), Error> {
        let (now_ms, believed_ms) = self.lease_ends();
        let mut writers = self.writers().await?;
        let done = query(
            "UPDATE leases SET until_ms = ? WHERE partition = ? AND token = ? AND until_ms > ? AND until_ms <= ?",
        )
        .bind(until_ms)
        .bind(lease.partition)
        .bind(lease.token())
        .bind(now_ms)
        .bind(believed_ms)
        .execute(&mut writers.receiver)
        .await
        .map_err(|error| self.failed(error))?;
        if done.rows_affected() == 0 { Err(Error::LeaseLost) } else { Ok(()) }
    }

    /// Acks; `false` if the lease is over.
    async fn remove(
        &self,
        connection: &mut SqliteConnection,
        lease: &Lease,
        through: i64,
    ) -> Result<bool, sqlx::Error> {
        let mut transaction = connection.begin_with(BEGIN).await?;
        let (now_ms, believed_ms) = self.lease_ends();
        let given: Option<i64> = query_scalar(
            "UPDATE leases SET until_ms = CASE WHEN through <= ? THEN 0 ELSE until_ms END
             WHERE partition = ? AND token = ? AND until_ms > ? AND until_ms <= ? RETURNING through",
        )
        .bind(through)
        .bind(lease.partition)
        .bind(lease.token())
        .bind(now_ms)
        .bind(believed_ms)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(given) = given else {
            return Ok(false);
        };
        for statement in [
            "DELETE FROM messages WHERE partition = ? AND sequence <= ?",
            "DELETE FROM received WHERE partition = ? AND sequence <= ?",
        ] {
            query(statement)
                .bind(lease.partition)
                .bind(through.min(given))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(true)
    }
}

/// Removes ids that are remembered longer than a correct clock can have meant. While they are the oldest, no send
/// would remove any.
async fn forget_future_ids(connection: &mut SqliteConnection, now_ms: i64) -> Result<(), sqlx::Error> {
    let believed_ms = now_ms.saturating_add(DEDUP_MS * BELIEVED_LENGTHS_MAX);
    let oldest = query_scalar("SELECT until_ms FROM dedup ORDER BY sequence LIMIT 1");
    let oldest_until_ms: Option<i64> = oldest.fetch_optional(&mut *connection).await?;
    if oldest_until_ms.is_some_and(|until_ms| until_ms > believed_ms) {
        query("DELETE FROM dedup WHERE until_ms > ?").bind(believed_ms).execute(connection).await?;
    }
    Ok(())
}

/// Returns when the next poll may find something.
async fn next_look(news: Notified<'_>) {
    sleep(LOOK_PAUSE).await;
    select! {
        () = news => {}
        () = sleep(LOOK_EVERY) => {}
    }
}
