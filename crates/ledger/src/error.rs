//! Errors of the database, and whether a retry may help.

/// An error of the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another session held a lock for longer than the busy timeout. Nothing was changed.
    #[error("the database is busy")]
    Busy {
        #[source]
        source: sqlx::Error,
    },
    /// The database cannot be reached, read or written now: it is down, full, or has an I/O error.
    #[error("the database is unavailable")]
    Unavailable {
        #[source]
        source: sqlx::Error,
    },
    /// The database rejected a statement because of its values, and will reject it again.
    #[error("the database refused a statement")]
    Refused {
        #[source]
        source: sqlx::Error,
    },
    /// The login is rejected, the database does not exist, or the role lacks a right.
    #[error("the database denies access")]
    Denied {
        #[source]
        source: sqlx::Error,
    },
    /// The connection goes through a pooler in transaction mode.
    #[error(
        "the connection pooler gives each transaction another session: connect to PostgreSQL directly, or \
         through a pooler in session mode"
    )]
    Pooled,
    /// The URL of the database cannot be used. The text never contains the URL.
    #[error("the database's URL is wrong: {reason}")]
    Url { reason: String },
    /// The migrations could not be run.
    #[error("the migrations could not be run")]
    Migration {
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A later version of this program has migrated the database in a way that this version cannot serve.
    #[error("the database has schema {found}, this program supports schemas up to {known}")]
    NewerSchema { found: i64, known: i64 },
    /// The migrations have not run yet.
    #[error("the database has schema {found}, this program needs {known}: run the migrations first")]
    OlderSchema {
        /// 0 for an empty database.
        found: i64,
        known: i64,
    },
    /// The game is bound to another inbox.
    #[error("the game belongs to inbox {known}, not to {found}")]
    OtherInbox { known: String, found: String },
    /// The game has another number of partitions.
    #[error("the game has {known} partitions, not {found}")]
    OtherPartitions { known: u16, found: u16 },
    /// The game has no such partition, or is not bound to an inbox yet.
    #[error("the game has no partition {partition}")]
    UnknownPartition { partition: u16 },
    /// The game has this number of partitions already.
    #[error("the game already has {partitions} partitions")]
    SamePartitions { partitions: u16 },
    /// The number of partitions cannot change while work is pending.
    #[error("the game has pending work: {reason}")]
    NotDrained { reason: String },
    /// A commit does not move its partition forward within its generation.
    #[error("a commit to partition {partition} does not move it forward")]
    NotForward { partition: u16 },
    /// The database's files were deleted, moved or replaced while they were open. Writes fail until the same files are
    /// back; the outcome of this one is unknown.
    #[error(transparent)]
    Moved(#[from] files::Moved),
    /// The database holds a value that no version of this program writes.
    #[error("the database is corrupt: {what}")]
    Corrupt { what: String },
}

impl Error {
    /// Whether a retry of the same call may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. } | Self::Moved(_))
    }

    /// Whether the login was rejected, for example after a change of the password.
    pub fn is_login_refused(&self) -> bool {
        let Self::Denied { source } = self else { return false };
        let code = source.as_database_error().and_then(|database| database.code());
        code.is_some_and(|code| code.starts_with("28")) // "Invalid Authorization Specification"
    }

    /// [`Error::Corrupt`] with this description.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
