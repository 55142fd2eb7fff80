//! Connections to the file, and the identity of the files that are open.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use files::Files;
use ledger::Ledger;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqlitePoolOptions, SqliteRow};
use sqlx::{Sqlite, SqlitePool};

use super::migrations;
use crate::{Error, Options};

/// A statement with its parameters.
pub(super) type Statement<'q> = Query<'q, Sqlite, SqliteArguments>;

/// A pool of connections, of which one is always open. Its own methods check, before and after each statement, that the
/// paths still lead to the open files; those of the inner pool do not.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pool: SqlitePool,
    files: Files,
}

impl Deref for Pool {
    type Target = SqlitePool;

    fn deref(&self) -> &SqlitePool {
        &self.pool
    }
}

impl Pool {
    /// Opens the database at this path, which must have a schema that this program can serve.
    pub(super) async fn open(
        path: &Path,
        options: SqliteConnectOptions,
        connections: u32,
        acquire_timeout: Duration,
    ) -> Result<Self, Error> {
        let known = Arc::new(OnceLock::<Files>::new());
        let expected = Arc::clone(&known);
        let pool = SqlitePoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(acquire_timeout)
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            // The pool may connect at any time; it must not open another file that has taken the path.
            .after_connect(move |_, _| {
                let in_place = expected.get().map_or(Ok(()), Files::check).map_err(sqlx::Error::config);
                Box::pin(std::future::ready(in_place))
            })
            .connect_with(options)
            .await?;
        let found = migrations::found(&mut *pool.acquire().await?).await?;
        found.serves(migrations::known())?;
        let files = Files::of(path)?;
        let files = known.get_or_init(|| files).clone();
        Ok(Self { pool, files })
    }

    /// A ledger over the connection, with the same check of the files.
    pub(super) fn into_ledger(self, options: &Options) -> Ledger {
        Ledger::sqlite(self.pool, self.files, options)
    }

    /// Checks that the paths still lead to the open files.
    pub(super) fn in_place(&self) -> Result<(), Error> {
        Ok(self.files.check()?)
    }

    pub(super) async fn fetch_all(&self, statement: Statement<'_>) -> Result<Vec<SqliteRow>, Error> {
        self.on_the_files(statement.fetch_all(&self.pool)).await
    }

    pub(super) async fn fetch_optional(&self, statement: Statement<'_>) -> Result<Option<SqliteRow>, Error> {
        self.on_the_files(statement.fetch_optional(&self.pool)).await
    }

    pub(super) async fn fetch_one(&self, statement: Statement<'_>) -> Result<SqliteRow, Error> {
        self.on_the_files(statement.fetch_one(&self.pool)).await
    }

    /// Executes a statement and returns the number of rows that it wrote.
    pub(super) async fn execute(&self, statement: Statement<'_>) -> Result<u64, Error> {
        Ok(self.on_the_files(statement.execute(&self.pool)).await?.rows_affected())
    }

    async fn on_the_files<T>(&self, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, Error> {
        self.in_place()?;
        let done = work.await?;
        self.in_place()?;
        Ok(done)
    }
}
