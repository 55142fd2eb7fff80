//! What can go wrong with the database, and whether it may go better later.

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Others held the database for longer than the busy timeout. Nothing was changed.
    #[error("the database is busy")]
    Busy {
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The database cannot be reached, read or written at the moment: gone, full, an I/O error.
    #[error("the database is unavailable")]
    Unavailable {
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The database refused a statement, and will refuse it again.
    #[error("the database refused a statement")]
    Refused {
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The migrations could not be run.
    #[error("the migrations could not be run")]
    Migration {
        /// What the migrator said.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A later version of this program has been at this database.
    #[error("the database has schema {found}, this program knows none after {known}")]
    NewerSchema {
        /// The version that the database has.
        found: i64,
        /// The latest version that this program knows.
        known: i64,
    },
    /// The migrations have not been run.
    #[error("the database has schema {found}, this program needs {known}: run the migrations first")]
    OlderSchema {
        /// The version that the database has; 0 for none.
        found: i64,
        /// The version that this program needs.
        known: i64,
    },
    /// The game belongs to another inbox.
    #[error("the game draws from inbox {known}, not from {found}")]
    OtherInbox {
        /// The inbox that the game draws from.
        known: String,
        /// The inbox that was found.
        found: String,
    },
    /// The game has another number of partitions.
    #[error("the game has {known} partitions, not {found}")]
    OtherPartitions {
        /// The partitions that the game has.
        known: u16,
        /// The partitions that were asked for.
        found: u16,
    },
    /// The game has no such partition, or its identity was never settled.
    #[error("the game has no partition {partition}")]
    UnknownPartition {
        /// The partition that was asked for.
        partition: u16,
    },
    /// A commit does not move its partition forward within its inbox.
    #[error("a commit to partition {partition} does not move it forward")]
    NotForward {
        /// The partition.
        partition: u16,
    },
    /// The database holds something that no version of this program wrote.
    #[error("the database is corrupt: {what}")]
    Corrupt {
        /// What was found.
        what: String,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing it.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. })
    }

    pub(crate) fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        use sqlx::Error as E;
        match &source {
            E::Database(database) => match database.code().as_deref().and_then(sqlite_primary_code) {
                Some(5 | 6) => Self::Busy { source },               // BUSY, LOCKED
                Some(11 | 26) => Self::corrupt(database.message()), // CORRUPT, NOTADB
                // Only what the values themselves cause: TOOBIG, CONSTRAINT, MISMATCH. A message is buried for it, so
                // that everything else, known or not, is taken for a trouble of the moment.
                Some(18..=20) => Self::Refused { source },
                _ => Self::Unavailable { source },
            },
            E::ColumnDecode { .. } | E::Decode(_) | E::RowNotFound => Self::corrupt(source.to_string()),
            _ => Self::Unavailable { source },
        }
    }
}

/// SQLite's result code without what its extension says in the higher bits.
/// Source: sqlite.org/rescode.html, "Primary Result Codes versus Extended Result Codes".
fn sqlite_primary_code(code: &str) -> Option<u32> {
    code.parse::<u32>().ok().map(|code| code & 0xff)
}
