//! Writing a batch: one statement for each table that it touches.

use game::World;
use sqlx::SqliteConnection;

use super::writer::Writer;
use super::{board, player};
use crate::columns::sequence_text;
use crate::json::Rows;
use crate::memory::Memory;
use crate::{Commit, Committed, Error};

impl Writer {
    pub(crate) async fn commit(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, false).await
    }

    pub(crate) async fn rehearse(&self, commit: Commit<'_>) -> Result<Committed, Error> {
        self.write(commit, true).await
    }

    async fn write(&self, commit: Commit<'_>, rehearse: bool) -> Result<Committed, Error> {
        let Commit { partition, from, to, world, .. } = commit;
        commit.check()?;
        let memory = self.memories.recall(partition, from);
        let mut transaction = self.begin_write().await?;
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
        self.end_write(transaction).await?;
        self.memories.remember(partition, Memory { position: to, rounds: world.rounds.clone(), board });
        Ok(Committed::Done)
    }
}

/// Moves the partition on, if it stands where the batch was prefetched.
async fn move_on(connection: &mut SqliteConnection, commit: &Commit<'_>) -> Result<bool, Error> {
    const MOVE_ON: &str = "UPDATE partitions SET sequence = ?4, applied_through_ms = ?5
        WHERE partition = ?1 AND inbox = ?2 AND sequence = ?3";
    let moved = sqlx::query(MOVE_ON)
        .bind(commit.partition)
        .bind(commit.from.inbox)
        .bind(sequence_text(commit.from.sequence))
        .bind(sequence_text(commit.to.sequence))
        .bind(commit.world.applied_through_ms)
        .execute(connection)
        .await?;
    Ok(moved.rows_affected() == 1)
}

async fn write_world(connection: &mut SqliteConnection, partition: u16, world: &World) -> Result<(), Error> {
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

    const ROUNDS: &str = "INSERT INTO rounds (partition, id, opens_at_ms, window_ms, grace_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2)";
    let mut rows = Rows::new();
    for round in &world.changes.rounds {
        rows.row()
            .int(round.id.cast_signed())
            .int(round.opens_at_ms)
            .int(round.window_ms)
            .int(round.grace_ms)
            .end();
    }
    write(connection, ROUNDS, partition, rows).await
}

async fn write_journal(connection: &mut SqliteConnection, commit: &Commit<'_>) -> Result<(), Error> {
    const JOURNAL: &str = "INSERT INTO journal (partition, inbox, sequence, body, buried)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2)";
    let mut rows = Rows::new();
    for entry in commit.journal {
        rows.row()
            .int(commit.to.inbox.into())
            .text(&sequence_text(entry.sequence))
            .text(entry.body)
            .text(&entry.buried_text())
            .end();
    }
    write(connection, JOURNAL, commit.partition, rows).await
}

async fn write_outbox(connection: &mut SqliteConnection, commit: &Commit<'_>) -> Result<(), Error> {
    const OUTBOX: &str = "INSERT INTO outbox (partition, topic, payload, due_at_ms, expires_at_ms)
        SELECT ?1, value->>0, value->>1, value->>2, value->>3 FROM json_each(?2) WHERE true
        ON CONFLICT (partition, topic) DO NOTHING";
    let mut rows = Rows::new();
    for row in commit.outbox {
        rows.row().text(&row.topic).text(&row.payload).int(row.due_at_ms).int(row.expires_at_ms).end();
    }
    write(connection, OUTBOX, commit.partition, rows).await
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
