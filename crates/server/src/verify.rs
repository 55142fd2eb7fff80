//! `verify`: replays the journal through the same rules into empty worlds, and compares what comes out with what the
//! store holds, row by row. It reads one moment of the store, so that the game can go on meanwhile. Generation by
//! generation: where the number of partitions changed, the worlds are dealt anew as the store was.

use engine::Envelope;
use engine::handler::{WHOLE, decode};
use game::World;
use store::{Audit, Difference, Identity, JournalEntry, Position, Reader, State, TableDigest};

use crate::button::{Button, apply};

/// Messages of the journal that are read at a time.
const PAGE_ROWS: u32 = 256;
/// Differences that are reported of each table.
const DIFFERENCES_MAX: usize = 10;

/// Why the comparison could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The store.
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// No game has begun in this store.
    #[error("no game has begun here")]
    NoGame,
    /// The journal holds something that was never applied.
    #[error("the journal of partition {partition} cannot be replayed at {sequence}: {reason}")]
    Journal {
        /// The partition.
        partition: u16,
        /// The message.
        sequence: u128,
        /// What is wrong.
        reason: String,
    },
}

/// What the comparison found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// Each table that follows from the journal.
    pub tables: Vec<TableReport>,
    /// Rows in which store and journal differ, at most ten of each table: `this` is what is stored, `other` what the
    /// journal leads to.
    pub differences: Vec<Difference>,
    /// Messages that were replayed.
    pub messages: usize,
}

/// One table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableReport {
    /// The rows that are stored: their number and their hash.
    pub stored: TableDigest,
    /// Whether the journal leads to the same rows.
    pub is_equal: bool,
}

impl VerifyReport {
    /// Whether the store holds what its journal leads to.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Replays and compares.
///
/// # Errors
/// [`VerifyError`] when the comparison could not be made.
pub async fn verify(reader: &Reader) -> Result<VerifyReport, VerifyError> {
    let mut audit = reader.audit().await?;
    let generations = audit.generations().await?;
    if generations.is_empty() {
        return Err(VerifyError::NoGame);
    }
    let button = Button::offline();
    let mut worlds = Vec::new();
    let mut messages = 0;
    for generation in &generations {
        if worlds.len() != usize::from(generation.partitions) {
            worlds = World::repartition(worlds, generation.partitions);
        }
        for (partition, world) in (0..).zip(&mut worlds) {
            messages += replay(&button, &mut audit, partition, generation, world).await?;
        }
    }
    let mut replayed = State::default();
    for (partition, world) in (0..).zip(worlds) {
        replayed.add_world(partition, &world);
    }
    let stored = audit.state().await?;
    let digests = stored.digests().into_iter().zip(replayed.digests());
    let tables = digests.map(|(stored, replayed)| TableReport { stored, is_equal: stored == replayed });
    Ok(VerifyReport {
        tables: tables.collect(),
        differences: stored.differences(&replayed, DIFFERENCES_MAX),
        messages,
    })
}

/// Applies what a partition was told in one generation, and returns how many messages that were.
async fn replay(
    button: &Button,
    audit: &mut Audit,
    partition: u16,
    generation: &Identity,
    world: &mut World,
) -> Result<usize, VerifyError> {
    let mut after = Position { generation: generation.generation, sequence: 0 };
    let mut messages = 0;
    loop {
        let mut page = audit.journal(partition, after, PAGE_ROWS).await?;
        page.retain(|entry| entry.position.generation == generation.generation);
        let Some(last) = page.last() else { return Ok(messages) };
        after = last.position;
        messages += page.len();
        for entry in &page {
            replay_message(button, world, (partition, generation.partitions), entry).map_err(|reason| {
                VerifyError::Journal { partition, sequence: entry.position.sequence, reason }
            })?;
        }
    }
}

fn replay_message(
    button: &Button,
    world: &mut World,
    place: (u16, u16),
    message: &JournalEntry,
) -> Result<(), String> {
    if message.buried.contains(&WHOLE) {
        return Ok(());
    }
    let envelope = Envelope::decode(&message.body).map_err(|error| error.to_string())?;
    for (index, text) in (0..).zip(envelope.raw_entries()) {
        if message.buried.contains(&index) {
            continue;
        }
        let arrived = decode(button, place, message.stored_at_ms, &envelope.id, index, text)
            .map_err(|refusal| refusal.to_string())?;
        apply(world, &arrived).map_err(|fault| fault.to_string())?;
    }
    Ok(())
}
