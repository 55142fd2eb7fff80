//! What can go wrong with Redis, and whether it may go better later.

use std::iter::successors;

use deadpool_redis::PoolError;
use deadpool_redis::redis::{ErrorKind, RedisError};

/// Why ranks in Redis could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL cannot be used. It may hold a password, so it is not repeated.
    #[error("the URL of the board {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There is no connection at the moment, and none can be made in time.
    #[error("there is no connection to Redis")]
    Connect {
        /// What the pool said.
        #[source]
        source: PoolError,
    },
    /// Redis did not do what it was asked.
    #[error("Redis did not do what it was asked")]
    Command {
        /// What it said.
        #[from]
        source: RedisError,
    },
    /// It took too long.
    #[error("Redis did not answer within {ms} ms")]
    Timeout {
        /// How long was waited, in milliseconds.
        ms: u64,
    },
}

impl Error {
    /// Whether the same call may succeed later without anybody changing it.
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
    /// This error with everything that led to it, for the log.
    pub(super) fn chain(&self) -> String {
        let causes = successors(Some(self as &dyn std::error::Error), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    }
}

/// Connections come back; so do servers that start, fail over, or have no room just now.
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
