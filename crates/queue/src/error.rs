//! Errors, and what a caller may conclude from them.

use std::sync::Arc;

/// Primary result codes of SQLite, in the low byte of its codes.
mod code {
    pub(super) const PERM: i32 = 3;
    pub(super) const BUSY: i32 = 5;
    pub(super) const LOCKED: i32 = 6;
    pub(super) const READONLY: i32 = 8;
    pub(super) const CORRUPT: i32 = 11;
    pub(super) const FULL: i32 = 13;
    pub(super) const CANTOPEN: i32 = 14;
    pub(super) const NOTADB: i32 = 26;
}

type Source = Arc<dyn std::error::Error + Send + Sync>;

/// Why a call failed. Cheap to clone: one failure can be the result of many messages.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk or the size limit of the options is used up. Nothing was stored; acks make room again.
    #[error("the inbox is full")]
    Full {
        /// What the database said.
        source: Arc<sqlx::Error>,
    },
    /// Another writer held the file for too long. Nothing was stored; a retry helps.
    #[error("the inbox is locked by another writer")]
    Busy {
        /// What the database said.
        source: Arc<sqlx::Error>,
    },
    /// The file cannot be opened or written (missing folder, permissions, read-only disk), or the service denies the
    /// request (no such queue, no permission). Nothing was stored.
    #[error("the inbox cannot be opened or written")]
    Refused {
        /// What the database or the service said.
        source: Source,
    },
    /// The service throttles. Nothing was stored; a retry helps.
    #[error("the inbox is throttled")]
    Throttled { source: Source },
    /// The service did not answer, or answered with a failure. Whether something was stored is unknown; a retry under
    /// the same id helps.
    #[error("the inbox does not answer")]
    Unanswered { source: Source },
    /// Any other failure of the database; whether something was stored is unknown.
    #[error("the inbox is unavailable")]
    Unavailable {
        /// What the database said.
        source: Arc<sqlx::Error>,
    },
    /// The body is longer than the options allow.
    #[error("the body has {found_bytes} bytes, at most {max_bytes} are allowed")]
    TooLarge {
        /// Length of the body.
        found_bytes: usize,
        /// The most that is allowed.
        max_bytes: usize,
    },
    /// The backend cannot store this body or id: it is empty, has a character that SQS does not accept, or is an id
    /// of more than 1024 bytes.
    #[error("the inbox does not accept such a body or id")]
    Unsendable,
    /// The SQS queue has not the attributes that an inbox needs.
    #[error("the queue's {attribute} is {found:?}, it must be {needed}")]
    Unfit {
        /// The attribute, as SQS calls it.
        attribute: &'static str,
        /// Its value; empty if it is missing.
        found: String,
        /// The required value.
        needed: String,
    },
    /// The SQS queue was deleted and created anew under its name: it is another inbox.
    #[error("the queue was replaced: it is {found}, not {known}")]
    Replaced {
        /// The id of the inbox that was opened.
        known: String,
        /// The id of what is there now.
        found: String,
    },
    /// The inbox's files were deleted, moved or replaced while they were open. Calls fail until the same files are
    /// back; whether this one stored something is unknown.
    #[error(transparent)]
    Moved(#[from] files::Moved),
    /// The lease ran out, was taken over, or ended because everything was acked or released.
    #[error("the lease on the partition is lost")]
    LeaseLost,
    /// The file was written by a newer version of this program.
    #[error("the inbox has schema {found}, this program knows schemas up to {known}")]
    NewerSchema {
        /// The version found in the file.
        found: i64,
        /// The newest version known here.
        known: i64,
    },
    /// The file is corrupt, or is not an inbox.
    #[error("not an inbox file, or corrupt")]
    Corrupt {
        /// What was found.
        source: Source,
    },
    /// The inbox was closed by this process.
    #[error("the inbox is closed")]
    Closed,
}

impl Error {
    /// Whether a retry a moment later may succeed without anybody's help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Throttled { .. } | Self::Unanswered { .. } => true,
            Self::Unavailable { source } => {
                is_broken_connection(source) || matches!(**source, sqlx::Error::PoolTimedOut)
            }
            _ => false,
        }
    }

    /// Whether it is certain that nothing was stored or removed.
    pub fn is_definite(&self) -> bool {
        let unknown = matches!(
            self,
            Self::Unavailable { .. } | Self::Unanswered { .. } | Self::Corrupt { .. } | Self::Moved(_)
        );
        !unknown
    }

    pub(crate) fn corrupt(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Corrupt { source: Arc::new(source) }
    }
}

/// Whether the connection that reported this is unusable.
pub(crate) fn is_broken_connection(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::WorkerCrashed | sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement
    )
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        let code = match &source {
            sqlx::Error::PoolClosed => return Self::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::RowNotFound => {
                return Self::corrupt(source);
            }
            sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<i32>().ok()),
            _ => None,
        };
        match code.map(|code| code & 0xff) {
            Some(code::BUSY | code::LOCKED) => Self::Busy { source: Arc::new(source) },
            Some(code::FULL) => Self::Full { source: Arc::new(source) },
            Some(code::PERM | code::READONLY | code::CANTOPEN) => Self::Refused { source: Arc::new(source) },
            Some(code::CORRUPT | code::NOTADB) => Self::corrupt(source),
            _ => Self::Unavailable { source: Arc::new(source) },
        }
    }
}
