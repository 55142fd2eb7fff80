//! What every session is set to, and whether it is one.
//!
//! Settings are made by a statement, not with the connection: poolers refuse what they do not know there, or leave it
//! out without a word. A pooler that gives each transaction to whatever session is free (PgBouncer's `pool_mode =
//! transaction`) would have them leak into each other's: it is refused. It is known by this: a session that is new to
//! us bears the mark of one that we have used before, or one that we have marked has forgotten it.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _, raw_sql};

use crate::Error;

/// The mark that a session bears: a setting that nobody else knows.
const MARK: &str = "SELECT coalesce(current_setting('buttonparty.session', true), '')";

/// How a session begins.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    settings: Vec<(&'static str, String)>,
}

impl SessionSettings {
    /// With these settings. Their values must be the program's own: they are not escaped.
    pub fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { settings: settings.into_iter().collect() }
    }

    /// With one more.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// The statements that begin a session, in one trip.
    pub fn statements(&self) -> Arc<str> {
        let mark = ("buttonparty.session", "begun".to_owned());
        let set = |(name, value): &(&str, String)| format!("SET {name} = '{value}'");
        let all = std::iter::once(MARK.to_owned()).chain(self.settings.iter().chain([&mark]).map(set));
        all.collect::<Vec<_>>().join("; ").into()
    }
}

/// Begins a session; says whether it was new.
///
/// # Errors
/// Whatever the database says.
pub async fn begin_session(
    connection: &mut PgConnection,
    statements: &Arc<str>,
) -> Result<bool, sqlx::Error> {
    let rows = raw_sql(AssertSqlSafe(Arc::clone(statements))).fetch_all(connection).await?;
    rows.first().map_or(Ok(false), |row| Ok(row.try_get::<String, _>(0)?.is_empty()))
}

/// Whether a session that was begun on this connection is there in the next transaction.
///
/// # Errors
/// [`Error::Pooled`] when it is not.
pub async fn check_session(connection: &mut PgConnection) -> Result<(), Error> {
    let mark: String = raw_sql(MARK).fetch_one(connection).await?.try_get(0)?;
    if mark.is_empty() { Err(Error::Pooled) } else { Ok(()) }
}
