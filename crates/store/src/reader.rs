//! The readers' side, which cannot write.

use game::{Round, Standing, Username};

use crate::backend::{Backend, each};
use crate::{Counts, Error, Identity, JournalEntry, PlayerView, Position, State, TopRow, postgres, sqlite};

/// Reads. Its connections are opened read-only. Cloning is cheap; clones share the connections.
#[derive(Debug, Clone)]
pub struct Reader(Backend<postgres::Reader, sqlite::Reader>);

impl Reader {
    pub(crate) fn postgres(reader: postgres::Reader) -> Self {
        Self(Backend::Postgres(reader))
    }

    pub(crate) fn sqlite(reader: sqlite::Reader) -> Self {
        Self(Backend::Sqlite(reader))
    }

    /// A player of this partition, all read at one moment; `None` when nobody has this username.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn player(
        &self,
        username: &Username,
        partition: u16,
        now_ms: i64,
    ) -> Result<Option<PlayerView>, Error> {
        each!(&self.0, reader => reader.player(username, partition, now_ms).await)
    }

    /// The best `limit` players, at most [`game::bounds::TOP_STORED_MAX`], best first.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn top(&self, limit: usize) -> Result<Vec<TopRow>, Error> {
        each!(&self.0, reader => reader.top(limit).await)
    }

    /// The rounds that every partition knows, in order: the latest that has opened by now, and all that open later.
    ///
    /// Rounds that have not opened are among them: this is for the process that must light the page at the very
    /// millisecond. They must never be shown before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn live_rounds(&self, now_ms: i64) -> Result<Vec<Round>, Error> {
        each!(&self.0, reader => reader.live_rounds(now_ms).await)
    }

    /// Where every player of a partition stands, in no order, and the position at which that is so.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the game has no such partition.
    pub async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), Error> {
        each!(&self.0, reader => reader.standings(partition).await)
    }

    /// Where each partition stands, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        each!(&self.0, reader => reader.positions().await)
    }

    /// What the game belongs to; `None` before that is settled.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn identity(&self) -> Result<Option<Identity>, Error> {
        each!(&self.0, reader => reader.identity().await)
    }

    /// How much there is.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn counts(&self) -> Result<Counts, Error> {
        each!(&self.0, reader => reader.counts().await)
    }

    /// Whether the database can be read at all; cheap.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn check(&self) -> Result<(), Error> {
        each!(&self.0, reader => reader.check().await)
    }

    /// Whether the database is still where it was opened; a question to the system, not to the database. A server's is
    /// where it is.
    ///
    /// # Errors
    /// [`Error::Moved`].
    pub fn in_place(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(_) => Ok(()),
            Backend::Sqlite(reader) => reader.in_place(),
        }
    }

    /// Holds one moment of the whole database, while the game goes on. It keeps one of the connections until it is
    /// dropped, and the database keeps what it needs to show that moment.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn audit(&self) -> Result<Audit, Error> {
        match &self.0 {
            Backend::Postgres(reader) => Ok(Audit(Backend::Postgres(reader.audit().await?))),
            Backend::Sqlite(reader) => Ok(Audit(Backend::Sqlite(reader.audit().await?))),
        }
    }

    /// Closes the connections, after what is under way has ended; an [`Audit`] must be dropped first.
    pub async fn close(&self) {
        each!(&self.0, reader => reader.close().await)
    }
}

/// One moment of the whole database: everything that is read through it belongs together.
#[derive(Debug)]
pub struct Audit(Backend<postgres::Audit, sqlite::Audit>);

impl Audit {
    /// Where each partition stands, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&mut self) -> Result<Vec<(u16, Position)>, Error> {
        each!(&mut self.0, audit => audit.positions().await)
    }

    /// The generations that the game has had, in order, each with its inbox and its number of partitions; the last one
    /// is what the game belongs to. Empty before that is settled.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn generations(&mut self) -> Result<Vec<Identity>, Error> {
        each!(&mut self.0, audit => audit.generations().await)
    }

    /// The next messages of a partition's journal, at most `rows_max`, in the order in which they were applied.
    /// `Position::default()` stands before the first; empty when there are no more.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn journal(
        &mut self,
        partition: u16,
        after: Position,
        rows_max: u32,
    ) -> Result<Vec<JournalEntry>, Error> {
        each!(&mut self.0, audit => audit.journal(partition, after, rows_max).await)
    }

    /// Everything that follows from the journal. All of it is held in memory: about 1 KB for each player.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn state(&mut self) -> Result<State, Error> {
        each!(&mut self.0, audit => audit.state().await)
    }
}
