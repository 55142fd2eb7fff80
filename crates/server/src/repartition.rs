//! `repartition`: changes the number of partitions of a stopped game without pending messages.

use ledger::Ledger;
use queue::Queue;
use store::Identity;

/// Why the number of partitions was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RepartitionError {
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// The store failed, or has work that is still pending.
    #[error("the store cannot be changed")]
    Store(#[from] store::Error),
    /// Messages of the old number of partitions are pending.
    #[error(
        "the inbox is not empty: run only the handler, with the old number of partitions, until everything is applied; \
         then stop it"
    )]
    NotEmpty,
}

/// Changes the number of partitions, in one transaction of the store. No process of the game may run: one that still
/// counts with the old number is refused afterwards, but messages that it has sent stop every handler.
///
/// # Errors
/// [`RepartitionError`]; nothing has changed then.
pub async fn repartition(
    queue: &Queue,
    ledger: &Ledger,
    partitions: u16,
    now_ms: i64,
) -> Result<Identity, RepartitionError> {
    // All messages up to this sequence must be gone, and later ones come behind it, so that an older copy of the
    // inbox is still detected. If the backend cannot tell, positions begin at 0.
    let given = queue.highest_sequence().await?;
    if !queue.is_empty().await? {
        return Err(RepartitionError::NotEmpty);
    }
    let sequence = given.map_or(0, |sequence| sequence.0);
    Ok(store::repartition(ledger, queue.inbox_id(), partitions, sequence, now_ms).await?)
}
