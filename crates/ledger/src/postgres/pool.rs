//! A pool whose calls are bounded in time. A connection on which a call failed is closed, so that after a failover or a
//! network fault the next call gets a new one.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, PgPool, Postgres};

use super::begin_session;
use crate::bounds::{FRESH_MS, POLLS_PER_TURN, SILENCE_MS};
use crate::{Error, Options, connection};

/// A statement with its parameters.
pub type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A pool of connections to PostgreSQL.
#[derive(Debug, Clone)]
pub struct Pool {
    pool: PgPool,
    /// The longest that work on a connection may take.
    pub(crate) work_max: Duration,
    /// Whether a login was rejected; shared by all pools of a database.
    refused: Arc<AtomicBool>,
    /// Whether a pooler in transaction mode was found.
    pooled: Arc<AtomicBool>,
}

impl Pool {
    /// Connects on first use. Each session begins with the statements `session`, from
    /// [`SessionSettings`](super::SessionSettings).
    pub fn new(
        connect: PgConnectOptions,
        session: Arc<str>,
        connections: u32,
        options: Options,
        refused: Arc<AtomicBool>,
    ) -> Self {
        let pooled = Arc::new(AtomicBool::new(false));
        let met = Arc::clone(&pooled);
        let pool = PgPoolOptions::new()
            .max_connections(connections.max(1))
            .acquire_timeout(Duration::from_millis(options.connect_ms_max))
            // Saves a round trip for each read of a busy process.
            .test_before_acquire(false)
            .before_acquire(|connection, met| {
                Box::pin(async move {
                    if met.idle_for >= Duration::from_millis(FRESH_MS) {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .after_connect(move |connection, _| {
                let (session, met) = (Arc::clone(&session), Arc::clone(&met));
                Box::pin(async move {
                    // A flag instead of an error, which the pool would take for transient and retry.
                    if !begin_session(connection, &session).await? {
                        met.store(true, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .connect_lazy_with(connect);
        let work_max = Duration::from_millis(options.statement_ms_max.saturating_add(SILENCE_MS));
        Self { pool, work_max, refused, pooled }
    }

    /// Closes all connections once running work has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Takes a connection; [`release`] returns it. If it is dropped before, the pool rolls its transaction back.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when none is free in time; [`Error::Pooled`]; otherwise whatever the database says.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>, Error> {
        let acquired = poll_eagerly(self.pool.acquire()).await.map_err(Error::from);
        if acquired.as_ref().is_err_and(Error::is_login_refused) {
            self.refused.store(true, Ordering::Relaxed);
        }
        if self.pooled.load(Ordering::Relaxed) {
            return Err(Error::Pooled);
        }
        acquired
    }

    /// Bounds the time of a piece of work on a connection.
    ///
    /// # Errors
    /// Those of the work; [`Error::Unavailable`] when it takes too long.
    pub fn timeout<T, E: Into<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> impl Future<Output = Result<T, Error>> {
        connection::timeout(self.work_max, work)
    }

    /// Fetches all rows.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
        let mut connection = self.acquire().await?;
        let rows = self.timeout(statement.fetch_all(&mut *connection)).await;
        release(connection, rows)
    }

    /// Fetches the first row, if any.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<PgRow>, Error> {
        let mut connection = self.acquire().await?;
        let row = self.timeout(statement.fetch_optional(&mut *connection)).await;
        release(connection, row)
    }

    /// Fetches the row of a statement that always has one.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_one(&self, statement: Statement<'_>) -> Result<PgRow, Error> {
        self.fetch_optional(statement).await?.ok_or_else(|| Error::corrupt("a row is missing"))
    }

    /// Executes a statement and returns the number of rows that it wrote.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn execute(&self, statement: Statement<'_>) -> Result<u64, Error> {
        let mut connection = self.acquire().await?;
        let done = self.timeout(statement.execute(&mut *connection)).await;
        Ok(release(connection, done)?.rows_affected())
    }
}

/// Polls a future several times per poll of its task. The driver yields about 800 times while it computes the SCRAM
/// proof of a new connection (4 096 rounds of a hash, one yield in five). In a busy process the task is polled only
/// every few milliseconds, so connecting would take seconds and exceed its bound after a failover.
async fn poll_eagerly<T>(work: impl Future<Output = T>) -> T {
    let mut work = Box::pin(work); // it is large
    poll_fn(|context| {
        for _ in 1..POLLS_PER_TURN {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(done);
            }
        }
        work.as_mut().poll(context)
    })
    .await
}

/// Returns a connection to the pool, or closes it if the work on it failed.
///
/// # Errors
/// The error that the work ended with.
pub fn release<T>(mut connection: PoolConnection<Postgres>, done: Result<T, Error>) -> Result<T, Error> {
    if done.is_err() {
        connection.close_on_drop();
    }
    done
}

/// Fails when the work has not ended after `ms_max` milliseconds.
///
/// # Errors
/// Those of the work; [`Error::Unavailable`] when it takes longer.
pub fn timeout<T, E: Into<Error>>(
    ms_max: u64,
    work: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, Error>> {
    connection::timeout(Duration::from_millis(ms_max), work)
}
