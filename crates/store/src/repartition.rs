//! A repartition: the ledger begins the next generation, and the rows of each player move to the player's new
//! partition.

use game::partition_of;
use ledger::{Error, Identity, Ledger, Repartition};

use crate::columns::Columns;
use crate::session::each;
use crate::top;

/// The counts that [`check_drained`] compares.
pub(crate) const DRAINED: &str = "SELECT
    (SELECT count(*) FROM outbox WHERE done_at_ms IS NULL),
    (SELECT count(*) FROM rounds),
    (SELECT count(*) FROM (SELECT DISTINCT id, opens_at_ms, window_ms, grace_ms FROM rounds) AS known)";

/// Changes the number of partitions. A new generation of the same inbox begins, in which every partition is at
/// `sequence`: 0, or less than the sequence of any later message. The inbox must be empty, which the caller has
/// checked. All of it is one transaction, after which handlers with the old number are fenced off. Its time grows with
/// the number of players.
///
/// # Errors
/// [`Error::SamePartitions`], [`Error::NotDrained`] when pushes are pending or partitions do not know the same
/// rounds, [`Error::OtherInbox`]; [`Error::UnknownPartition`] when the game is not bound to an inbox yet;
/// [`Error::Denied`] for a role that does not own the database. After an error nothing has changed.
pub async fn repartition(
    ledger: &Ledger,
    inbox_id: &str,
    partitions: u16,
    sequence: u128,
    now_ms: i64,
) -> Result<Identity, Error> {
    let mut connection = ledger.acquire().await?;
    let dealt = async {
        let mut repartition = connection.repartition(inbox_id, partitions).await?;
        check_drained(&mut repartition).await?;
        repartition.begin(sequence, now_ms).await?;
        deal(&mut repartition).await?;
        repartition.end().await
    };
    let dealt = dealt.await;
    connection.release(dealt)
}

/// Checks that no push is pending and that all partitions know the same rounds.
async fn check_drained(repartition: &mut Repartition<'_>) -> Result<(), Error> {
    let not_drained = |reason| Err(Error::NotDrained { reason });
    let [pushes, rounds, distinct] = each!(repartition.session(), repartition::drained())?;
    if pushes > 0 {
        return not_drained(format!("{pushes} pushes are pending"));
    }
    // No partition knows a round twice, so this count is reached only if each knows all of them.
    if rounds != distinct * u64::from(repartition.known().partitions) {
        return not_drained("not every partition has every round yet".to_owned());
    }
    Ok(())
}

async fn deal(repartition: &mut Repartition<'_>) -> Result<(), Error> {
    let (known, next) = (repartition.known().partitions, repartition.next().partitions);
    each!(repartition.session(), repartition::deal_rounds(known, next))?;
    for partition in 0..known {
        each!(repartition.session(), repartition::deal_players(partition, next))?;
    }
    each!(repartition.session(), repartition::deal_devices(next))?;
    each!(repartition.session(), top::clear())?;
    for partition in 0..next {
        top::make(repartition.session(), partition).await?;
    }
    Ok(())
}

/// The counts in the row of [`DRAINED`].
pub(crate) fn counts(columns: &mut Columns<'_>) -> Result<[u64; 3], Error> {
    Ok([columns.u64()?, columns.u64()?, columns.u64()?])
}

/// The new partition of a player, if it is not `here`.
pub(crate) fn elsewhere(username: &str, here: u16, partitions: u16) -> Option<u16> {
    Some(partition_of(username, partitions)).filter(|partition| *partition != here)
}
