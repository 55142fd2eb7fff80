//! A batch of the game: its reads in the ledger's snapshot, its writes in the ledger's transaction, and what a handler
//! caches of each partition from one batch to the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use game::{PurchaseId, Rounds, Username, World};
use ledger::{Error, Position, Read, Span, Write};

use crate::OutboxRow;
use crate::session::each;
use crate::top::{self, PartitionTop};

/// The data of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The players, purchases and rounds that the batch needs, as far as they exist, with all changes to them.
    pub world: World,
    /// The top of the partition; `None` until a player changes.
    top: Option<PartitionTop>,
}

/// The cached part of a partition, valid at this position only.
#[derive(Debug)]
struct Remembered {
    position: Position,
    rounds: Arc<Rounds>,
    top: Option<PartitionTop>,
}

/// The handler's cache of rounds and tops, by partition, so that they are not read for each batch. A batch takes its
/// entry out when it is loaded, and only a commit puts it back: after anything else the entry is gone.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<u16, Remembered>>);

impl Memory {
    /// Reads the players and purchases that a batch names, with the partition's rounds.
    ///
    /// # Errors
    /// Whatever the database says.
    pub async fn load(
        &self,
        read: &mut Read<'_>,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Batch, Error> {
        let partition = read.partition();
        let (rounds, top) = match self.take(partition, read.position()) {
            Some(Remembered { rounds, top, .. }) => (rounds, top),
            None => (Arc::new(each!(read.session(), load::rounds(partition))?), None),
        };
        let players = each!(read.session(), load::players(partition, usernames))?;
        let purchases = each!(read.session(), load::purchases(partition, purchases))?;
        let applied_through_ms = read.mark();
        Ok(Batch { world: World { rounds, applied_through_ms, players, purchases, ..World::default() }, top })
    }

    /// Caches the result of a committed batch.
    pub fn keep(&self, span: Span, batch: Batch) {
        let remembered = Remembered { position: span.to, rounds: batch.world.rounds, top: batch.top };
        self.lock().insert(span.partition, remembered);
    }

    fn take(&self, partition: u16, position: Position) -> Option<Remembered> {
        self.lock().remove(&partition).filter(|remembered| remembered.position == position)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // no code that can panic runs under the lock
    }
}

/// Writes the changes of a batch and its pushes.
///
/// # Errors
/// Whatever the database says.
pub async fn save(write: &mut Write<'_>, batch: &mut Batch, outbox: &[OutboxRow]) -> Result<(), Error> {
    let partition = write.span().partition;
    let world = &batch.world;
    each!(write.session(), save::save(partition, world, outbox))?;
    let top = batch.top.take();
    batch.top = top::update(write.session(), partition, top, world).await?;
    Ok(())
}
