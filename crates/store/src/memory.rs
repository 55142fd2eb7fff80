//! What a writer remembers of each partition, so that it need not be read again for each batch.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use game::Rounds;

use crate::Position;
use crate::board::Board;

/// What is remembered of a partition: true as long as the partition stands where it did.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) position: Position,
    pub(crate) rounds: Arc<Rounds>,
    /// `None` until a player changes.
    pub(crate) board: Option<Board>,
}

/// The memories of all partitions.
#[derive(Debug, Default)]
pub(crate) struct Memories(Mutex<HashMap<u16, Memory>>);

impl Memories {
    /// Takes out what is remembered of a partition. Who ends well puts it back; after an error, or when the future is
    /// dropped, it stays forgotten.
    pub(crate) fn recall(&self, partition: u16, position: Position) -> Option<Memory> {
        self.lock().remove(&partition).filter(|memory| memory.position == position)
    }

    pub(crate) fn remember(&self, partition: u16, memory: Memory) {
        self.lock().insert(partition, memory);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u16, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner) // no code that can panic runs under the lock
    }
}
