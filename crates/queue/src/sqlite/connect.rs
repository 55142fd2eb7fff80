//! Connections, their settings, and the schema.

use std::{path::Path, sync::Arc};

use files::Files;
use sqlx::{
    ConnectOptions, Connection, SqlSafeStr, SqliteConnection, SqlitePool,
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    query,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::time::{sleep, timeout};

use crate::{
    Options,
    bounds::{
        BUSY_TIMEOUT, HEADROOM_PAGES, LOG_KEPT_BYTES, LOOK_EVERY, PAGE_BYTES, PAGES_PER_CHECKPOINT,
        READERS_MAX,
    },
    error::Error,
};

/// Begins a transaction that writes. A plain `BEGIN` that reads first could find at its first write that
/// somebody else has written since, and fail.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";

/// The connections that write; who holds the lock around them uses one at a time.
pub(super) struct Writers {
    /// Commits are synced; bound by the file's size.
    pub(super) sender: SqliteConnection,
    /// Commits are not synced: a lost lease or ack means a redelivery, nothing else. Has headroom.
    pub(super) receiver: SqliteConnection,
    /// Commits are synced; has headroom, because a full inbox must still get rid of what is poisonous.
    pub(super) burier: SqliteConnection,
}

/// Opens the file, makes it where there is none, and brings its schema up to date. The connection is to stay open for
/// as long as the inbox: then SQLite never removes the log, and which files these are stays true.
pub(super) async fn first(path: &Path) -> Result<(SqliteConnection, Files), Error> {
    let creating =
        common(path).create_if_missing(true).page_size(PAGE_BYTES).journal_mode(SqliteJournalMode::Wal);
    let mut first = first_connection(&creating).await?;
    migrate(&mut first).await?;
    Ok((first, Files::of(path)?))
}

impl Writers {
    /// Opens the file, which exists: one that was deleted is not made anew behind the back of who reads it.
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

    /// Copies the log into the file and closes. What fails here is done by whoever opens the file next.
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

/// The pool for everything that only reads. It opens its connections when they are needed.
pub(super) fn readers(path: &Path, files: &Arc<Files>) -> SqlitePool {
    let files = Arc::clone(files);
    SqlitePoolOptions::new()
        .max_connections(READERS_MAX)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        // It may open one at any time: never another file that has taken the place.
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
        // 4294967294 is the most that SQLite knows, and a larger number would be ignored.
        .pragma("max_page_count", pages_max.clamp(1, 4_294_967_294).to_string())
        .pragma("wal_autocheckpoint", PAGES_PER_CHECKPOINT.to_string())
        .pragma("journal_size_limit", LOG_KEPT_BYTES.to_string())
}

/// Connects, and waits where another is writing to a file that is no WAL file yet: SQLite's own busy timeout does
/// not wait for the lock that turns it into one.
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

/// Brings the schema up to date, in one transaction, so that of several processes one does it and the others
/// wait.
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
    // `run` itself makes a future that cannot be moved between threads.
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
