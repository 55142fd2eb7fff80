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
    /// The database does not let this role in, has no such database, or does not let the role do this.
    #[error("the database denies access")]
    Denied {
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// The database is behind a pooler that shares its sessions among connections.
    #[error(
        "the database is reached through a pooler that gives every transaction another session: connect to PostgreSQL \
         directly, or through a pooler in session mode"
    )]
    Pooled,
    /// The URL of the database cannot be used. The text never contains the URL.
    #[error("the database's URL is wrong: {reason}")]
    Url {
        /// What is wrong.
        reason: String,
    },
    /// The migrations could not be run.
    #[error("the migrations could not be run")]
    Migration {
        /// What the migrator said.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A later version of this program has been at this database, and this one cannot live with what it has changed.
    #[error("the database has schema {found}, which this program cannot serve: it knows none after {known}")]
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
    /// The game has as many partitions as it was to be given.
    #[error("the game has {partitions} partitions already")]
    SamePartitions {
        /// The partitions that it has.
        partitions: u16,
    },
    /// The number of partitions cannot change before everything that was sent is done.
    #[error("the game is not drained: {reason}")]
    NotDrained {
        /// What is still to be done.
        reason: String,
    },
    /// A commit does not move its partition forward within its inbox.
    #[error("a commit to partition {partition} does not move it forward")]
    NotForward {
        /// The partition.
        partition: u16,
    },
    /// The database's files were deleted, moved or replaced while they were open. Nothing is written to them until the
    /// same files are back; whether this was written is not known.
    #[error(transparent)]
    Moved(#[from] files::Moved),
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
        matches!(self, Self::Busy { .. } | Self::Unavailable { .. } | Self::Moved(_))
    }

    /// Whether the database did not let the login in, as when its password was changed.
    pub fn is_login_refused(&self) -> bool {
        let Self::Denied { source } = self else { return false };
        let code = source.as_database_error().and_then(|database| database.code());
        code.is_some_and(|code| code.starts_with("28")) // "Invalid Authorization Specification"
    }

    /// The database holds what no version of this program wrote.
    pub fn corrupt(what: impl Into<String>) -> Self {
        Self::Corrupt { what: what.into() }
    }
}
