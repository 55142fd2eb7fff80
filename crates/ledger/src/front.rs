//! The ledger of a database, for the handler and the operator's tools.

use std::sync::Arc;
use std::time::Duration;

use files::Files;
use sqlx::SqlitePool;

use crate::connection::each;
#[cfg(feature = "faults")]
use crate::faults::Faults;
use crate::{Connection, Error, Identity, Options, Position, connection, generation, postgres, sqlite};

/// Write connections to a database. Only one handler may apply a partition at a time; the fence rejects any other.
#[derive(Debug, Clone)]
pub struct Ledger {
    backend: Backend,
    #[cfg(feature = "faults")]
    faults: Option<Arc<dyn Faults>>,
}

#[derive(Debug, Clone)]
enum Backend {
    Postgres(postgres::Pool),
    Sqlite {
        pool: SqlitePool,
        files: Arc<Files>,
        /// The longest that work on a connection may take.
        work_max: Duration,
    },
}

impl Ledger {
    /// A ledger in PostgreSQL, whose schema has the ledger's tables.
    pub fn postgres(pool: postgres::Pool) -> Self {
        Self::over(Backend::Postgres(pool))
    }

    /// A ledger over the one write connection to an SQLite file, whose schema has the ledger's tables. Every
    /// transaction fails while the paths lead to other files than these.
    pub fn sqlite(pool: SqlitePool, files: Files, options: &Options) -> Self {
        let files = Arc::new(files);
        Self::over(Backend::Sqlite { pool, files, work_max: sqlite::work_max(options) })
    }

    fn over(backend: Backend) -> Self {
        Self {
            backend,
            #[cfg(feature = "faults")]
            faults: None,
        }
    }

    /// The same connections with injected faults.
    #[cfg(feature = "faults")]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Takes a connection from the pool. [`Ledger::timeout`] bounds the work on it, [`Connection::release`] returns it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free in time; otherwise whatever the database says.
    pub async fn acquire(&self) -> Result<Connection, Error> {
        let connection = match &self.backend {
            Backend::Postgres(pool) => Connection::postgres(pool.acquire().await?),
            Backend::Sqlite { pool, files, .. } => {
                Connection::sqlite(sqlite::acquire(pool, files).await?, Arc::clone(files))
            }
        };
        #[cfg(feature = "faults")]
        let connection = connection.with_faults(self.faults.clone());
        Ok(connection)
    }

    /// Bounds the time of a piece of work on a connection.
    ///
    /// # Errors
    /// Those of the work; [`Error::Unavailable`] when it takes too long.
    pub fn timeout<T>(
        &self,
        work: impl Future<Output = Result<T, Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        let max = match &self.backend {
            Backend::Postgres(pool) => pool.work_max,
            Backend::Sqlite { work_max, .. } => *work_max,
        };
        connection::timeout(max, work)
    }

    /// Binds the game to this inbox and this number of partitions at the first call; later calls check that they match.
    ///
    /// # Errors
    /// [`Error::OtherInbox`] or [`Error::OtherPartitions`] when the game is bound to others.
    pub async fn settle_identity(
        &self,
        inbox_id: &str,
        partitions: u16,
        now_ms: i64,
    ) -> Result<Identity, Error> {
        let mut connection = self.acquire().await?;
        let settled = self.timeout(generation::settle(&mut connection, inbox_id, partitions, now_ms)).await;
        connection.release(settled)
    }

    /// Binds the game to another inbox: a new generation, in which nothing is applied yet. Adopting the current inbox
    /// changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the game is not bound to an inbox yet.
    pub async fn adopt_inbox(&self, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
        let mut connection = self.acquire().await?;
        let adopted = self.timeout(generation::adopt(&mut connection, inbox_id, now_ms)).await;
        connection.release(adopted)
    }

    /// The highest sequence that any partition has applied in the current generation, 0 for none. An inbox that has
    /// never issued it is an older copy than the game.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn highest_position(&self) -> Result<u128, Error> {
        let positions = self.positions().await?; // all partitions are of the current generation: adopting moves them all
        Ok(positions.into_iter().map(|(_, position)| position.sequence).max().unwrap_or_default())
    }

    /// The position of each partition, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        let mut connection = self.acquire().await?;
        let positions = self.timeout(async { each!(connection.session(), positions()) }).await;
        connection.release(positions)
    }

    /// Closes the connections once running work has ended.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Postgres(pool) => pool.close().await,
            Backend::Sqlite { pool, .. } => pool.close().await,
        }
    }
}
