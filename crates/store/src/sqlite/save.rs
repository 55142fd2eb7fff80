//! Writes a batch: one statement for each table that has changes.

use game::{KnownRound, Platform, World};
use ledger::json_rows;
use serde::Serialize;
use sqlx::SqliteConnection;

use super::player;
use crate::{Error, OutboxRow};

/// Writes the changes of a batch and its pushes.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    partition: u16,
    world: &World,
    outbox: &[OutboxRow],
) -> Result<(), Error> {
    player::write(connection, partition, world.changed()).await?;

    const PURCHASES: &str = "INSERT INTO purchases (partition, username, id, outcome)
        SELECT ?1, value->>0, value->>1, value->>2 FROM json_each(?2)";
    let rows = world.changes.purchases.iter();
    let rows = rows.map(|((username, id), outcome)| (username.as_str(), id.as_str(), outcome.code()));
    write(connection, PURCHASES, partition, rows).await?;

    const DEVICES: &str = "INSERT INTO devices (partition, token, username, platform, arrived_at_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2) WHERE true
        ON CONFLICT (token) DO UPDATE SET partition = excluded.partition, username = excluded.username,
            platform = excluded.platform, arrived_at_ms = excluded.arrived_at_ms
        WHERE (excluded.arrived_at_ms, excluded.username) >= (devices.arrived_at_ms, devices.username)";
    let rows = world.changes.devices.iter().map(|(token, device)| {
        let platform = device.platform.map(Platform::code);
        (token.as_str(), device.username.as_str(), platform, device.arrived_at_ms)
    });
    write(connection, DEVICES, partition, rows).await?;

    const ROUNDS: &str = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms, late)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?2)";
    let rows = world.changes.rounds.iter().map(|KnownRound { round, late }| {
        (round.id.cast_signed(), round.opens_at_ms, round.window_ms, round.grace_ms, u8::from(*late))
    });
    write(connection, ROUNDS, partition, rows).await?;

    const OUTBOX: &str = "INSERT INTO outbox (partition, topic, payload, due_at_ms, expires_at_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2) WHERE true
        ON CONFLICT (partition, topic) DO NOTHING";
    let rows = outbox.iter().map(|row| (&row.topic, &row.payload, row.due_at_ms, row.expires_at_ms));
    write(connection, OUTBOX, partition, rows).await
}

/// Executes a statement whose `?1` is the partition and whose `?2` is the rows, unless there are none.
async fn write(
    connection: &mut SqliteConnection,
    statement: &'static str,
    partition: u16,
    rows: impl Iterator<Item = impl Serialize>,
) -> Result<(), Error> {
    let rows: Vec<_> = rows.collect();
    if !rows.is_empty() {
        sqlx::query(statement).bind(partition).bind(json_rows(&rows)?).execute(connection).await?;
    }
    Ok(())
}
