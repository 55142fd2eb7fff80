//! The migrations, and which of them a database has. Append only: a published one is never edited, and a new one only
//! adds; [`crate::schema`] says what happens with one that cannot.

use sqlx::sqlite::SqliteConnection;

use crate::Error;
use crate::schema::Schema;

pub(super) const MIGRATIONS: [(i64, &str, &str); 4] = [
    (1, "the game", include_str!("../../migrations/sqlite/0001_game.sql")),
    (2, "generations", include_str!("../../migrations/sqlite/0002_generations.sql")),
    (3, "expiry of pushes", include_str!("../../migrations/sqlite/0003_expiry.sql")),
    (4, "late rounds", include_str!("../../migrations/sqlite/0004_late_rounds.sql")),
];

/// The latest version of this program.
pub(super) fn known() -> i64 {
    MIGRATIONS.iter().map(|(version, ..)| *version).max().unwrap_or_default()
}

/// The schema of the database.
pub(super) async fn found(connection: &mut SqliteConnection) -> Result<Schema, Error> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = '_sqlx_migrations'";
    if sqlx::query_scalar::<_, i64>(table).fetch_one(&mut *connection).await? == 0 {
        return Ok(Schema::NONE);
    }
    let migrations = "SELECT version, description FROM _sqlx_migrations";
    Ok(Schema::of(&sqlx::query_as(migrations).fetch_all(connection).await?))
}
