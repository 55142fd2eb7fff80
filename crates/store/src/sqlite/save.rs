//! Writing a batch: one statement for each table that it touches.

use game::{KnownRound, World};
use ledger::Rows;
use sqlx::SqliteConnection;

use super::player;
use crate::{Error, OutboxRow};

/// Writes what a batch changed of the world, and what is to be pushed because of it.
pub(crate) async fn save(
    connection: &mut SqliteConnection,
    partition: u16,
    world: &World,
    outbox: &[OutboxRow],
) -> Result<(), Error> {
    player::write(connection, partition, world.changed()).await?;

    const PURCHASES: &str = "INSERT INTO purchases (partition, username, id, outcome)
        SELECT ?1, value->>0, value->>1, value->>2 FROM json_each(?2)";
    let mut rows = Rows::new();
    for ((username, id), outcome) in &world.changes.purchases {
        rows.row().text(username.as_str()).text(id.as_str()).text(outcome.code()).end();
    }
    write(connection, PURCHASES, partition, rows).await?;

    // The rows that partitions share: in token order, so that two writers never wait for each other in a ring.
    const DEVICES: &str = "INSERT INTO devices (partition, token, username, platform, arrived_at_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2) WHERE true
        ON CONFLICT (token) DO UPDATE SET partition = excluded.partition, username = excluded.username,
            platform = excluded.platform, arrived_at_ms = excluded.arrived_at_ms
        WHERE (excluded.arrived_at_ms, excluded.username) >= (devices.arrived_at_ms, devices.username)";
    let mut rows = Rows::new();
    for (token, device) in &world.changes.devices {
        rows.row()
            .text(token.as_str())
            .text(device.username.as_str())
            .opt_text(device.platform.map(|platform| platform.code()))
            .int(device.arrived_at_ms)
            .end();
    }
    write(connection, DEVICES, partition, rows).await?;

    const ROUNDS: &str = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms, late)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?2)";
    let mut rows = Rows::new();
    for KnownRound { round, late } in &world.changes.rounds {
        rows.row()
            .int(round.id.cast_signed())
            .int(round.opens_at_ms)
            .int(round.window_ms)
            .int(round.grace_ms)
            .int((*late).into())
            .end();
    }
    write(connection, ROUNDS, partition, rows).await?;

    const OUTBOX: &str = "INSERT INTO outbox (partition, topic, payload, due_at_ms, expires_at_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2) WHERE true
        ON CONFLICT (partition, topic) DO NOTHING";
    let mut rows = Rows::new();
    for row in outbox {
        rows.row().text(&row.topic).text(&row.payload).int(row.due_at_ms).int(row.expires_at_ms).end();
    }
    write(connection, OUTBOX, partition, rows).await
}

/// Executes a statement whose `?1` is the partition and whose `?2` are rows, if there are any.
async fn write(
    connection: &mut SqliteConnection,
    statement: &'static str,
    partition: u16,
    rows: Rows,
) -> Result<(), Error> {
    if !rows.is_empty() {
        sqlx::query(statement).bind(partition).bind(rows.finish()).execute(connection).await?;
    }
    Ok(())
}
