//! Runs the migrations.

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Connection as _, SqlSafeStr as _};
use tokio::time::{sleep, timeout};

use super::database::Database;
use super::migrations::{MIGRATIONS, found, known};
use crate::bounds::WAL_RETRY_PAUSE;
use crate::{Error, Migrated};

/// Brings the schema up to date in one transaction. Of several processes, one does it; the others wait and find it
/// done.
pub(crate) async fn migrate(database: &Database) -> Result<Migrated, Error> {
    let mut connection = first_connection(database).await?;
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    let (found, to) = (found(&mut transaction).await?, known());
    found.can_be_known_by(to)?;
    let from = found.version;
    if from > to {
        return Ok(Migrated { from, to: from });
    }
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let migrator = Migrator::with_migrations(migrations.into());
    // Not `run`: its bounds keep the future from being sent to another thread.
    let ran = migrator.run_direct(None, &mut *transaction, false).await;
    ran.map_err(|source| Error::Migration { source })?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(Migrated { from, to })
}

/// Opens the first connection, and retries while another process turns the new file into a WAL file: SQLite's busy
/// timeout does not cover that lock.
async fn first_connection(database: &Database) -> Result<SqliteConnection, Error> {
    let options = database.connect_options().create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let waiting = async {
        loop {
            match options.connect().await.map_err(Error::from) {
                Err(Error::Busy { .. }) => sleep(WAL_RETRY_PAUSE).await,
                outcome => return outcome,
            }
        }
    };
    match timeout(database.busy_timeout(), waiting).await {
        Ok(outcome) => outcome,
        Err(_) => Ok(options.connect().await?), // the error says why
    }
}
