//! Another number of partitions: what must be so before, and what both backends compute.

use game::partition_of;

use crate::columns::Columns;
use crate::{Error, Identity};

/// Players or devices that are read and moved at a time.
pub(crate) const ROWS_AT_ONCE: u16 = 4_096;

/// What [`applied_through_ms`] judges.
pub(crate) const DRAINED: &str = "SELECT
    (SELECT count(*) FROM outbox WHERE done_at_ms IS NULL),
    (SELECT count(*) FROM rounds),
    (SELECT count(*) FROM (SELECT DISTINCT id, opens_at_ms, window_ms, grace_ms FROM rounds) AS known),
    count(*), min(applied_through_ms) FROM partitions";

/// Up to when all partitions have applied everything that arrived, from the row of [`DRAINED`].
pub(crate) fn applied_through_ms(columns: &mut Columns<'_>) -> Result<i64, Error> {
    let not_drained = |reason| Err(Error::NotDrained { reason });
    let pushes = columns.u64()?;
    if pushes > 0 {
        return not_drained(format!("{pushes} pushes are pending"));
    }
    // No partition knows a round twice: there are so many only if each knows all of them.
    let (rounds, known, partitions) = (columns.u64()?, columns.u64()?, columns.u64()?);
    if rounds != known * partitions {
        return not_drained("the partitions do not know the same rounds".to_owned());
    }
    columns.int()
}

/// The generation that begins with so many partitions.
pub(crate) fn next(known: &Identity, inbox_id: &str, partitions: u16) -> Result<Identity, Error> {
    if known.partitions == partitions {
        return Err(Error::SamePartitions { partitions });
    }
    let next = Identity { inbox: known.inbox + 1, inbox_id: inbox_id.to_owned(), partitions };
    known.clone().matching(inbox_id, known.partitions)?;
    Ok(next)
}

/// Where a player belongs, if that is not `here`.
pub(crate) fn elsewhere(username: &str, here: u16, partitions: u16) -> Option<u16> {
    Some(partition_of(username, partitions)).filter(|partition| *partition != here)
}
