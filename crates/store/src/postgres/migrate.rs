//! The schema's versions. Append only: what has been published is never edited, and a new one only adds, so that the
//! program before it goes on meanwhile; see [`crate::schema`] for one that cannot.

use ledger::Kind;
use ledger::postgres::lock;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnection;
use sqlx::{Connection as _, SqlSafeStr as _};

use super::Database;
use crate::schema::Schema;
use crate::{Error, Migrated};

const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "the game", include_str!("../../migrations/postgres/0001_game.sql")),
    (2, "generations", include_str!("../../migrations/postgres/0002_generations.sql")),
    (3, "expiry of pushes", include_str!("../../migrations/postgres/0003_expiry.sql")),
    (4, "late rounds", include_str!("../../migrations/postgres/0004_late_rounds.sql")),
];

/// The latest version that this program knows.
pub(super) fn known() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

/// The schema that the database has.
pub(super) async fn found(connection: &mut PgConnection) -> Result<Schema, Error> {
    let table = "SELECT count(*) FROM pg_catalog.pg_tables
        WHERE schemaname = 'public' AND tablename = '_sqlx_migrations'";
    if sqlx::query_scalar::<_, i64>(table).fetch_one(&mut *connection).await? == 0 {
        return Ok(Schema::NONE);
    }
    let migrations = "SELECT version, description FROM public._sqlx_migrations";
    Ok(Schema::of(&sqlx::query_as(migrations).fetch_all(connection).await?))
}

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
