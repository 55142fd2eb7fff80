//! `verify`: replays the journal through the rules into empty worlds, and compares the result with the store row by
//! row. It reads one snapshot of the store, so the game may keep running. Where the number of partitions changed
//! between generations, the worlds are repartitioned as the store was.

use engine::Envelope;
use engine::handler::{Buried, decode};
use game::World;
use store::{Audit, Difference, Identity, JournalEntry, Position, Reader, State, TableDigest};

use crate::button::{Button, apply};

/// Messages of the journal in one page.
const PAGE_ROWS: u32 = 256;
/// Maximum number of reported differences of each table.
const DIFFERENCES_MAX: usize = 10;

/// Why the comparison failed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the store failed")]
    Store(#[from] store::Error),
    /// The store has no game.
    #[error("the store has no game yet")]
    NoGame,
    /// The journal has a message that cannot be replayed.
    #[error("the journal of partition {partition} cannot be replayed at {sequence}: {reason}")]
    Journal { partition: u16, sequence: u128, reason: String },
}

/// The result of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyReport {
    /// The tables that the journal determines.
    pub tables: Vec<TableReport>,
    /// Rows that differ, at most ten of each table: `this` is stored, `other` is replayed.
    pub differences: Vec<Difference>,
    /// Number of messages replayed.
    pub messages: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableReport {
    /// The stored rows: their number and their hash.
    pub stored: TableDigest,
    /// Whether the replayed rows are the same.
    pub is_equal: bool,
}

impl VerifyReport {
    /// Whether the store equals its replayed journal.
    pub fn is_equal(&self) -> bool {
        self.differences.is_empty()
    }
}

/// Replays and compares.
///
/// # Errors
/// [`VerifyError`] if the comparison failed.
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

/// Replays one generation of a partition, and returns the number of messages.
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
    let buried = Buried::from_journal(&message.buried);
    if buried == Buried::Whole {
        return Ok(());
    }
    let envelope = Envelope::decode(&message.body).map_err(|error| error.to_string())?;
    for (index, text) in (0..).zip(envelope.raw_entries()) {
        if buried.contains(index) {
            continue;
        }
        let arrived = decode(button, place, message.stored_at_ms, &envelope.id, index, text)
            .map_err(|refusal| refusal.to_string())?;
        apply(world, &arrived).map_err(|fault| fault.to_string())?;
    }
    Ok(())
}
