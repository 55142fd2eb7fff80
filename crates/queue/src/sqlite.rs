//! The inbox as one SQLite file in WAL mode.
//!
//! One lock serialises all writes of a process, so that its connections queue fairly instead of finding the file
//! busy. SQLite's busy timeout handles other processes. Reads need no lock.

mod connect;
mod dead;
mod receive;
mod send;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use files::Files;
use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection, SqlitePool, query, query_as, query_scalar};
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard, Notify};

use crate::bounds::BELIEVED_LENGTHS_MAX;
use crate::error::{Error, is_broken_connection};
use crate::types::QUIET_GLOB;
use crate::{Backlog, NowMs, Options, Sequence};
use connect::Writers;

/// The embedded inbox; used through [`Queue`](crate::Queue).
#[derive(Clone)]
pub struct Sqlite(Arc<Inner>);

struct Inner {
    path: PathBuf,
    options: Options,
    now_ms: NowMs,
    inbox_id: String,
    /// Statements that store 1, 2, 4, … messages.
    inserts: Vec<AssertSqlSafe<Arc<str>>>,
    /// Notified when something was sent or a partition became free, in this process.
    news: Notify,
    /// The files that were opened: nothing counts as written to any other.
    files: Arc<Files>,
    writers: Mutex<Option<Writers>>,
    /// The writers are unusable, and must be opened again.
    broken: AtomicBool,
    readers: SqlitePool,
    /// Keeps the files the same while the inbox is open; closed last.
    first: Mutex<Option<SqliteConnection>>,
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite")
            .field("path", &self.0.path)
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}

impl Sqlite {
    pub(crate) async fn open(path: &Path, options: Options, now_ms: NowMs) -> Result<Self, Error> {
        let (first, files) = connect::first(path).await?;
        let files = Arc::new(files);
        let writers = Writers::open(path, &options, &files).await?;
        let readers = connect::readers(path, &files);
        let inbox_id =
            query_scalar("SELECT value FROM meta WHERE key = 'inbox_id'").fetch_one(&readers).await?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            options,
            now_ms,
            inbox_id,
            inserts: send::inserts(),
            news: Notify::new(),
            files,
            writers: Mutex::new(Some(writers)),
            broken: AtomicBool::new(false),
            readers,
            first: Mutex::new(Some(first)),
        })))
    }

    pub(crate) fn inbox_id(&self) -> &str {
        &self.0.inbox_id
    }

    pub(crate) async fn backlog(&self) -> Result<Backlog, Error> {
        let (now_ms, believed_ms) = self.lease_ends();
        let (messages, in_flight, dead, oldest_sent_at_ms) = query_as(
            "SELECT (SELECT count(*) FROM messages WHERE id NOT GLOB ?3),
                 (SELECT count(*) FROM leases l JOIN messages m ON m.partition = l.partition AND m.sequence <= l.through
                  WHERE l.until_ms > ?1 AND l.until_ms <= ?2 AND m.id NOT GLOB ?3),
                 (SELECT count(*) FROM dead),
                 (SELECT sent_at_ms FROM messages WHERE id NOT GLOB ?3 ORDER BY sequence LIMIT 1)",
        )
        .bind(now_ms)
        .bind(believed_ms)
        .bind(QUIET_GLOB)
        .fetch_one(&self.0.readers)
        .await?;
        Ok(Backlog { messages, in_flight, dead, oldest_sent_at_ms })
    }

    pub(crate) async fn is_empty(&self) -> Result<bool, Error> {
        let empty = "SELECT NOT EXISTS (SELECT 1 FROM messages)";
        Ok(query_scalar(empty).fetch_one(&self.0.readers).await?)
    }

    pub(crate) async fn highest_sequence(&self) -> Result<Option<Sequence>, Error> {
        let highest = "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'messages'), 0)";
        sequence(query_scalar(highest).fetch_one(&self.0.readers).await?).map(Some)
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        let mut writers = self.writers().await?;
        query("UPDATE meta SET value = ? WHERE key = 'checked_at_ms'")
            .bind(self.now_ms())
            .execute(&mut writers.receiver)
            .await
            .map_err(|error| self.failed(error))?;
        Ok(())
    }

    pub(crate) async fn close(&self) {
        // Readers first: afterwards nobody opens the writers again, and the log can be truncated.
        self.0.readers.close().await;
        if let Some(writers) = self.0.writers.lock().await.take() {
            writers.close().await;
        }
        if let Some(first) = self.0.first.lock().await.take()
            && let Err(error) = first.close().await
        {
            tracing::warn!(%error, "the inbox did not close cleanly");
        }
        self.0.news.notify_waiters();
    }

    fn now_ms(&self) -> i64 {
        (self.0.now_ms)()
    }

    /// Returns (now, latest plausible end): a lease is valid only if it ends between the two. A process with less
    /// than half of the holder's visibility takes a valid lease as over; that costs time and nothing else.
    fn lease_ends(&self) -> (i64, i64) {
        let now_ms = self.now_ms();
        (now_ms, now_ms.saturating_add(self.0.options.visibility_ms.saturating_mul(BELIEVED_LENGTHS_MAX)))
    }

    /// Checks that the paths still lead to the files that were opened.
    pub(crate) fn in_place(&self) -> Result<(), Error> {
        Ok(self.0.files.check()?)
    }

    /// The write lock, on the files that were opened.
    async fn writers(&self) -> Result<MappedMutexGuard<'_, Writers>, Error> {
        let mut guard = self.0.writers.lock().await;
        if self.0.readers.is_closed() {
            return Err(Error::Closed);
        }
        self.in_place()?;
        if self.0.broken.swap(false, Ordering::Relaxed) {
            *guard = None;
        }
        if guard.is_none() {
            *guard = Some(Writers::open(&self.0.path, &self.0.options, &self.0.files).await?);
        }
        // It was filled above.
        MutexGuard::try_map(guard, Option::as_mut).map_err(|_| Error::Closed)
    }

    /// Converts the error of a writer, and has an unusable connection replaced.
    fn failed(&self, error: sqlx::Error) -> Error {
        if is_broken_connection(&error) {
            self.0.broken.store(true, Ordering::Relaxed);
        }
        error.into()
    }
}

/// Converts a sequence of SQLite.
fn sequence(number: i64) -> Result<Sequence, Error> {
    u128::try_from(number).map(Sequence).map_err(Error::corrupt)
}

/// Converts a number for SQLite; one out of range means "no limit".
fn number(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
