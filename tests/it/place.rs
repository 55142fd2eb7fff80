//! Inbox, store and board of a game, so that a test can run on either stack.

mod inside;
mod services;

use std::path::{Path, PathBuf};

use deadpool_redis::redis;
use engine::clock::Clock;
use queue::Queue;
use servers::postgres::Server;
use servers::sqs::{self, Made};
use store::Store;
use tempfile::TempDir;
use tokio::sync::OnceCell;

pub(crate) use self::inside::{Applied, add, assert_intact, open};
use self::services::{Lines, Services};
use crate::support::run;

/// The file of the embedded inbox in a data folder.
pub(crate) const INBOX: &str = "inbox.sqlite";
/// The file of the embedded store in a data folder.
pub(crate) const GAME: &str = "game.sqlite";

/// Suffixes of the files that SQLite keeps for a database in use.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];
/// How long the partitions of a dead handler stay locked with [`Stack::Services`], in milliseconds: shorter than the
/// default, so that tests need not wait, but longer than any stall of a busy machine.
const SERVICES_VISIBILITY_MS: u32 = 3_000;

/// The servers or files of a game.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stack {
    /// Two files, and ranks in the process.
    Embedded,
    /// An SQS queue, a PostgreSQL database and a Redis database.
    Services,
}

impl Stack {
    /// The visibility of [`Place::quick`], in milliseconds.
    pub(crate) fn quick_ms(self) -> u32 {
        match self {
            Self::Embedded => 1_000,
            Self::Services => SERVICES_VISIBILITY_MS,
        }
    }
}

/// An inbox that is not part of a place.
pub(crate) enum Inbox {
    /// Its file is in this folder.
    File(TempDir),
    /// It is this queue.
    Queue(Made),
}

/// The resources of one game: a folder for its files and logs and, with [`Stack::Services`], its own queue and
/// databases.
pub(crate) struct Place {
    /// `None` if everything is in files.
    services: Option<Services>,
    folder: PathBuf,
    visibility_ms: Option<u32>,
    migrated: OnceCell<()>,
    /// Removed on drop; `None` if the folder has another owner.
    _own: Option<TempDir>,
}

impl Place {
    /// A new place.
    pub(crate) async fn new(stack: Stack) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut place = Self::files_in(own.path());
        place._own = Some(own);
        if stack == Stack::Services {
            place = place.on(Services::new(sqs::server()).await);
        }
        place
    }

    /// A new place that accepts any character. The fast SQS server rejects characters beyond the basic plane, so
    /// services use the strict one.
    ///
    /// # Errors
    /// Why there is no strict server.
    pub(crate) async fn for_any_text(stack: Stack) -> Result<Self, String> {
        let place = Self::new(Stack::Embedded).await;
        match stack {
            Stack::Embedded => Ok(place),
            Stack::Services => Ok(place.on(Services::new(sqs::strict()?).await)),
        }
    }

    fn on(mut self, services: Services) -> Self {
        self.services = Some(services);
        self.visibility_ms = Some(SERVICES_VISIBILITY_MS);
        self
    }

    /// A new place with proxies that can cut its processes off from their servers.
    pub(crate) async fn cuttable(stack: Stack) -> Self {
        let mut place = Self::new(stack).await;
        if let Some(services) = place.services.take() {
            place.services = Some(services.cuttable().await);
        }
        place
    }

    /// A new place whose servers may fail: it has its own PostgreSQL server, and proxies to the other two. `None` means
    /// the default visibility.
    pub(crate) async fn breakable(visibility_ms: Option<u32>) -> Self {
        let own = tempfile::tempdir().unwrap();
        let mut place = Self::files_in(own.path());
        place._own = Some(own);
        place.services = Some(Services::breakable().await);
        place.visibility_ms = visibility_ms;
        place
    }

    /// A new place with a short visibility: the partitions of a dead process are soon taken over.
    pub(crate) async fn quick(stack: Stack) -> Self {
        Self { visibility_ms: Some(stack.quick_ms()), ..Self::new(stack).await }
    }

    /// A place for embedded files in this folder, which need not exist and is not removed.
    pub(crate) fn files_in(folder: &Path) -> Self {
        Self {
            services: None,
            folder: folder.to_owned(),
            visibility_ms: None,
            migrated: OnceCell::new(),
            _own: None,
        }
    }

    /// The stack of this place.
    pub(crate) fn stack(&self) -> Stack {
        if self.services.is_some() { Stack::Services } else { Stack::Embedded }
    }

    /// The proxies of a place that is [`cuttable`](Self::cuttable).
    pub(crate) fn lines(&self) -> &Lines {
        self.services().lines()
    }

    /// The PostgreSQL server of a place that is [`breakable`](Self::breakable).
    pub(crate) fn store_server(&self) -> &Server {
        self.services().own_server.as_ref().expect("other places use it too")
    }

    /// The store of [`Stack::Services`], as its owner.
    pub(crate) fn store_url(&self) -> String {
        self.services().database.url()
    }

    /// The store of [`Stack::Services`], with the login of this role.
    pub(crate) fn store_url_as(&self, role: &str, password: &str) -> String {
        self.services().database.url_as(role, password)
    }

    /// Empties the Redis database of [`Stack::Services`], like a failover to an empty server.
    pub(crate) async fn flush_board(&self) {
        let client = redis::Client::open(self.services().board_url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        redis::cmd("FLUSHDB").exec_async(&mut connection).await.unwrap();
    }

    fn services(&self) -> &Services {
        self.services.as_ref().expect("this is about servers")
    }

    /// The folder of files and logs.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The environment that points a command of the binary, such as `ingest`, to this place.
    pub(crate) fn environment(&self, command: &str) -> Vec<(&'static str, String)> {
        let mut all = vec![("BUTTONPARTY_DATA", self.folder.display().to_string())];
        if let Some(visibility_ms) = self.visibility_ms {
            all.push(("BUTTONPARTY_VISIBILITY_MS", visibility_ms.to_string()));
        }
        if let Some(services) = &self.services {
            // One partition, as with files, unless a test says otherwise.
            all.push(("BUTTONPARTY_PARTITIONS", "1".to_owned()));
            all.push(("BUTTONPARTY_ROUND_LEAD_MS", "100".to_owned()));
            all.extend(services.environment(command, self.migrated.initialized()));
        }
        all
    }

    /// Migrates the store, once, unless the role does so itself; uses the settings of the first caller.
    pub(crate) async fn prepare(&self, role: &str, settings: &[(&str, &str)]) {
        if self.services.is_none() || ["all", "dev"].contains(&role) {
            return;
        }
        let migrate = || async {
            let output = run(self, &["migrate"], settings).await;
            assert!(output.status.success(), "{output:?}");
        };
        self.migrated.get_or_init(migrate).await;
    }

    /// Another handle of the inbox.
    pub(crate) async fn inbox(&self) -> Queue {
        let clock = Clock::System.as_fn();
        let options = queue::Options::default();
        let opened = match &self.services {
            None => Queue::open_sqlite(&self.folder.join(INBOX), options, clock).await,
            Some(services) => Queue::open_sqs(&services.queue(), options, clock).await,
        };
        opened.unwrap()
    }

    /// Replaces the inbox, with a new one if `other` is `None`; returns the previous one.
    pub(crate) async fn change_inbox(&mut self, other: Option<Inbox>) -> Inbox {
        match (&mut self.services, other) {
            (Some(services), None) => Inbox::Queue(services.change_queue(None).await),
            (Some(services), Some(Inbox::Queue(other))) => {
                Inbox::Queue(services.change_queue(Some(other)).await)
            }
            (None, other) => {
                let aside = tempfile::tempdir().unwrap();
                carry(INBOX, &self.folder, aside.path());
                if let Some(Inbox::File(other)) = other {
                    carry(INBOX, other.path(), &self.folder);
                }
                Inbox::File(aside)
            }
            (Some(_), Some(Inbox::File(_))) => panic!("that is an inbox of the other stack"),
        }
    }

    /// The store.
    pub(crate) fn store(&self) -> Store {
        let options = store::Options::default();
        match &self.services {
            None => Store::sqlite(&self.folder.join(GAME), options),
            Some(services) => Store::postgres(&services.database.url(), options).unwrap(),
        }
    }
}

/// Moves a database file with its companions to another folder; replaces files there.
pub(crate) fn carry(file: &str, from: &Path, to: &Path) {
    for companion in COMPANIONS {
        let (from, to) = (from.join(format!("{file}{companion}")), to.join(format!("{file}{companion}")));
        let _ = std::fs::remove_file(&to);
        if from.exists() {
            std::fs::rename(from, to).unwrap();
        }
    }
}
