//! Opening the inbox, the store and the ranks that the configuration names, and whether they belong together.

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

/// Opens the inbox that the configuration names; a file is made if there is none, a queue is not.
///
/// # Errors
/// Those of the data folder and of the inbox.
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

/// Opens the inbox that the configuration names; a file must be there already.
///
/// # Errors
/// As for [`open_queue`], and [`NodeError::Missing`].
pub async fn open_existing_queue(config: &Config, clock: &Clock) -> Result<Queue, NodeError> {
    if let QueueAddress::File(path) = &config.inbox.address {
        existing("inbox", path)?;
    }
    open_queue(config, clock).await
}

/// The store that the configuration names, not touched yet.
///
/// # Errors
/// [`NodeError::OpenStore`] for an address that cannot be one.
pub(super) fn store_at(config: &Config) -> Result<Store, NodeError> {
    // What a handler that stands still holds must be free again before another one has its partition.
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

/// Brings the store that the configuration names up to date; a file is made if there is none.
///
/// # Errors
/// Those of the data folder and of the store.
pub async fn migrated_store(config: &Config) -> Result<Store, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        make_folder_of(path).await?;
    }
    let store = store_at(config)?;
    store.migrate().await.map_err(|source| cannot_open_store(config, source))?;
    Ok(store)
}

/// Opens the store that the configuration names for reading; a file must be there already.
///
/// # Errors
/// [`NodeError::Missing`] when there is none, [`NodeError::OpenStore`] when it is of another version.
pub async fn open_existing_reader(config: &Config) -> Result<Reader, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        existing("store", path)?;
    }
    open_reader(config, &store_at(config)?).await
}

/// Opens the store that the configuration names for writing; a file must be there already.
///
/// # Errors
/// As for [`open_existing_reader`].
pub async fn open_existing_ledger(config: &Config) -> Result<Ledger, NodeError> {
    if let StoreAddress::File(path) = &config.store.address {
        existing("store", path)?;
    }
    store_at(config)?.ledger().await.map_err(|source| cannot_open_store(config, source))
}

pub(super) async fn open_reader(config: &Config, store: &Store) -> Result<Reader, NodeError> {
    store.reader().await.map_err(|source| cannot_open_store(config, source))
}

/// Says that there is no game where a tool is to find one.
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

/// The file that stands for all that processes of a game share on this machine: the inbox, as every store belongs to one
/// inbox; the store where the inbox is elsewhere.
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

/// Whether this process brings the store up to date by itself: where it is a file, or where one process is the game.
/// A game of several processes is migrated by its operator.
pub(super) fn migrates(config: &Config) -> bool {
    config.store.address.is_embedded() || matches!(config.role, Role::Dev | Role::All)
}

/// Makes sure that inbox and store belong together, and returns the inbox's generation. The first process that may
/// decides it for a new game.
///
/// # Errors
/// Those of the store and of the inbox, and what does not fit.
pub(super) async fn settle(
    config: &Config,
    ledger: &Ledger,
    queue: &Queue,
    clock: &Clock,
) -> Result<u32, NodeError> {
    let settled = ledger.settle_identity(queue.inbox_id(), config.inbox.partitions, clock.now_ms()).await;
    Ok(settled?.generation)
}

/// Makes sure that the game, if one has begun, has as many partitions as the configuration says; returns what it
/// belongs to.
///
/// # Errors
/// Another number of partitions; those of the store.
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

/// Makes sure that inbox and store belong together, without deciding anything.
///
/// # Errors
/// [`NodeError::Unsettled`] as long as nobody has decided; as for [`agreed`]; another inbox.
pub(super) async fn belongs(config: &Config, reader: &Reader, queue: &Queue) -> Result<u32, NodeError> {
    let known = agreed(config, reader).await?.ok_or(NodeError::Unsettled)?;
    if known.inbox_id != queue.inbox_id() {
        let found = queue.inbox_id().to_owned();
        return Err(store::Error::OtherInbox { known: known.inbox_id, found }.into());
    }
    Ok(known.generation)
}

/// Makes sure that the inbox is not older than what was applied from it, and can be used.
///
/// # Errors
/// [`NodeError::InboxOlder`]; those of the store and of the inbox.
pub(crate) async fn check_age(reader: &Reader, queue: &Queue) -> Result<(), NodeError> {
    if let Some(given) = queue.highest_sequence().await? {
        // Every partition stands in the current inbox: adopting one moves all.
        let positions = reader.positions().await?;
        let applied = positions.iter().map(|(_, position)| position.sequence).max().unwrap_or_default();
        if applied > given.0 {
            return Err(NodeError::InboxOlder { applied, given: given.0 });
        }
    }
    // A file that may not be written is opened for reading without a word. One that is full may start all the same.
    match queue.check().await {
        Err(refused @ queue::Error::Refused { .. }) => Err(refused.into()),
        _ => Ok(()),
    }
}

/// The ranks of this process, if its role has to do with them.
///
/// # Errors
/// [`NodeError::Ranks`] for an address that cannot be one.
pub(super) fn open_ranks(config: &Config) -> Result<Option<Ranks>, NodeError> {
    let (applies, reads) = (config.role.has(Role::Handler), config.role.has(Role::Fetch));
    match &config.ranks.address {
        // Ranks are kept where presses are applied; a process that only reads has none.
        BoardAddress::InProcess => Ok((applies && reads).then(|| Ranks::local(config.inbox.partitions))),
        BoardAddress::Redis(_) if !applies && !reads => Ok(None),
        BoardAddress::Redis(url) => {
            let wrong = |source| NodeError::Ranks { place: config.ranks.address.to_string(), source };
            let ranks = Ranks::redis(url, config.inbox.partitions).map_err(wrong)?;
            Ok(Some(ranks.rebuilding_as(system_rng().random())))
        }
    }
}

/// How long a receive waits: a file is cheap to ask, a request to SQS costs money.
pub(crate) fn receive_wait(config: &Config) -> Duration {
    let wait_ms = match &config.inbox.address {
        QueueAddress::File(_) => crate::bounds::RECEIVE_WAIT_MS,
        QueueAddress::Sqs(_) => crate::bounds::RECEIVE_WAIT_SQS_MS,
    };
    Duration::from_millis(wait_ms)
}
