//! `repartition`: another number of partitions, for a game that stands still and has nothing left to do.

use ledger::Ledger;
use queue::Queue;
use store::Identity;

/// Why the number of partitions was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RepartitionError {
    /// The inbox.
    #[error("the inbox failed")]
    Queue(#[from] queue::Error),
    /// The store, or what it says is still to be done.
    #[error("the store cannot be changed")]
    Store(#[from] store::Error),
    /// Messages that count with the old number.
    #[error(
        "the inbox is not empty: start the game as it is, without whatever takes commands or opens rounds, until \
         everything is applied; then stop it"
    )]
    NotEmpty,
}

/// Gives the game another number of partitions, in one step of the store. Nothing of it runs: what still counts with
/// the old number is refused afterwards, but what it has sent to the inbox by then stops every handler.
///
/// # Errors
/// [`RepartitionError`]; nothing has changed then.
pub async fn repartition(
    queue: &Queue,
    ledger: &Ledger,
    partitions: u16,
    now_ms: i64,
) -> Result<Identity, RepartitionError> {
    // Everything up to here must be gone, and everything later comes behind it: so an older copy of the inbox is still
    // found out. Where that cannot be told, positions begin with nothing.
    let given = queue.highest_sequence().await?;
    if !queue.is_empty().await? {
        return Err(RepartitionError::NotEmpty);
    }
    let sequence = given.map_or(0, |sequence| sequence.0);
    Ok(store::repartition(ledger, queue.inbox_id(), partitions, sequence, now_ms).await?)
}
