//! The pusher's side: it reads devices, and reads and updates the outbox.

use game::Token;

use crate::backend::{Backend, each};
use crate::{DeviceRow, Error, Job, postgres, sqlite};

/// Hands out what is to be pushed, under leases, so that several pushers share the work and one that dies is
/// succeeded where it stopped. Cloning is cheap; clones share the connection.
#[derive(Debug, Clone)]
pub struct Outbox(Backend<postgres::Outbox, sqlite::Outbox>);

impl Outbox {
    pub(crate) fn postgres(outbox: postgres::Outbox) -> Self {
        Self(Backend::Postgres(outbox))
    }

    pub(crate) fn sqlite(outbox: sqlite::Outbox) -> Self {
        Self(Backend::Sqlite(outbox))
    }

    /// Takes the oldest row that is not done and that nobody holds, for `lease_ms`. `owner` is for the operator's
    /// eyes; a lease belongs to one taking, not to a name. A lease that has more than twice `lease_ms` left is over: only
    /// a clock that was wrong can have written it.
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

    /// Notes that all devices up to this one have been dealt with, and begins the lease anew. `false`: somebody else
    /// has taken the row; nothing was noted.
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

    /// Notes that every device has been dealt with. `false`: somebody else has taken the row; nothing was noted.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn done(&self, job: &Job, now_ms: i64) -> Result<bool, Error> {
        each!(&self.0, outbox => outbox.done(job, now_ms).await)
    }

    /// How many rows are not done.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn pending(&self) -> Result<u64, Error> {
        each!(&self.0, outbox => outbox.pending().await)
    }

    /// Closes the connection, after what is under way has ended.
    pub async fn close(&self) {
        each!(&self.0, outbox => outbox.close().await)
    }
}
