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

/// The first read chooses the moment.
pub(crate) const BEGIN_READ: &str = "BEGIN";
/// A plain `BEGIN` that reads first could find at its first write that somebody else has written since: this holds the
/// write lock from the start.
pub(crate) const BEGIN_WRITE: &str = "BEGIN IMMEDIATE";

/// What a piece of work may take: who waits for another first, and then works for as long as a server might, will not
/// come to an end.
pub(crate) fn work_max(options: &Options) -> Duration {
    Duration::from_millis(options.busy_timeout_ms.saturating_add(options.statement_ms_max))
}

/// Borrows the connection, or a new one if the old one is of no more use: after a full disk, for example, SQLite itself
/// has rolled a transaction back, and the driver has not noticed and would never begin again.
pub(crate) async fn acquire(pool: &SqlitePool, files: &Files) -> Result<PoolConnection<Sqlite>, Error> {
    files.check()?;
    let connection = pool.acquire().await?;
    if !connection.is_in_transaction() {
        return Ok(connection);
    }
    // Closed behind the next one, which has read, so that it never was the last: SQLite would remove the log.
    let broken = connection.detach();
    let mut next = pool.acquire().await?;
    sqlx::query("SELECT count(*) FROM meta").fetch_one(&mut *next).await?;
    broken.close().await?;
    Ok(next)
}
