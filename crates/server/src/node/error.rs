//! Why a process does not start, or ends.

use std::net::SocketAddr;

use engine::handler::StepError;

use crate::config::Config;

/// Why a process does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The folder of the data.
    #[error("cannot use the data folder {folder}")]
    Data {
        /// The folder.
        folder: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file that is not there.
    #[error("cannot open the {what} {file}")]
    Missing {
        /// What it is.
        what: &'static str,
        /// Where it should be.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// An inbox that cannot be opened, or not by this version.
    #[error("cannot open the inbox {place}")]
    OpenInbox {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: queue::Error,
    },
    /// A store that cannot be opened, or not by this version.
    #[error("cannot open the store {place}")]
    OpenStore {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: store::Error,
    },
    /// The address of the ranks.
    #[error("cannot use the board {place}")]
    Ranks {
        /// Where it is.
        place: String,
        /// What was wrong with it.
        source: ranks::Error,
    },
    /// A new game, of which nobody has decided what it belongs to.
    #[error("no game has begun in this store: run `buttonparty migrate` first")]
    Unsettled,
    /// The inbox.
    #[error("cannot use the inbox")]
    Queue(#[from] queue::Error),
    /// The store.
    #[error("cannot use the store")]
    Store(#[from] store::Error),
    /// The inbox is older than what was applied from it.
    #[error(
        "the inbox is older than the store: the store has applied message {applied}, the inbox has only given out \
         {given}. It was restored from a backup; restore the store that belongs to it, or move the inbox's files away \
         and adopt a new one (buttonparty migrate --adopt-inbox)"
    )]
    InboxOlder {
        /// The highest sequence that the store has applied.
        applied: u128,
        /// The highest sequence that the inbox has given out.
        given: u128,
    },
    /// Another process has the role on the same files.
    #[error(
        "another process with the role {role} is using {file}: it runs, or is still stopping (for 10 s at most). Files \
         have one {role}, as part of `all` or `dev` or alone"
    )]
    Held {
        /// The role.
        role: &'static str,
        /// The file that both are for.
        file: String,
    },
    /// The lock of a role.
    #[error("cannot lock the role {role} on {file}")]
    Lock {
        /// The role.
        role: &'static str,
        /// The file.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The database does not let this process in any more.
    #[error("the login to the store is refused by now: its password must have changed")]
    Login(#[source] store::Error),
    /// The handler met a message of another game, or another inbox in the place of its own.
    #[error("the handler stopped")]
    Handler(#[source] StepError),
}

impl NodeError {
    /// Whether what is missing may come by itself, because it is somewhere else: a server that does not answer yet, a
    /// database that is not migrated yet.
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
