//! Errors that prevent a start or end a process.

use std::net::SocketAddr;

use engine::handler::StepError;

use crate::config::Config;

/// Why a process cannot start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    #[error("cannot use the data folder {folder}")]
    Data { folder: String, source: std::io::Error },
    /// A file that must exist and does not.
    #[error("cannot open the {what} {file}")]
    Missing {
        /// `inbox` or `store`.
        what: &'static str,
        file: String,
        source: std::io::Error,
    },
    /// An inbox that this version cannot open.
    #[error("cannot open the inbox {place}")]
    OpenInbox { place: String, source: queue::Error },
    /// A store that this version cannot open.
    #[error("cannot open the store {place}")]
    OpenStore { place: String, source: store::Error },
    #[error("cannot use the board {place}")]
    Ranks { place: String, source: ranks::Error },
    /// The store has no identity yet; `migrate` has not run.
    #[error("the store has no identity yet: run `buttonparty migrate` first")]
    Unsettled,
    #[error("cannot use the inbox")]
    Queue(#[from] queue::Error),
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// The store has applied messages that this inbox never had.
    #[error(
        "the inbox is older than the store: the store has applied message {applied}, but the inbox has only assigned \
         {given}. The inbox was restored from a backup: restore the matching store, or move the inbox's files away and \
         adopt a new one (buttonparty migrate --adopt-inbox)"
    )]
    InboxOlder {
        /// The highest sequence that the store has applied.
        applied: u128,
        /// The highest sequence that the inbox has assigned.
        given: u128,
    },
    /// Another process has the role on the same files.
    #[error(
        "another process with the role {role} is using {file}. It may still be stopping, which takes at most 10 s. Only \
         one process may have the role {role} on the same files, alone or as part of `all` or `dev`"
    )]
    Held { role: &'static str, file: String },
    #[error("cannot lock the role {role} on {file}")]
    Lock { role: &'static str, file: String, source: std::io::Error },
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: std::io::Error },
    /// The database accepted this process's login before and rejects it now.
    #[error("database login rejected; was the password rotated?")]
    Login(#[source] store::Error),
    /// The handler met a message of another game or partition count, or its inbox was replaced.
    #[error("the handler stopped")]
    Handler(#[source] StepError),
}

impl NodeError {
    /// Whether the cause may pass by itself: a server that does not answer yet, a database that is not migrated yet.
    pub(super) fn may_pass(&self, config: &Config) -> bool {
        match self {
            Self::OpenInbox { source, .. } | Self::Queue(source) => {
                !config.inbox.address.is_embedded() && source.is_transient()
            }
            Self::OpenStore { source, .. } | Self::Store(source) => {
                let not_migrated = matches!(source, store::Error::OlderSchema { .. });
                !config.store.address.is_embedded() && (source.is_transient() || not_migrated)
            }
            Self::Unsettled => true,
            _ => false,
        }
    }
}
