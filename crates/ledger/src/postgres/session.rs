//! The settings of a session, and the detection of poolers that share sessions.
//!
//! Settings are made by a statement, not in the startup packet, where poolers reject unknown settings or drop them
//! silently. A pooler in transaction mode (PgBouncer's `pool_mode = transaction`) would leak them between sessions, so
//! it is refused. It is detected by a mark: a new session already bears it, or a session that was marked has lost it.

use std::sync::Arc;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row as _, raw_sql};

use crate::Error;

/// Reads the mark of a session: a setting that no other program uses.
const MARK: &str = "SELECT coalesce(current_setting('buttonparty.session', true), '')";

/// The settings with which a session begins.
#[derive(Debug, Clone)]
pub struct SessionSettings {
    settings: Vec<(&'static str, String)>,
}

impl SessionSettings {
    /// These settings. Their values are not escaped, so they must not come from outside.
    pub fn new(settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self { settings: settings.into_iter().collect() }
    }

    /// Adds a setting.
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.to_owned()));
        self
    }

    /// The statements that begin a session, in one round trip.
    pub fn statements(&self) -> Arc<str> {
        let mark = ("buttonparty.session", "begun".to_owned());
        let set = |(name, value): &(&str, String)| format!("SET {name} = '{value}'");
        let all = std::iter::once(MARK.to_owned()).chain(self.settings.iter().chain([&mark]).map(set));
        all.collect::<Vec<_>>().join("; ").into()
    }
}

/// Begins a session; `false` if it bore the mark already.
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

/// Checks that the session of this connection still bears its mark in the next transaction.
///
/// # Errors
/// [`Error::Pooled`] when it does not.
pub async fn check_session(connection: &mut PgConnection) -> Result<(), Error> {
    let mark: String = raw_sql(MARK).fetch_one(connection).await?.try_get(0)?;
    if mark.is_empty() { Err(Error::Pooled) } else { Ok(()) }
}
