//! Where a game has its inbox, its store and its board, so that one test can be run on either stack.

mod inside;

use std::path::{Path, PathBuf};

use queue::Queue;
use server::clock::Clock;
use store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub(crate) use self::inside::{Applied, add, assert_intact, open};
use crate::support::run;

/// The file of the embedded inbox in a data folder.
pub(crate) const INBOX: &str = "inbox.sqlite";
/// The file of the embedded store in a data folder.
pub(crate) const GAME: &str = "game.sqlite";

/// What the inbox, the store and the board of a game are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Two files, and a board in the process.
    Embedded,
    /// An SQS queue, a PostgreSQL database and a Redis database.
    Services,
}

impl Stack {
    /// The visibility of [`Place::quick`], in milliseconds.
    pub(crate) fn quick_ms(self) -> u32 {
        match self {
            Self::Embedded => 1_000,
            Self::Services => 3_000,
        }
    }
}

/// The place of one game: a folder for its files and logs, and, with [`Stack::Services`], a queue and databases that
/// no other game has.
pub(crate) struct Place {
    stack: Stack,
    folder: PathBuf,
    visibility_ms: Option<u32>,
    migrated: OnceCell<()>,
    /// Removed with this; `None`: the folder is somebody else's.
    _own: Option<TempDir>,
}

impl Place {
    /// A new place.
    pub(crate) async fn new(stack: Stack) -> Self {
        let own = tempfile::tempdir().unwrap();
        assert!(stack == Stack::Embedded, "services are not there yet");
        let mut place = Self { stack, ..Self::files_in(own.path()) };
        place._own = Some(own);
        place
    }

    /// A new place at which others soon take over what a process that died has held.
    pub(crate) async fn quick(stack: Stack) -> Self {
        Self { visibility_ms: Some(stack.quick_ms()), ..Self::new(stack).await }
    }

    /// A place for embedded files in this folder, which need not exist and is not removed.
    pub(crate) fn files_in(folder: &Path) -> Self {
        Self {
            stack: Stack::Embedded,
            folder: folder.to_owned(),
            visibility_ms: None,
            migrated: OnceCell::new(),
            _own: None,
        }
    }

    /// What it is made of.
    pub(crate) fn stack(&self) -> Stack {
        self.stack
    }

    /// The folder of the files and the logs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The environment that tells a command of the binary where its game is.
    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let mut all = vec![("BUTTONPARTY_DATA", self.folder.display().to_string())];
        if let Some(visibility_ms) = self.visibility_ms {
            all.push(("BUTTONPARTY_VISIBILITY_MS", visibility_ms.to_string()));
        }
        all
    }

    /// Sets the store up where a role does not do so by itself: once, with the settings of whoever is the first.
    pub(crate) async fn prepare(&self, role: &str, settings: &[(&str, &str)]) {
        let migrate = || async {
            if self.stack == Stack::Services && !["all", "dev"].contains(&role) {
                let output = run(self, &["migrate"], settings).await;
                assert!(output.status.success(), "{output:?}");
            }
        };
        self.migrated.get_or_init(migrate).await;
    }

    /// The inbox, opened beside the processes that use it.
    pub(crate) async fn inbox(&self) -> Queue {
        let clock = Clock::System.as_fn();
        Queue::open_sqlite(&self.folder.join(INBOX), queue::Options::default(), clock).await.unwrap()
    }

    /// The store.
    pub(crate) fn store(&self) -> Store {
        Store::sqlite(&self.folder.join(GAME), store::Options::default())
    }
}
