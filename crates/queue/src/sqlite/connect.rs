//! Connections, their settings, and the schema.

use std::path::Path;
use std::sync::Arc;

use files::Files;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlSafeStr, SqliteConnection, SqlitePool, query};

use tokio::time::{sleep, timeout};

use crate::Options;
use crate::bounds::{
    BUSY_TIMEOUT, HEADROOM_PAGES, LOG_KEPT_BYTES, LOOK_EVERY, PAGE_BYTES, PAGES_PER_CHECKPOINT, READERS_MAX,
};
use crate::error::Error;

/// Begins a transaction that writes. A plain `BEGIN` that reads first could fail at its first write, because another
/// process has written since.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The connections that write; the holder of the lock around them uses one at a time.
pub(super) struct Writers {
    /// Commits are synced; the size limit applies.
    pub(super) sender: SqliteConnection,
    /// Commits are not synced: a lost lease or ack only means a redelivery. Has headroom.
    pub(super) receiver: SqliteConnection,
    /// Commits are synced. Has headroom, because poisonous messages of a full inbox must still be buried.
    pub(super) burier: SqliteConnection,
}

/// Opens or creates the file, and migrates its schema. The connection must stay open as long as the inbox, so that
/// SQLite never removes the log and the inodes stay valid.
pub(super) async fn first(path: &Path) -> Result<(SqliteConnection, Files), Error> {
    let creating =
        common(path).create_if_missing(true).page_size(PAGE_BYTES).journal_mode(SqliteJournalMode::Wal);
    let mut first = first_connection(&creating).await?;
    migrate(&mut first).await?;
    Ok((first, Files::of(path)?))
}

impl Writers {
    /// Opens the file, which must exist: one that was deleted must not be created anew behind its readers.
    pub(super) async fn open(path: &Path, options: &Options, files: &Files) -> Result<Self, Error> {
        let pages = options.file_bytes_max / u64::from(PAGE_BYTES);
        let roomy = writing(path, pages.saturating_add(HEADROOM_PAGES));
        let writers = Self {
            sender: writing(path, pages).connect().await?,
            burier: roomy.connect().await?,
            receiver: roomy.synchronous(SqliteSynchronous::Normal).connect().await?,
        };
        files.check()?;
        Ok(writers)
    }

    /// Checkpoints the log and closes. If this fails, the next process that opens the file repeats it.
    pub(super) async fn close(mut self) {
        let emptied = query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut self.burier).await.map(drop);
        for outcome in
            [emptied, self.sender.close().await, self.receiver.close().await, self.burier.close().await]
        {
            if let Err(error) = outcome {
                tracing::warn!(%error, "the inbox did not close cleanly");
            }
        }
    }
}

/// The pool of read-only connections, which are opened when needed.
pub(super) fn readers(path: &Path, files: &Arc<Files>) -> SqlitePool {
    let files = Arc::clone(files);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        // It may open a connection at any time, but never to another file in the same place.
        .after_connect(move |_, _| {
            let in_place = files.check().map_err(sqlx::Error::config);
            Box::pin(std::future::ready(in_place))
        })
        .connect_lazy_with(common(path).read_only(true))
}

fn common(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

fn writing(path: &Path, pages_max: u64) -> SqliteConnectOptions {
    common(path)
        .synchronous(SqliteSynchronous::Full)
        // 4294967294 is the maximum of SQLite; a larger number would be ignored.
        .pragma("max_page_count", pages_max.clamp(1, 4_294_967_294).to_string())
        .pragma("wal_autocheckpoint", PAGES_PER_CHECKPOINT.to_string())
        .pragma("journal_size_limit", LOG_KEPT_BYTES.to_string())
}

/// Connects. Waits while another process writes to a file that is not in WAL mode yet, because SQLite's busy timeout
/// does not cover the lock that switches the mode.
async fn first_connection(options: &SqliteConnectOptions) -> Result<SqliteConnection, Error> {
    let waiting = async {
        loop {
            match options.connect().await.map_err(Error::from) {
                Err(Error::Busy { .. }) => sleep(LOOK_EVERY).await,
                outcome => return outcome,
            }
        }
    };
    match timeout(BUSY_TIMEOUT, waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Ok(options.connect().await?), // says what is in the way
    }
}

/// Migrates the schema in one transaction: of several processes one does it, and the others wait.
async fn migrate(connection: &mut SqliteConnection) -> Result<(), Error> {
    let migrations = vec![Migration::new(
        1,
        "inbox".into(),
        MigrationType::Simple,
        include_str!("../../migrations/0001_inbox.sql").into_sql_str(),
        false,
    )];
    let known = number_of_newest(&migrations);
    let mut transaction = connection.begin_with(BEGIN).await?;
    // The future of `run` is not `Send`.
    match Migrator::with_migrations(migrations).run_direct(None, &mut *transaction, false).await {
        Ok(()) => Ok(transaction.commit().await?),
        Err(MigrateError::VersionMissing(found)) if found > known => Err(Error::NewerSchema { found, known }),
        Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => Err(error.into()),
        Err(error) => Err(Error::corrupt(error)),
    }
}

fn number_of_newest(migrations: &[Migration]) -> i64 {
    migrations.iter().map(|migration| migration.version).max().unwrap_or_default()
}
