//! `verify`: replays the journal through the same rules into empty worlds, and compares what comes out with what the
//! store holds, row by row. It reads one moment of the store, so that the game can go on meanwhile. Generation by
//! generation: where the number of partitions changed, the worlds are dealt anew as the store was.

use std::io::Write;

use game::World;
use store::{Audit, Identity, JournalEntry, Position, Reader, State};

use crate::button::decode_command;
use crate::writer::WHOLE;

/// Messages of the journal that are read at a time.
const PAGE_ROWS: u32 = 256;
/// Differences that are shown of each table.
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
    /// Nowhere to write to.
    #[error("cannot write the result")]
    Write(#[from] std::io::Error),
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

/// Replays and compares; writes what it finds, and returns whether everything is equal.
///
/// # Errors
/// [`VerifyError`] when the comparison could not be made.
pub async fn verify(reader: &Reader, out: &mut impl Write) -> Result<bool, VerifyError> {
    let mut audit = reader.audit().await?;
    let generations = audit.generations().await?;
    if generations.is_empty() {
        return Err(VerifyError::NoGame);
    }
    let mut worlds = Vec::new();
    let mut messages = 0;
    for generation in &generations {
        if worlds.len() != usize::from(generation.partitions) {
            worlds = World::repartition(worlds, generation.partitions);
        }
        for (partition, world) in (0..).zip(&mut worlds) {
            messages += replay(&mut audit, partition, generation, world).await?;
        }
    }
    let mut replayed = State::default();
    for (partition, world) in (0..).zip(worlds) {
        replayed.add_world(partition, &world);
    }
    let stored = audit.state().await?;
    for (stored, replayed) in stored.digests().iter().zip(&replayed.digests()) {
        let verdict = if stored == replayed { "equal" } else { "DIFFERENT" };
        let (table, rows, digest) = (stored.table, stored.rows, stored.digest);
        writeln!(out, "{table}: {rows} rows, hash {digest:016x}, {verdict}")?;
    }
    let differences = stored.differences(&replayed, DIFFERENCES_MAX);
    for difference in &differences {
        let show = |row: &Option<String>| row.clone().unwrap_or_else(|| "nothing".to_owned());
        let (this, other) = (show(&difference.this), show(&difference.other));
        writeln!(out, "{} {}: stored {this}, replayed {other}", difference.table, difference.key)?;
    }
    writeln!(
        out,
        "{messages} messages replayed: {}",
        if differences.is_empty() { "equal" } else { "DIFFERENT" }
    )?;
    Ok(differences.is_empty())
}

/// Applies what a partition was told in one generation, and returns how many messages that were.
async fn replay(
    audit: &mut Audit,
    partition: u16,
    generation: &Identity,
    world: &mut World,
) -> Result<usize, VerifyError> {
    let mut after = Position { inbox: generation.inbox, sequence: 0 };
    let mut messages = 0;
    loop {
        let mut page = audit.journal(partition, after, PAGE_ROWS).await?;
        page.retain(|entry| entry.position.inbox == generation.inbox);
        let Some(last) = page.last() else { return Ok(messages) };
        after = last.position;
        messages += page.len();
        for entry in &page {
            replay_message(world, partition, generation.partitions, entry).map_err(|reason| {
                VerifyError::Journal { partition, sequence: entry.position.sequence, reason }
            })?;
        }
    }
}

fn replay_message(
    world: &mut World,
    partition: u16,
    partitions: u16,
    message: &JournalEntry,
) -> Result<(), String> {
    if message.buried.contains(&WHOLE) {
        return Ok(());
    }
    let envelope = wire::decode(&message.body).map_err(|error| error.to_string())?;
    for (index, text) in (0..).zip(envelope.raw_entries()) {
        if message.buried.contains(&index) {
            continue;
        }
        let entry = wire::Entry::decode(text).map_err(|error| error.to_string())?;
        let id = || entry.id(&envelope.id, index as usize);
        let action = decode_command(partition, partitions, entry.payload, &id)?;
        world.apply(entry.arrived_at_ms, &action).map_err(|fault| fault.to_string())?;
    }
    Ok(())
}
