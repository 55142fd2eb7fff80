//! The identity of a game: its inbox and its number of partitions. A change of either begins a new generation.

use crate::connection::{Transaction, each};
use crate::{Connection, Error, Identity};

pub(crate) async fn settle(
    connection: &mut Connection,
    inbox_id: &str,
    partitions: u16,
    now_ms: i64,
) -> Result<Identity, Error> {
    let mut transaction = connection.begin_write().await?;
    if let Some(known) = each!(transaction.session(), identity())? {
        return known.matching(inbox_id, partitions);
    }
    // Of several processes, one inserts this row and the others wait here for its commit. An advisory lock would not
    // do: the handler's login may not take one.
    if !each!(transaction.session(), fix_partitions(partitions))?
        && let Some(known) = each!(transaction.session(), identity())?
    {
        return known.matching(inbox_id, partitions);
    }
    let settled = Identity { generation: 1, inbox_id: inbox_id.to_owned(), partitions };
    each!(transaction.session(), add_inbox(&settled, now_ms))?;
    each!(transaction.session(), add_partitions(&settled, 0, 0))?;
    transaction.commit().await?;
    Ok(settled)
}

pub(crate) async fn adopt(
    connection: &mut Connection,
    inbox_id: &str,
    now_ms: i64,
) -> Result<Identity, Error> {
    let mut transaction = connection.begin_alone().await?;
    let known = settled(&mut transaction).await?;
    if known.inbox_id == inbox_id {
        return Ok(known);
    }
    let adopted = Identity { generation: known.generation + 1, inbox_id: inbox_id.to_owned(), ..known };
    each!(transaction.session(), add_inbox(&adopted, now_ms))?;
    each!(transaction.session(), move_all(adopted.generation))?;
    transaction.commit().await?;
    Ok(adopted)
}

/// The current generation and the next one, with this number of partitions. Locks all positions.
pub(crate) async fn next(
    transaction: &mut Transaction<'_>,
    inbox_id: &str,
    partitions: u16,
) -> Result<(Identity, Identity), Error> {
    let known = settled(transaction).await?;
    if known.partitions == partitions {
        return Err(Error::SamePartitions { partitions });
    }
    let known = known.clone().matching(inbox_id, known.partitions)?;
    let next = Identity { generation: known.generation + 1, partitions, ..known.clone() };
    each!(transaction.session(), hold_positions())?;
    Ok((known, next))
}

/// Stores the number of partitions of both generations, and replaces the partitions by those of the next one.
pub(crate) async fn begin(
    transaction: &mut Transaction<'_>,
    known: &Identity,
    next: &Identity,
    sequence: u128,
    now_ms: i64,
) -> Result<(), Error> {
    let mark = each!(transaction.session(), least_mark())?;
    each!(transaction.session(), change_partitions(known, next))?;
    each!(transaction.session(), add_inbox(next, now_ms))?;
    each!(transaction.session(), remove_partitions())?;
    each!(transaction.session(), add_partitions(next, sequence, mark))
}

async fn settled(transaction: &mut Transaction<'_>) -> Result<Identity, Error> {
    each!(transaction.session(), identity())?.ok_or(Error::UnknownPartition { partition: 0 })
}
