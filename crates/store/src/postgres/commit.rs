//! Writing a batch: one statement for each table that it touches.

use game::{Device, Token, World};
use sqlx::{Connection as _, PgConnection};

use super::pool::give_back;
use super::writer::Writer;
use super::{board, player};
use crate::columns::sequence_text;
use crate::memory::Memory;
use crate::{Commit, Committed, Error};

/// What waits for another transaction sees what that has written.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

impl Writer {
    pub(crate) async fn commit(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, false).await
    }

    pub(crate) async fn rehearse(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, true).await
    }

    async fn write(&self, commit: Commit<'_>, rehearse: bool) -> Result<Committed, Error> {
        commit.check()?;
        let mut connection = self.pool().lend().await?;
        let written = self.pool().within(self.transact(&mut connection, commit, rehearse)).await;
        give_back(connection, written)
    }

    async fn transact(
        &self,
        connection: &mut PgConnection,
        commit: Commit<'_>,
        rehearse: bool,
    ) -> Result<Committed, Error> {
        let Commit { partition, from, to, world, .. } = commit;
        let memory = self.memories.recall(partition, from);
        let mut transaction = connection.begin_with(BEGIN).await?;
        if !move_on(&mut transaction, &commit).await? {
            transaction.rollback().await?;
            return Ok(Committed::Fenced);
        }
        write_world(&mut transaction, partition, world).await?;
        write_journal(&mut transaction, &commit).await?;
        write_outbox(&mut transaction, &commit).await?;
        let board = memory.and_then(|memory| memory.board);
        let board = board::update(&mut transaction, partition, board, world).await?;
        if rehearse {
            transaction.rollback().await?;
            return Ok(Committed::Done);
        }
        transaction.commit().await?;
        self.memories.remember(partition, Memory { position: to, rounds: world.rounds.clone(), board });
        Ok(Committed::Done)
    }
}

/// Moves the partition on, if it stands where the batch was prefetched. The row stays locked until the transaction
/// ends; who waits for it here compares with what it has become.
async fn move_on(connection: &mut PgConnection, commit: &Commit<'_>) -> Result<bool, Error> {
    const MOVE_ON: &str = "UPDATE partitions SET sequence = $4, applied_through_ms = $5
        WHERE partition = $1 AND inbox = $2 AND sequence = $3";
    let moved = sqlx::query(MOVE_ON)
        .bind(i32::from(commit.partition))
        .bind(i64::from(commit.from.inbox))
        .bind(sequence_text(commit.from.sequence))
        .bind(sequence_text(commit.to.sequence))
        .bind(commit.world.applied_through_ms)
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

async fn write_world(connection: &mut PgConnection, partition: u16, world: &World) -> Result<(), Error> {
    let before = |username| world.changes.players.get(username).and_then(Option::as_ref);
    let players = world.changed().map(|(username, player)| (username, player, before(username).is_none()));
    player::write(connection, partition, players).await?;
    write_purchases(connection, partition, world).await?;
    write_devices(connection, partition, world).await?;
    write_rounds(connection, partition, world).await
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

/// The rows that partitions share: in token order, so that two writers never wait for each other in a ring.
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
    const ROUNDS: &str = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms)
        SELECT $1, r.* FROM unnest($2::int8[], $3::int8[], $4::int8[], $5::int8[]) AS r";
    let rounds = &world.changes.rounds;
    if rounds.is_empty() {
        return Ok(());
    }
    sqlx::query(ROUNDS)
        .bind(i32::from(partition))
        .bind(rounds.iter().map(|round| round.id.cast_signed()).collect::<Vec<_>>())
        .bind(rounds.iter().map(|round| round.opens_at_ms).collect::<Vec<_>>())
        .bind(rounds.iter().map(|round| round.window_ms).collect::<Vec<_>>())
        .bind(rounds.iter().map(|round| round.grace_ms).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_journal(connection: &mut PgConnection, commit: &Commit<'_>) -> Result<(), Error> {
    const JOURNAL: &str = "INSERT INTO journal (partition, inbox, sequence, body, buried)
        SELECT $1, $2, r.* FROM unnest($3::text[], $4::bytea[], $5::text[]) AS r";
    let entries = commit.journal;
    if entries.is_empty() {
        return Ok(());
    }
    sqlx::query(JOURNAL)
        .bind(i32::from(commit.partition))
        .bind(i64::from(commit.to.inbox))
        .bind(entries.iter().map(|entry| sequence_text(entry.sequence)).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.body.as_bytes()).collect::<Vec<_>>())
        .bind(entries.iter().map(|entry| entry.buried_text()).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}

async fn write_outbox(connection: &mut PgConnection, commit: &Commit<'_>) -> Result<(), Error> {
    const OUTBOX: &str = "INSERT INTO outbox (partition, topic, payload, due_at_ms, expires_at_ms)
        SELECT $1, r.* FROM unnest($2::text[], $3::text[], $4::int8[], $5::int8[]) AS r
        ON CONFLICT (partition, topic) DO NOTHING";
    let rows = commit.outbox;
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(OUTBOX)
        .bind(i32::from(commit.partition))
        .bind(rows.iter().map(|row| row.topic.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.payload.as_str()).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.due_at_ms).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.expires_at_ms).collect::<Vec<_>>())
        .execute(connection)
        .await?;
    Ok(())
}
