//! Runs the migrations.

use ledger::ErrorKind;
use ledger::postgres::lock;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, SqlSafeStr as _};

use super::database::Database;
use super::migrations::{MIGRATIONS, found, known};
use crate::{Error, Migrated};

/// Brings the schema up to date in one transaction. Of several processes, one does it; the others wait and find it
/// done. A migration may run for long, but its lock timeout is short, because a running game queues behind its locks.
pub(crate) async fn migrate(database: &Database) -> Result<Migrated, Error> {
    // A login before the other connection: a pooler in transaction mode is recognised only at the second one.
    database.log_in().await?;
    let mut connection = database.connect().await?;
    let mut transaction = connection.begin().await?;
    lock(&mut transaction).await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0").execute(&mut *transaction).await?;
    let (found, to) = (found(&mut transaction).await?, known());
    found.can_be_known_by(to)?;
    let from = found.version;
    if from > to {
        return Ok(Migrated { from, to: from });
    }
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    let mut migrator = Migrator::with_migrations(migrations.into());
    migrator.set_locking(false); // ours is held until the end of the transaction
    // Not `run`: its bounds keep the future from being sent to another thread.
    let ran = migrator.run_direct(None, &mut *transaction, false).await;
    ran.map_err(failed)?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(Migrated { from, to })
}

/// Tells a fault of the migration from one of the database, like a lock or a missing right.
fn failed(source: MigrateError) -> Error {
    match source {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
            if error.as_database_error().is_none()
                || matches!(ErrorKind::of(&error), ErrorKind::Busy | ErrorKind::Denied) =>
        {
            error.into()
        }
        source => Error::Migration { source },
    }
}
