//! Opens the inbox, the store and the ranks of the configuration, and checks that they belong together.

use std::path::Path;
use std::time::Duration;

use engine::clock::{Clock, system_rng};
use ledger::Ledger;
use queue::Queue;
use rand::RngExt as _;
use ranks::Ranks;
use store::{Reader, Store};

use super::{NodeError, make_folder};
use crate::bounds::{IDLE_MS_MAX, POSTGRES_READERS, STATEMENT_MS_MAX};
use crate::config::{BoardAddress, Config, QueueAddress, Role, StoreAddress};

/// Opens the inbox of the configuration. A missing file is created; a missing queue is not.
///
/// # Errors
/// Errors of the data folder and of the inbox.
pub async fn open_queue(config: &Config, clock: &Clock) -> Result<Queue, NodeError> {
    let options = queue::Options {
        visibility_ms: config.inbox.visibility_ms,
        file_bytes_max: config.inbox.file_bytes_max,
        ..queue::Options::default()
    };
    let opened = match &config.inbox.address {
        QueueAddress::File(path) => {
            make_folder_of(path).await?;
            Queue::open_sqlite(path, options, clock.as_fn()).await
        }
        QueueAddress::Sqs(url) => {
            let service = queue::Service { queue_url: url.clone(), ..queue::Service::default() };
            Queue::open_sqs(&service, options, clock.as_fn()).await
        }
    };
    opened.map_err(|source| NodeError::OpenInbox { place: config.inbox.address.to_string(), source })
}

/// Opens the inbox of the configuration. A file must exist.
///
/// # Errors
/// Like [`open_queue`], and [`NodeError::Missing`].
pub async fn open_existing_queue(config: &Config, clock: &Clock) -> Result<Queue, NodeError> {
    if let QueueAddress::File(path) = &config.inbox.address {
        existing("inbox", path)?;
    }
    open_queue(config, clock).await
}

/// The store of the configuration, without connecting to it.
///
/// # Errors
/// [`NodeError::OpenStore`] for an invalid address.
pub(super) fn store_at(config: &Config) -> Result<Store, NodeError> {
    // A stalled handler must lose its locks before its partition's visibility ends and another handler takes over.
    let below_visibility =
        |ms_max: u64| ms_max.min(u64::try_from(config.inbox.visibility_ms / 2).unwrap_or(ms_max));
    let options = store::Options {
        statement_ms_max: below_visibility(STATEMENT_MS_MAX),
        idle_in_transaction_ms_max: below_visibility(IDLE_MS_MAX),
        ..store::Options::default()
    };
    match &config.store.address {
        StoreAddress::File(path) => Ok(Store::sqlite(path, options)),
        StoreAddress::Postgres(url) => {
            let options = store::Options { readers: POSTGRES_READERS, ..options };
            Store::postgres(url, options).map_err(|source| cannot_open_store(config, source))
        }
    }
}

/// Migrates the store of the configuration. A missing file is created.
///
/// # Errors
/// Errors of the data folder and of the store.
pub async fn migrated_store(config: &Config) -> Result<Store, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        make_folder_of(path).await?;
    }
    let store = store_at(config)?;
    store.migrate().await.map_err(|source| cannot_open_store(config, source))?;
    Ok(store)
}

/// Opens the store of the configuration for reading. A file must exist.
///
/// # Errors
/// [`NodeError::Missing`] without a file, [`NodeError::OpenStore`] for another version's schema.
pub async fn open_existing_reader(config: &Config) -> Result<Reader, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        existing("store", path)?;
    }
    open_reader(config, &store_at(config)?).await
}

/// Opens the store of the configuration for writing. A file must exist.
///
/// # Errors
/// Like [`open_existing_reader`].
pub async fn open_existing_ledger(config: &Config) -> Result<Ledger, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        existing("store", path)?;
    }
    store_at(config)?.ledger().await.map_err(|source| cannot_open_store(config, source))
}

pub(super) async fn open_reader(config: &Config, store: &Store) -> Result<Reader, NodeError> {
    store.reader().await.map_err(|source| cannot_open_store(config, source))
}

/// Fails if the files of inbox or store do not exist. A tool must not create them.
///
/// # Errors
/// [`NodeError::Missing`].
pub(crate) fn must_exist(config: &Config) -> Result<(), NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        existing("store", path)?;
    }
    match &config.inbox.address {
        QueueAddress::File(path) => existing("inbox", path),
        QueueAddress::Sqs(_) => Ok(()),
    }
}

/// The file to lock for the processes of a game on this machine: the inbox, since every store belongs to one inbox, or
/// the store where the inbox is a service.
pub(super) fn shared_file(config: &Config) -> Option<&Path> {
    match (&config.inbox.address, &config.store.address) {
        (QueueAddress::File(path), _) | (_, StoreAddress::File(path)) => Some(path),
        _ => None,
    }
}

fn existing(what: &'static str, file: &Path) -> Result<(), NodeError> {
    let missing = |source| NodeError::Missing { what, file: file.display().to_string(), source };
    std::fs::metadata(file).map(drop).map_err(missing)
}

async fn make_folder_of(file: &Path) -> Result<(), NodeError> {
    match file.parent() {
        Some(folder) => make_folder(folder).await,
        None => Ok(()),
    }
}

fn cannot_open_store(config: &Config, source: store::Error) -> NodeError {
    NodeError::OpenStore { place: config.store.address.to_string(), source }
}

/// Whether this process migrates the store: if the store is a file, or if one process has every role. An operator
/// migrates a game of several processes.
pub(super) fn migrates(config: &Config) -> bool {
    config.store.address.is_embedded() || matches!(config.role, Role::Dev | Role::All)
}

/// Checks that inbox and store belong together, and returns the inbox's generation. For a new game it ties them
/// together.
///
/// # Errors
/// Those of the store, another inbox, or another number of partitions.
pub(super) async fn settle(
    config: &Config,
    ledger: &Ledger,
    queue: &Queue,
    clock: &Clock,
) -> Result<u32, NodeError> {
    let settled = ledger.settle_identity(queue.inbox_id(), config.inbox.partitions, clock.now_ms()).await;
    Ok(settled?.generation)
}

/// The identity of the game, if it has begun. Checks that its number of partitions is that of the configuration.
///
/// # Errors
/// A different number of partitions, or an error of the store.
pub(crate) async fn agreed(config: &Config, reader: &Reader) -> Result<Option<store::Identity>, NodeError> {
    let known = reader.identity().await?;
    match &known {
        Some(known) if known.partitions != config.inbox.partitions => {
            let found = config.inbox.partitions;
            Err(store::Error::OtherPartitions { known: known.partitions, found }.into())
        }
        _ => Ok(known),
    }
}

/// Checks that inbox and store belong together. A new game is an error.
///
/// # Errors
/// [`NodeError::Unsettled`] for a new game; as for [`agreed`]; another inbox.
pub(super) async fn belongs(config: &Config, reader: &Reader, queue: &Queue) -> Result<u32, NodeError> {
    let known = agreed(config, reader).await?.ok_or(NodeError::Unsettled)?;
    if known.inbox_id != queue.inbox_id() {
        let found = queue.inbox_id().to_owned();
        return Err(store::Error::OtherInbox { known: known.inbox_id, found }.into());
    }
    Ok(known.generation)
}

/// Checks that the inbox can be used and is not older than what the store has applied.
///
/// # Errors
/// [`NodeError::InboxOlder`], or an error of the store or of the inbox.
pub(crate) async fn check_age(reader: &Reader, queue: &Queue) -> Result<(), NodeError> {
    if let Some(given) = queue.highest_sequence().await? {
        // All positions are in the current inbox: adopting an inbox moves every partition.
        let positions = reader.positions().await?;
        let applied = positions.iter().map(|(_, position)| position.sequence).max().unwrap_or_default();
        if applied > given.0 {
            return Err(NodeError::InboxOlder { applied, given: given.0 });
        }
    }
    // SQLite opens a file without write permission for reading, without an error. A full inbox may start.
    match queue.check().await {
        Err(refused @ queue::Error::Refused { .. }) => Err(refused.into()),
        _ => Ok(()),
    }
}

/// The ranks of this process, if one of its roles uses them.
///
/// # Errors
/// [`NodeError::Ranks`] for an invalid address.
pub(super) fn open_ranks(config: &Config) -> Result<Option<Ranks>, NodeError> {
    let (applies, reads) = (config.role.has(Role::Handler), config.role.has(Role::Fetch));
    match &config.ranks.address {
        // The handler keeps the ranks; a process without it has none to read.
        BoardAddress::InProcess => Ok((applies && reads).then(|| Ranks::local(config.inbox.partitions))),
        BoardAddress::Redis(_) if !applies && !reads => Ok(None),
        BoardAddress::Redis(url) => {
            let wrong = |source| NodeError::Ranks { place: config.ranks.address.to_string(), source };
            let ranks = Ranks::redis(url, config.inbox.partitions).map_err(wrong)?;
            Ok(Some(ranks.rebuilding_as(system_rng().random())))
        }
    }
}

/// How long a receive waits. A look into a file is cheap; a request to SQS costs money.
pub(crate) fn receive_wait(config: &Config) -> Duration {
    let wait_ms = match &config.inbox.address {
        QueueAddress::File(_) => crate::bounds::RECEIVE_WAIT_MS,
        QueueAddress::Sqs(_) => crate::bounds::RECEIVE_WAIT_SQS_MS,
    };
    Duration::from_millis(wait_ms)
}
