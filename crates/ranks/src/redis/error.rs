//! Errors of Redis, and whether a retry may help.

use std::iter::successors;

use deadpool_redis::PoolError;
use deadpool_redis::redis::{ErrorKind, RedisError};

/// Why ranks in Redis could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used. It may hold a password, so the message does not contain it.
    #[error("the URL of the ranks {reason}")]
    Url { reason: &'static str },
    /// No connection is free or can be opened in time.
    #[error("cannot connect to Redis")]
    Connect {
        #[source]
        source: PoolError,
    },
    /// A command failed.
    #[error("Redis command failed")]
    Command {
        #[from]
        source: RedisError,
    },
    #[error("Redis did not answer within {ms} ms")]
    Timeout { ms: u64 },
}

impl Error {
    /// Whether a retry of the same call may succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Url { .. } => false,
            Self::Timeout { .. } => true,
            Self::Connect { source: PoolError::Backend(error) } | Self::Command { source: error } => {
                may_pass(error)
            }
            Self::Connect { source } => matches!(source, PoolError::Timeout(_)),
        }
    }
}

impl Error {
    /// This error with its causes, for the log.
    pub(super) fn chain(&self) -> String {
        let causes = successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

/// Whether the error may pass: a lost connection, or a server that starts, fails over or is full.
fn may_pass(error: &RedisError) -> bool {
    const PASSING: [&str; 9] = [
        "LOADING",
        "BUSY",
        "READONLY",
        "MASTERDOWN",
        "NOREPLICAS",
        "OOM",
        "MISCONF",
        "TRYAGAIN",
        "CLUSTERDOWN",
    ];
    error.kind() == ErrorKind::Io
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.code().is_some_and(|code| PASSING.contains(&code))
}
