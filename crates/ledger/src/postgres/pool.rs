//! Connections that are borrowed for a piece of work, in bounded time, and closed when it fails: whatever was wrong with
//! one of them, a server that has become a replica or a network that swallows everything, the next one is new.

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

/// A statement with its values.
pub type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// A few connections.
#[derive(Debug, Clone)]
pub struct Pool {
    pool: PgPool,
    /// What a piece of work may take.
    pub(crate) work_max: Duration,
    /// Whether a login was refused; of all pools of a database.
    refused: Arc<AtomicBool>,
    /// Whether a session was met that is shared with other connections.
    pooled: Arc<AtomicBool>,
}

impl Pool {
    /// Connects when somebody asks. Each session begins with the statements `session`, which come from
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
            // One trip less for each read of a busy process.
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
                    // Noted, because the pool would take an error for one that passes, and try again.
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

    /// Closes all of them, after what is under way has ended.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Borrows a connection for a piece of work that ends in [`release`]. When it is dropped before, because whoever
    /// works with it is, what is under way on it is rolled back first.
    ///
    /// # Errors
    /// When there is none in time; [`Error::Pooled`]; whatever the database says.
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

    /// Reads all rows.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<PgRow>, Error> {
        let mut connection = self.acquire().await?;
        let rows = self.timeout(statement.fetch_all(&mut *connection)).await;
        release(connection, rows)
    }

    /// Reads the first row, if there is one.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<PgRow>, Error> {
        let mut connection = self.acquire().await?;
        let row = self.timeout(statement.fetch_optional(&mut *connection)).await;
        release(connection, row)
    }

    /// Reads the one row that there always is.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn fetch_one(&self, statement: Statement<'_>) -> Result<PgRow, Error> {
        self.fetch_optional(statement).await?.ok_or_else(|| Error::corrupt("a row is missing"))
    }

    /// Executes a statement, and returns how many rows it wrote.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn execute(&self, statement: Statement<'_>) -> Result<u64, Error> {
        let mut connection = self.acquire().await?;
        let done = self.timeout(statement.execute(&mut *connection)).await;
        Ok(release(connection, done)?.rows_affected())
    }
}

/// Polls work several times each time that it is its turn. The driver yields 800 times while it proves the password of a
/// new connection (4 096 rounds of a hash, a pause after every fifth), and a turn of a busy process takes milliseconds:
/// opening one would take seconds there, and more than it may after a failover.
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

/// Gives a connection back, or closes it when the work on it has failed.
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
