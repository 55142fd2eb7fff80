//! Writes a batch: one statement for each table that has changes.

use game::{Device, Token, World};
use sqlx::PgConnection;

use super::player;
use crate::{Error, OutboxRow};

/// Writes the changes of a batch and its pushes.
pub(crate) async fn save(
    connection: &mut PgConnection,
    partition: u16,
    world: &World,
    outbox: &[OutboxRow],
) -> Result<(), Error> {
    let before = |username| world.changes.players.get(username).and_then(Option::as_ref);
    let players = world.changed().map(|(username, player)| (username, player, before(username).is_none()));
    player::write(connection, partition, players).await?;
    write_purchases(connection, partition, world).await?;
    write_devices(connection, partition, world).await?;
    write_rounds(connection, partition, world).await?;
    write_outbox(connection, partition, outbox).await
}

async fn write_purchases(connection: &mut PgConnection, partition: u16, world: &World) -> Result<(), Error> {
    const PURCHASES: &str = "INSERT INTO purchases (partition, username, id, outcome)
        SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::text[]) AS r";
    let purchases = &world.changes.purchases;
    if purchases.is_empty() {
        return Ok(());
    }
    sqlx::query(PURCHASES)
        .bind(i32::from(partition))
        .bind(purchases.keys().map(|(username, _)| username.as_str()).collect::<Vec<_>>())
        .bind(purchases.keys().map(|(_, id)| id.as_str()).collect::<Vec<_>>())
        .bind(purchases.values().map(|outcome| outcome.code()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

/// Partitions share these rows. They are locked in token order, so that two handlers never deadlock.
async fn write_devices(connection: &mut PgConnection, partition: u16, world: &World) -> Result<(), Error> {
    const DEVICES: &str = "INSERT INTO devices AS d (partition, token, username, platform, arrived_at_ms)
        SELECT $1, r.* FROM unnest($2::bytea[], $3::text[], $4::text[], $5::int8[]) AS r
        ON CONFLICT (token_sha256) DO UPDATE SET partition = excluded.partition, username = excluded.username,
            platform = excluded.platform, arrived_at_ms = excluded.arrived_at_ms
        WHERE (excluded.arrived_at_ms, excluded.username) >= (d.arrived_at_ms, d.username)";
    if world.changes.devices.is_empty() {
        return Ok(());
    }
    let (tokens, devices): (Vec<&Token>, Vec<&Device>) = world.changes.devices.iter().unzip();
    sqlx::query(DEVICES)
        .bind(i32::from(partition))
        .bind(tokens.iter().map(|token| token.as_str().as_bytes()).collect::<Vec<_>>())
        .bind(devices.iter().map(|device| device.username.as_str()).collect::<Vec<_>>())
        .bind(devices.iter().map(|device| device.platform.map(|one| one.code())).collect::<Vec<_>>())
        .bind(devices.iter().map(|device| device.arrived_at_ms).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_rounds(connection: &mut PgConnection, partition: u16, world: &World) -> Result<(), Error> {
    const ROUNDS: &str = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms, late)
        SELECT $1, r.* FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::bool[]) AS r";
    let rounds = &world.changes.rounds;
    if rounds.is_empty() {
        return Ok(());
    }
    sqlx::query(ROUNDS)
        .bind(i32::from(partition))
        .bind(rounds.iter().map(|known| known.round.id.cast_signed()).collect::<Vec<_>>())
        .bind(rounds.iter().map(|known| known.round.opens_at_ms).collect::<Vec<_>>())
        .bind(rounds.iter().map(|known| known.round.window_ms).collect::<Vec<_>>())
        .bind(rounds.iter().map(|known| known.round.grace_ms).collect::<Vec<_>>())
        .bind(rounds.iter().map(|known| known.late).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_outbox(
    connection: &mut PgConnection,
    partition: u16,
    rows: &[OutboxRow],
) -> Result<(), Error> {
    const OUTBOX: &str = "INSERT INTO outbox (partition, topic, payload, due_at_ms, expires_at_ms)
        SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::int8[], $5::int8[]) AS r
        ON CONFLICT (partition, topic) DO NOTHING";
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(OUTBOX)
        .bind(i32::from(partition))
        .bind(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at_ms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.expires_at_ms).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
