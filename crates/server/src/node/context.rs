//! What the roles of a process share. Inbox and ledger are opened once, when the first role needs them.

use std::sync::Arc;

use engine::clock::Clock;
use ledger::Ledger;
use queue::Queue;
use ranks::Ranks;
use store::{Reader, Store};
use tokio::sync::{Notify, OnceCell};
use tokio_util::sync::CancellationToken;

use super::NodeError;
use super::open::{
    belongs, check_age, migrated_store, migrates, open_queue, open_ranks, open_reader, settle, store_at,
};
use crate::config::{Config, Role};

/// The shared parts of a process's roles.
pub(crate) struct Context {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// Cancelled when the process begins to stop.
    pub(crate) stop: CancellationToken,
    pub(crate) store: Store,
    pub(crate) reader: Reader,
    /// `None`: no role of the process uses ranks.
    pub(crate) ranks: Option<Arc<Ranks>>,
    /// Notified after each commit of this process.
    pub(crate) committed: Arc<Notify>,
    inbox: OnceCell<Inbox>,
    ledger: OnceCell<Ledger>,
}

/// An inbox that belongs to the store.
pub(crate) struct Inbox {
    pub(crate) queue: Queue,
    /// Its number among the inboxes that the store has had.
    pub(crate) generation: u32,
}

impl Context {
    /// Opens what every role needs: the store, which it migrates where this process may.
    ///
    /// # Errors
    /// Those of the store and of the ranks.
    pub(crate) async fn open(
        config: &Config,
        clock: &Clock,
        stop: &CancellationToken,
    ) -> Result<Self, NodeError> {
        let store = if migrates(config) { migrated_store(config).await? } else { store_at(config)? };
        Ok(Self {
            reader: open_reader(config, &store).await?,
            ranks: open_ranks(config)?.map(Arc::new),
            config: config.clone(),
            clock: clock.clone(),
            stop: stop.clone(),
            store,
            committed: Arc::new(Notify::new()),
            inbox: OnceCell::new(),
            ledger: OnceCell::new(),
        })
    }

    /// The inbox. It must belong to the store and not be older than what the store has applied.
    ///
    /// # Errors
    /// The inbox cannot be opened, belongs to another store, or is too old.
    pub(crate) async fn inbox(&self) -> Result<&Inbox, NodeError> {
        self.inbox.get_or_try_init(|| self.open_inbox()).await
    }

    async fn open_inbox(&self) -> Result<Inbox, NodeError> {
        let Self { config, clock, store, reader, .. } = self;
        let queue = open_queue(config, clock).await?;
        let generation = if config.role.has(Role::Handler) {
            settle(config, self.ledger().await?, &queue, clock).await?
        } else if migrates(config) {
            let ledger = store.ledger().await?;
            let generation = settle(config, &ledger, &queue, clock).await?;
            ledger.close().await;
            generation
        } else {
            belongs(config, reader, &queue).await?
        };
        check_age(reader, &queue).await?;
        Ok(Inbox { queue, generation })
    }

    /// The inbox, if a role has opened it.
    pub(super) fn opened_queue(&self) -> Option<Queue> {
        self.inbox.get().map(|inbox| inbox.queue.clone())
    }

    /// The handler's connections to the database.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) async fn ledger(&self) -> Result<&Ledger, NodeError> {
        Ok(self.ledger.get_or_try_init(|| self.store.ledger()).await?)
    }

    /// Closes inbox and reader.
    pub(crate) async fn close(&self) {
        close(self.opened_queue(), Some(self.reader.clone())).await;
    }
}

/// Closes inbox and reader. The roles close their own connections later: the last connection to a SQLite file moves its
/// write-ahead log into the file, which a reader would prevent.
pub(super) async fn close(queue: Option<Queue>, reader: Option<Reader>) {
    if let Some(queue) = queue {
        queue.close().await;
    }
    if let Some(reader) = reader {
        reader.close().await;
    }
}
