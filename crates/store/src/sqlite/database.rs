//! The path of a database in an SQLite file, and how its connections are opened.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ledger::Ledger;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteSynchronous};

use super::pool::Pool;
use crate::bounds::{CACHE_KIB, CHECKPOINT_PAGES, LOG_BYTES_MAX, ROWS_READ_AHEAD};
use crate::{Error, Options};

/// The path of the file, and the options of its connections.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    path: PathBuf,
    options: Options,
}

impl Database {
    pub(crate) fn new(path: &Path, options: Options) -> Self {
        Self { path: path.to_owned(), options }
    }

    pub(super) fn busy_timeout(&self) -> Duration {
        Duration::from_millis(self.options.busy_timeout_ms)
    }

    pub(super) fn connect_options(&self) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(&self.path)
            .busy_timeout(self.busy_timeout())
            .pragma("cache_size", CACHE_KIB)
            .row_buffer_size(ROWS_READ_AHEAD)
            .disable_statement_logging()
    }

    /// A pool of one write connection, whose commits are durable.
    pub(super) async fn write_pool(&self) -> Result<Pool, Error> {
        let options = self
            .connect_options()
            .synchronous(SqliteSynchronous::Full)
            .pragma("journal_size_limit", LOG_BYTES_MAX)
            .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
            .pragma("temp_store", "MEMORY"); // holds what a statement would roll back
        Pool::open(&self.path, options, 1, self.busy_timeout()).await
    }

    /// The handler's connection.
    pub(crate) async fn ledger(&self) -> Result<Ledger, Error> {
        Ok(self.write_pool().await?.into_ledger(&self.options))
    }

    /// A pool of read-only connections: both the file handle and the connection forbid writes.
    pub(super) async fn read_pool(&self) -> Result<Pool, Error> {
        let options = self.connect_options().read_only(true).pragma("query_only", "ON");
        Pool::open(&self.path, options, self.options.readers.max(1), self.busy_timeout()).await
    }
}
