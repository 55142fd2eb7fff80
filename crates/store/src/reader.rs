//! The read-only part.

use game::{Round, Standing, Username};

use crate::backend::{Backend, each};
use crate::{Counts, Error, Identity, JournalEntry, PlayerView, Position, State, TopRow, postgres, sqlite};

/// Reads over read-only connections. Cloning is cheap; clones share the connections.
#[derive(Debug, Clone)]
pub struct Reader(Backend<postgres::Reader, sqlite::Reader>);

impl Reader {
    pub(crate) fn postgres(reader: postgres::Reader) -> Self {
        Self(Backend::Postgres(reader))
    }

    pub(crate) fn sqlite(reader: sqlite::Reader) -> Self {
        Self(Backend::Sqlite(reader))
    }

    /// A player of this partition, read in one snapshot; `None` when nobody has this username.
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

    /// The rounds that every partition knows, in order: the latest that has opened, and all that open later.
    ///
    /// Rounds that have not opened are included, for the process that must show a round at its very millisecond. They
    /// must never be shown before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn live_rounds(&self, now_ms: i64) -> Result<Vec<Round>, Error> {
        each!(&self.0, reader => reader.live_rounds(now_ms).await)
    }

    /// The standing of every player of a partition, unordered, and the position at which they were read.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the game has no such partition.
    pub async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), Error> {
        each!(&self.0, reader => reader.standings(partition).await)
    }

    /// The position of each partition, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        each!(&self.0, reader => reader.positions().await)
    }

    /// The current generation; `None` before the game is bound to an inbox.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn identity(&self) -> Result<Option<Identity>, Error> {
        each!(&self.0, reader => reader.identity().await)
    }

    /// Counts players and pending pushes.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn counts(&self) -> Result<Counts, Error> {
        each!(&self.0, reader => reader.counts().await)
    }

    /// Checks that the database can be read; cheap.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn check(&self) -> Result<(), Error> {
        each!(&self.0, reader => reader.check().await)
    }

    /// Checks that the paths still lead to the open files, without asking the database. Always succeeds for PostgreSQL.
    ///
    /// # Errors
    /// [`Error::Moved`].
    pub fn in_place(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Postgres(_) => Ok(()),
            Backend::Sqlite(reader) => reader.in_place(),
        }
    }

    /// Opens a snapshot of the whole database, while the game goes on. It occupies a connection until it is dropped,
    /// and the database keeps old row versions for as long.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn audit(&self) -> Result<Audit, Error> {
        match &self.0 {
            Backend::Postgres(reader) => Ok(Audit(Backend::Postgres(reader.audit().await?))),
            Backend::Sqlite(reader) => Ok(Audit(Backend::Sqlite(reader.audit().await?))),
        }
    }

    /// Closes the connections once running work has ended; an [`Audit`] must be dropped first.
    pub async fn close(&self) {
        each!(&self.0, reader => reader.close().await)
    }
}

/// A snapshot of the whole database: all reads through it are consistent.
#[derive(Debug)]
pub struct Audit(Backend<postgres::Audit, sqlite::Audit>);

impl Audit {
    /// The position of each partition, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&mut self) -> Result<Vec<(u16, Position)>, Error> {
        each!(&mut self.0, audit => audit.positions().await)
    }

    /// All generations in order, the current one last. Empty before the game is bound to an inbox.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn generations(&mut self) -> Result<Vec<Identity>, Error> {
        each!(&mut self.0, audit => audit.generations().await)
    }

    /// The next messages of a partition's journal, at most `rows_max`, in the order in which they were applied; empty
    /// at the end. `Position::default()` is before the first message.
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

    /// The state that the journal determines, held in memory: about 1 KB for each player.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn state(&mut self) -> Result<State, Error> {
        each!(&mut self.0, audit => audit.state().await)
    }
}
