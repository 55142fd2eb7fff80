//! The outbox, for the push role: reads devices, reads and updates outbox rows.

use game::Token;

use crate::backend::{Backend, each};
use crate::{DeviceRow, Error, Job, postgres, sqlite};

/// Leases pending pushes, so that several pushers share the work, and another one continues where a dead one stopped.
/// Cloning is cheap; clones share the connection.
#[derive(Debug, Clone)]
pub struct Outbox(Backend<postgres::Outbox, sqlite::Outbox>);

impl Outbox {
    pub(crate) fn postgres(outbox: postgres::Outbox) -> Self {
        Self(Backend::Postgres(outbox))
    }

    pub(crate) fn sqlite(outbox: sqlite::Outbox) -> Self {
        Self(Backend::Sqlite(outbox))
    }

    /// Leases the oldest row that is due, not done and not leased, for `lease_ms`. `owner` is shown to operators only:
    /// a lease is identified by the [`Job`]. A lease with more than twice `lease_ms` left has expired: only a wrong
    /// clock can have written it.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn take(&self, owner: &str, now_ms: i64, lease_ms: i64) -> Result<Option<Job>, Error> {
        each!(&self.0, outbox => outbox.take(owner, now_ms, lease_ms).await)
    }

    /// The devices of a partition's players after this one, at most `limit`, in token order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn devices(
        &self,
        partition: u16,
        after: Option<&Token>,
        limit: u32,
    ) -> Result<Vec<DeviceRow>, Error> {
        each!(&self.0, outbox => outbox.devices(partition, after, limit).await)
    }

    /// Stores that all devices up to this one are done, and renews the lease. `false`: another pusher has leased the
    /// row; nothing was stored.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn advance(
        &self,
        job: &Job,
        cursor: &Token,
        now_ms: i64,
        lease_ms: i64,
    ) -> Result<bool, Error> {
        each!(&self.0, outbox => outbox.advance(job, cursor, now_ms, lease_ms).await)
    }

    /// Stores that all devices are done. `false`: another pusher has leased the row; nothing was stored.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn done(&self, job: &Job, now_ms: i64) -> Result<bool, Error> {
        each!(&self.0, outbox => outbox.done(job, now_ms).await)
    }

    /// The number of rows that are not done.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn pending(&self) -> Result<u64, Error> {
        each!(&self.0, outbox => outbox.pending().await)
    }

    /// Closes the connections once running work has ended.
    pub async fn close(&self) {
        each!(&self.0, outbox => outbox.close().await)
    }
}
