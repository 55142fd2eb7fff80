//! Runs the migrations.

use ledger::Kind;
use ledger::postgres::lock;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{Connection as _, SqlSafeStr as _};

use super::database::Database;
use super::migrations::{MIGRATIONS, found, known};
use crate::{Error, Migrated};

/// Brings the schema up to date, all of it in one transaction: of several at once, one does it and the others wait
/// and find it done. It may take its time; but it does not wait for long behind the game, which would wait behind it.
pub(crate) async fn migrate(database: &Database) -> Result<Migrated, Error> {
    // On a second connection: behind a pooler, only then can it be seen whether there are sessions.
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

/// What a migration failed of: the migration itself, or what stood in its way.
fn failed(source: MigrateError) -> Error {
    match source {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)
            if error.as_database_error().is_none()
                || matches!(Kind::of(&error), Kind::Busy | Kind::Denied) =>
        {
            error.into()
        }
        source => Error::Migration { source },
    }
}
