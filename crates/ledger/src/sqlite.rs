//! The ledger in an SQLite file.

mod identity;
mod position;

use std::time::Duration;

use files::Files;
use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Sqlite, SqlitePool};

pub(crate) use identity::{
    add_inbox, add_partitions, change_partitions, fix_partitions, hold_positions, least_mark, lock, move_all,
    remove_partitions,
};
pub use identity::{generations, identity, positions};
pub use position::journal;
pub(crate) use position::{move_on, position, write_journal};

use crate::{Error, Options};

/// The first read takes the snapshot.
pub(crate) const BEGIN_READ: &str = "BEGIN";
/// Takes the write lock at once. After a plain `BEGIN` and a read, the first write would fail if another process had
/// written in between.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// The longest that work on the connection may take: the wait for the lock plus the time of a statement.
pub(crate) fn work_max(options: &Options) -> Duration {
    Duration::from_millis(options.busy_timeout_ms.saturating_add(options.statement_ms_max))
}

/// Takes the connection from the pool, or a new one if the driver believes it to be in a transaction: after a full
/// disk, for example, SQLite has rolled back by itself, and the driver could never begin again.
pub(crate) async fn acquire(pool: &SqlitePool, files: &Files) -> Result<PoolConnection<Sqlite>, Error> {
    files.check()?;
    let connection = pool.acquire().await?;
    if !connection.is_in_transaction() {
        return Ok(connection);
    }
    // The next connection must have read before this one closes: SQLite removes the log with the last connection.
    let broken = connection.detach();
    let mut next = pool.acquire().await?;
    sqlx::query("SELECT count(*) FROM meta").fetch_one(&mut *next).await?;
    broken.close().await?;
    Ok(next)
}
