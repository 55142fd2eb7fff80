//! The handler's side: the one writer of the game's state.

use game::{PurchaseId, Username};

use crate::{Commit, Committed, Error, Identity, Position, Prefetched, postgres, sqlite};

/// Reads what a batch needs and writes what it changed. One per process; for each partition only one may be at work,
/// and the position row turns a second one away.
#[derive(Debug)]
pub struct Writer(Backend);

#[derive(Debug)]
enum Backend {
    Postgres(postgres::Writer),
    Sqlite(sqlite::Writer),
}

impl Writer {
    pub(crate) fn postgres(writer: postgres::Writer) -> Self {
        Self(Backend::Postgres(writer))
    }

    pub(crate) fn sqlite(writer: sqlite::Writer) -> Self {
        Self(Backend::Sqlite(writer))
    }

    /// Makes sure that the game draws from this inbox with this many partitions. The first call decides.
    ///
    /// # Errors
    /// [`Error::OtherInbox`] or [`Error::OtherPartitions`] when the game was started with others.
    pub async fn settle_identity(
        &self,
        inbox_id: &str,
        partitions: u16,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.settle_identity(inbox_id, partitions, now_ms).await,
            Backend::Sqlite(writer) => writer.settle_identity(inbox_id, partitions, now_ms).await,
        }
    }

    /// Makes the game draw from another inbox from now on: a new generation, in which nothing is applied yet.
    /// Adopting the current inbox changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the identity was never settled.
    pub async fn adopt_inbox(&self, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.adopt_inbox(inbox_id, now_ms).await,
            Backend::Sqlite(writer) => writer.adopt_inbox(inbox_id, now_ms).await,
        }
    }

    /// Deals the game to another number of partitions: everything of a player goes to the partition that its username
    /// has then. A new generation of the same inbox begins, in which every partition has applied what came up to
    /// `sequence`: 0, or less than anything that is still to come. The caller has seen that the inbox is empty. All of
    /// it is one transaction, behind which whoever counts with the old number is fenced off.
    ///
    /// # Errors
    /// [`Error::SamePartitions`], [`Error::NotDrained`] when pushes are pending or partitions do not know the same
    /// rounds, [`Error::OtherInbox`]; [`Error::UnknownPartition`] when the identity was never settled;
    /// [`Error::Denied`] for a role that does not own the database. Nothing has changed then.
    pub async fn repartition(
        &self,
        inbox_id: &str,
        partitions: u16,
        sequence: u128,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.repartition(inbox_id, partitions, sequence, now_ms).await,
            Backend::Sqlite(writer) => writer.repartition(inbox_id, partitions, sequence, now_ms).await,
        }
    }

    /// The highest sequence that any partition has applied in the current inbox, 0 for none. An inbox that has never
    /// given out that much is older than the game.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn highest_position(&self) -> Result<u128, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.highest_position().await,
            Backend::Sqlite(writer) => writer.highest_position().await,
        }
    }

    /// Where each partition stands, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.positions().await,
            Backend::Sqlite(writer) => writer.positions().await,
        }
    }

    /// Reads the players and purchases that a batch names, with the partition's rounds and position.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the game has no such partition.
    pub async fn prefetch(
        &self,
        partition: u16,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Prefetched, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.prefetch(partition, usernames, purchases).await,
            Backend::Sqlite(writer) => writer.prefetch(partition, usernames, purchases).await,
        }
    }

    /// Writes everything that a batch changed, or nothing.
    ///
    /// After an error the outcome is unknown: the position tells, at the next prefetch.
    ///
    /// # Errors
    /// [`Error::NotForward`] when `to` is not further on in the same inbox; otherwise whatever the database says.
    pub async fn commit(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.commit(commit).await,
            Backend::Sqlite(writer) => writer.commit(commit).await,
        }
    }

    /// Does what [`Writer::commit`] does up to its end, and takes it all back.
    ///
    /// # Errors
    /// Those that the commit would give.
    pub async fn rehearse(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        match &self.0 {
            Backend::Postgres(writer) => writer.rehearse(commit).await,
            Backend::Sqlite(writer) => writer.rehearse(commit).await,
        }
    }

    /// Closes the connection, after what is under way has ended.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Postgres(writer) => writer.close().await,
            Backend::Sqlite(writer) => writer.close().await,
        }
    }
}
