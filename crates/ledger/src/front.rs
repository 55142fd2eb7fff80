//! The ledger's side of a database: what the handler and the operator's tools do to it.

use std::sync::Arc;
use std::time::Duration;

use files::Files;
use sqlx::SqlitePool;

use crate::connection::each;
#[cfg(feature = "faults")]
use crate::faults::Faults;
use crate::{Connection, Error, Identity, Options, Position, connection, generation, postgres, sqlite};

/// The connections of whoever writes. For each partition only one may be at work, and the position's row turns a
/// second one away.
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
        /// What a piece of work may take.
        work_max: Duration,
    },
}

impl Ledger {
    /// Over connections to PostgreSQL, whose schema has the ledger's tables.
    pub fn postgres(pool: postgres::Pool) -> Self {
        Self::over(Backend::Postgres(pool))
    }

    /// Over the one connection to an SQLite file that may write, and to these files; its schema has the ledger's
    /// tables. Nothing is written, and nothing counts as committed, while the paths lead to others.
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

    /// The same connections, on which these things go wrong.
    #[cfg(feature = "faults")]
    pub fn with_faults(self, faults: Arc<dyn Faults>) -> Self {
        Self { faults: Some(faults), ..self }
    }

    /// Borrows a connection for a piece of work, which [`Ledger::timeout`] bounds and [`Connection::release`] ends.
    ///
    /// # Errors
    /// When there is none in time; whatever the database says.
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
        let mut connection = self.acquire().await?;
        let settled = self.timeout(generation::settle(&mut connection, inbox_id, partitions, now_ms)).await;
        connection.release(settled)
    }

    /// Makes the game draw from another inbox from now on: a new generation, in which nothing is applied yet.
    /// Adopting the current inbox changes nothing.
    ///
    /// # Errors
    /// [`Error::UnknownPartition`] when the identity was never settled.
    pub async fn adopt_inbox(&self, inbox_id: &str, now_ms: i64) -> Result<Identity, Error> {
        let mut connection = self.acquire().await?;
        let adopted = self.timeout(generation::adopt(&mut connection, inbox_id, now_ms)).await;
        connection.release(adopted)
    }

    /// The highest sequence that any partition has applied in the current inbox, 0 for none. An inbox that has never
    /// given out that much is older than the game.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn highest_position(&self) -> Result<u128, Error> {
        let positions = self.positions().await?; // every partition stands in the current inbox: adopting moves all
        Ok(positions.into_iter().map(|(_, position)| position.sequence).max().unwrap_or_default())
    }

    /// Where each partition stands, in order.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        let mut connection = self.acquire().await?;
        let positions = self.timeout(async { each!(connection.session(), positions()) }).await;
        connection.release(positions)
    }

    /// Closes the connections, after what is under way has ended.
    pub async fn close(&self) {
        match &self.backend {
            Backend::Postgres(pool) => pool.close().await,
            Backend::Sqlite { pool, .. } => pool.close().await,
        }
    }
}
