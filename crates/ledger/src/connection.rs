//! One connection: the snapshot in which a batch is read, the transaction in which it is written, and the transaction
//! of a repartition.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use files::Files;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection as _, PgConnection, Postgres, Sqlite};

#[cfg(feature = "faults")]
use crate::faults::{Faults, Injected};
use crate::{Error, Identity, JournalRow, Position, Span, generation, postgres, sqlite};

/// Calls the function of this name of the backend whose connection it is.
macro_rules! each {
    ($session:expr, $function:ident ($($argument:expr),*)) => {
        match $session {
            $crate::Session::Postgres(connection) => {
                $crate::postgres::$function(connection $(, $argument)*).await
            }
            $crate::Session::Sqlite(connection) => $crate::sqlite::$function(connection $(, $argument)*).await,
        }
    };
}
pub(crate) use each;

/// A connection taken from the pool. If it is dropped before it is released, the pool rolls its transaction back before
/// the next use.
#[derive(Debug)]
pub struct Connection {
    driver: Driver,
    #[cfg(feature = "faults")]
    faults: Option<Arc<dyn Faults>>,
}

#[derive(Debug)]
enum Driver {
    Postgres(PoolConnection<Postgres>),
    /// With the files that it has open.
    Sqlite(PoolConnection<Sqlite>, Arc<Files>),
}

/// The connection of a transaction, for crates with statements of their own.
#[derive(Debug)]
pub enum Session<'c> {
    Postgres(&'c mut PgConnection),
    Sqlite(&'c mut SqliteConnection),
}

impl Session<'_> {
    /// The same connection, for one of several statements.
    pub fn reborrow(&mut self) -> Session<'_> {
        match self {
            Self::Postgres(connection) => Session::Postgres(connection),
            Self::Sqlite(connection) => Session::Sqlite(connection),
        }
    }
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy)]
enum Begin {
    /// A read-only snapshot.
    Read,
    /// May write from the start.
    Write,
}

impl Connection {
    pub(crate) fn postgres(connection: PoolConnection<Postgres>) -> Self {
        Self::over(Driver::Postgres(connection))
    }

    pub(crate) fn sqlite(connection: PoolConnection<Sqlite>, files: Arc<Files>) -> Self {
        Self::over(Driver::Sqlite(connection, files))
    }

    fn over(driver: Driver) -> Self {
        Self {
            driver,
            #[cfg(feature = "faults")]
            faults: None,
        }
    }

    #[cfg(feature = "faults")]
    pub(crate) fn with_faults(self, faults: Option<Arc<dyn Faults>>) -> Self {
        Self { faults, ..self }
    }

    /// Returns the connection to the pool. A PostgreSQL connection on which the work failed is closed instead. An
    /// SQLite connection stays open: closing the last one would remove the log, by which the files are recognised.
    ///
    /// # Errors
    /// The error that the work ended with.
    pub fn release<T, E>(mut self, done: Result<T, E>) -> Result<T, E> {
        if done.is_err()
            && let Driver::Postgres(connection) = &mut self.driver
        {
            connection.close_on_drop();
        }
        done
    }

    /// The connection outside of a transaction.
    pub fn session(&mut self) -> Session<'_> {
        match &mut self.driver {
            Driver::Postgres(connection) => Session::Postgres(connection),
            Driver::Sqlite(connection, _) => Session::Sqlite(connection),
        }
    }

    /// Begins a read-only snapshot.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when there is no such partition.
    pub async fn read(&mut self, partition: u16) -> Result<Read<'_>, Error> {
        let mut transaction = self.begin(Begin::Read).await?;
        let (position, mark) = each!(transaction.session(), position(partition))?;
        Ok(Read { transaction, partition, position, mark })
    }

    /// Begins a write transaction, and moves the partition to its next position and mark. `None`: the partition is no
    /// longer at the position at which the batch was read; nothing is written.
    ///
    /// # Errors
    /// [`Error::NotForward`] when the span does not lead forward within its generation; otherwise whatever the database
    /// says.
    pub async fn write(&mut self, span: Span, mark: i64) -> Result<Option<Write<'_>>, Error> {
        span.check()?;
        #[cfg(feature = "faults")]
        let faults = self.faults.clone();
        #[cfg(feature = "faults")]
        if let Some(faults) = &faults {
            match faults.before_write(span).await {
                Injected::None => {}
                Injected::Fenced => return Ok(None),
                Injected::Error(error) => return Err(error),
            }
        }
        let mut transaction = self.begin_write().await?;
        if !each!(transaction.session(), move_on(span, mark))? {
            transaction.roll_back().await?;
            return Ok(None);
        }
        Ok(Some(Write {
            transaction,
            span,
            #[cfg(feature = "faults")]
            faults,
        }))
    }

    /// Begins a repartition. It locks out every other writer until it ends.
    ///
    /// # Errors
    /// [`Error::SamePartitions`], [`Error::OtherInbox`]; [`Error::UnknownPartition`] when the identity was never
    /// settled; [`Error::Denied`] for a role that does not own the database.
    pub async fn repartition(&mut self, inbox_id: &str, partitions: u16) -> Result<Repartition<'_>, Error> {
        let mut transaction = self.begin_alone().await?;
        let (known, next) = generation::next(&mut transaction, inbox_id, partitions).await?;
        Ok(Repartition { transaction, known, next })
    }

    /// Begins a transaction that changes what all partitions share; only one may run at a time.
    pub(crate) async fn begin_alone(&mut self) -> Result<Transaction<'_>, Error> {
        let mut transaction = self.begin_write().await?;
        each!(transaction.session(), lock())?;
        Ok(transaction)
    }

    /// Begins a write transaction.
    pub(crate) async fn begin_write(&mut self) -> Result<Transaction<'_>, Error> {
        self.begin(Begin::Write).await
    }

    async fn begin(&mut self, begin: Begin) -> Result<Transaction<'_>, Error> {
        Ok(match &mut self.driver {
            Driver::Postgres(connection) => {
                let statement = match begin {
                    Begin::Read => postgres::BEGIN_READ,
                    Begin::Write => postgres::BEGIN_WRITE,
                };
                Transaction::Postgres((**connection).begin_with(statement).await?)
            }
            Driver::Sqlite(connection, files) => {
                files.check()?;
                let statement = match begin {
                    Begin::Read => sqlite::BEGIN_READ,
                    Begin::Write => sqlite::BEGIN_WRITE,
                };
                Transaction::Sqlite((**connection).begin_with(statement).await?, files)
            }
        })
    }
}

/// A transaction, rolled back when it is dropped. In SQLite, beginning and committing fail when the paths no longer
/// lead to the open files.
#[derive(Debug)]
pub(crate) enum Transaction<'c> {
    Postgres(sqlx::Transaction<'c, Postgres>),
    Sqlite(sqlx::Transaction<'c, Sqlite>, &'c Files),
}

impl Transaction<'_> {
    pub(crate) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Postgres(transaction) => Session::Postgres(transaction),
            Self::Sqlite(transaction, _) => Session::Sqlite(transaction),
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Error> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await?,
            Self::Sqlite(transaction, files) => {
                transaction.commit().await?;
                files.check()?;
            }
        }
        Ok(())
    }

    async fn roll_back(self) -> Result<(), Error> {
        match self {
            Self::Postgres(transaction) => transaction.rollback().await?,
            Self::Sqlite(transaction, _) => transaction.rollback().await?,
        }
        Ok(())
    }
}

/// The read-only snapshot in which a batch is read.
#[derive(Debug)]
pub struct Read<'c> {
    transaction: Transaction<'c>,
    partition: u16,
    position: Position,
    mark: i64,
}

impl Read<'_> {
    /// The partition of the batch.
    pub fn partition(&self) -> u16 {
        self.partition
    }

    /// The position of the partition.
    pub fn position(&self) -> Position {
        self.position
    }

    /// The number that the crowd keeps beside the position.
    pub fn mark(&self) -> i64 {
        self.mark
    }

    /// The connection, for further reads in the snapshot.
    pub fn session(&mut self) -> Session<'_> {
        self.transaction.session()
    }

    /// Ends the snapshot.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn end(self) -> Result<(), Error> {
        self.transaction.commit().await
    }
}

/// The transaction in which a batch is written. It has moved the partition already, which is the fence: the partition's
/// row stays locked until the transaction ends, and another writer then finds another position.
#[derive(Debug)]
pub struct Write<'c> {
    transaction: Transaction<'c>,
    span: Span,
    #[cfg(feature = "faults")]
    faults: Option<Arc<dyn Faults>>,
}

impl Write<'_> {
    /// The partition of the batch, with the positions before and after it.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The connection, for the rows of the crowd.
    pub fn session(&mut self) -> Session<'_> {
        self.transaction.session()
    }

    /// Writes the journal of the batch and commits.
    ///
    /// After an error the outcome is unknown; the position at the next read tells.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn commit(mut self, journal: &[JournalRow<'_>]) -> Result<(), Error> {
        self.write_journal(journal).await?;
        self.transaction.commit().await?;
        #[cfg(feature = "faults")]
        if let Some(Injected::Error(error)) =
            self.faults.as_ref().map(|faults| faults.after_commit(self.span))
        {
            return Err(error);
        }
        Ok(())
    }

    /// Does everything that [`Write::commit`] does, but rolls back at the end.
    ///
    /// # Errors
    /// Those of the commit.
    pub async fn rehearse(mut self, journal: &[JournalRow<'_>]) -> Result<(), Error> {
        self.write_journal(journal).await?;
        self.transaction.roll_back().await
    }

    async fn write_journal(&mut self, journal: &[JournalRow<'_>]) -> Result<(), Error> {
        if journal.is_empty() {
            return Ok(());
        }
        let span = self.span;
        each!(self.transaction.session(), write_journal(span, journal))
    }
}

/// The transaction of a repartition.
#[derive(Debug)]
pub struct Repartition<'c> {
    transaction: Transaction<'c>,
    known: Identity,
    next: Identity,
}

impl Repartition<'_> {
    /// The generation that ends.
    pub fn known(&self) -> &Identity {
        &self.known
    }

    /// The generation that begins.
    pub fn next(&self) -> &Identity {
        &self.next
    }

    /// The connection, for the crowd's rows: checks before [`Self::begin`], moves after it.
    pub fn session(&mut self) -> Session<'_> {
        self.transaction.session()
    }

    /// Begins the next generation. Each of its partitions is at `sequence`, with the least mark of all partitions
    /// before.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn begin(&mut self, sequence: u128, now_ms: i64) -> Result<(), Error> {
        generation::begin(&mut self.transaction, &self.known, &self.next, sequence, now_ms).await
    }

    /// Commits.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn end(self) -> Result<Identity, Error> {
        self.transaction.commit().await?;
        Ok(self.next)
    }
}

/// Fails with [`Error::Unavailable`] when the work has not ended after `max`.
pub(crate) async fn timeout<T, E: Into<Error>>(
    max: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Error> {
    match tokio::time::timeout(max, work).await {
        Ok(done) => done.map_err(Into::into),
        Err(_) => {
            let ms_max = max.as_millis();
            let silent = io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {ms_max} ms"));
            Err(Error::Unavailable { source: sqlx::Error::Io(silent) })
        }
    }
}
