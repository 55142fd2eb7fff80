//! The writer: the reading of what a batch needs.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use game::{Player, PurchaseId, PurchaseOutcome, Rounds, Username, World};
use sqlx::{Connection as _, Sqlite, SqliteConnection, Transaction};

use super::Database;
use super::player::{self, player_json};
use super::pool::Pool;
use crate::columns::{self, Columns};
use crate::json::{self, Rows};
use crate::memory::{Memories, Memory};
use crate::{Error, Position, Prefetched};

/// A plain `BEGIN` that reads first could find at its first write that somebody else has written since.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// One connection, and what need not be read again for each batch.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: Pool,
    pub(super) memories: Memories,
}

impl Writer {
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        Ok(Self { pool: database.write_pool().await?, memories: Memories::default() })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn pool(&self) -> &sqlx::SqlitePool {
        &self.pool
    }

    /// Begins a transaction that holds the write lock from the start, so that it never fails half-way for want of it.
    /// Ends in [`Writer::end_write`].
    pub(super) async fn begin_write(&self) -> Result<Transaction<'static, Sqlite>, Error> {
        self.pool.in_place()?;
        match self.pool.begin_with(BEGIN).await {
            // SQLite itself has rolled back the transaction before this one, because of a full disk for example; the
            // driver has not noticed and would never begin again on this connection.
            Err(sqlx::Error::BeginFailed | sqlx::Error::InvalidSavePointStatement) => {
                // Closed behind the next one, so that it never was the last: SQLite would make a new log.
                let broken = self.pool.acquire().await?.detach();
                let begun = self.pool.begin_with(BEGIN).await;
                broken.close().await?;
                Ok(begun?)
            }
            begun => Ok(begun?),
        }
    }

    /// Commits, to the files that were opened.
    pub(super) async fn end_write(&self, transaction: Transaction<'static, Sqlite>) -> Result<(), Error> {
        transaction.commit().await?;
        self.pool.in_place()
    }

    pub(crate) async fn prefetch(
        &self,
        partition: u16,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Prefetched, Error> {
        self.pool.in_place()?;
        let mut transaction = self.pool.begin().await?;
        let (from, applied_through_ms) = position(&mut transaction, partition).await?;
        let memory = match self.memories.recall(partition, from) {
            Some(memory) => memory,
            None => {
                let rounds = Arc::new(rounds(&mut transaction, partition).await?);
                Memory { position: from, rounds, board: None }
            }
        };
        let rounds = Arc::clone(&memory.rounds);
        let players = read_players(&mut transaction, partition, usernames).await?;
        let purchases = read_purchases(&mut transaction, partition, purchases).await?;
        transaction.commit().await?;
        self.memories.remember(partition, memory);
        let world = World { rounds, applied_through_ms, players, purchases, ..World::default() };
        Ok(Prefetched { from, world })
    }
}

/// Where a partition stands, and up to when it has applied everything that arrived.
async fn position(connection: &mut SqliteConnection, partition: u16) -> Result<(Position, i64), Error> {
    let position = "SELECT inbox, sequence, applied_through_ms FROM partitions WHERE partition = ?";
    let row = sqlx::query(position).bind(partition).fetch_optional(connection).await?;
    let row = row.ok_or(Error::UnknownPartition { partition })?;
    let mut columns = Columns::from(&row);
    Ok((columns.position()?, columns.int()?))
}

async fn rounds(connection: &mut SqliteConnection, partition: u16) -> Result<Rounds, Error> {
    let rows = "SELECT id, opens_at_ms, window_ms, grace_ms FROM rounds WHERE partition = ? ORDER BY id";
    let rows = sqlx::query(rows).bind(partition).fetch_all(connection).await?;
    columns::rounds(rows.iter().map(|row| Columns::from(row).round()))
}

async fn read_players(
    connection: &mut SqliteConnection,
    partition: u16,
    usernames: &[Username],
) -> Result<HashMap<Username, Player>, Error> {
    let mut players = HashMap::with_capacity(usernames.len());
    if usernames.is_empty() {
        return Ok(players);
    }
    const PLAYERS: &str = concat!(
        "SELECT ",
        player_json!(),
        " FROM json_each(?2) AS k CROSS JOIN players AS p ON p.partition = ?1 AND p.username = k.value"
    );
    let usernames = json::texts(usernames.iter().map(Username::as_str));
    let mut rows = sqlx::query(PLAYERS).bind(partition).bind(usernames).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (username, player) = player::read(Columns::from(&row).text()?)?;
        players.insert(username, player);
    }
    Ok(players)
}

async fn read_purchases(
    connection: &mut SqliteConnection,
    partition: u16,
    purchases: &[(Username, PurchaseId)],
) -> Result<HashMap<(Username, PurchaseId), PurchaseOutcome>, Error> {
    let mut known = HashMap::new();
    if purchases.is_empty() {
        return Ok(known);
    }
    const PURCHASES: &str =
        "SELECT p.username, p.id, p.outcome FROM json_each(?2) AS k CROSS JOIN purchases AS p
        ON p.partition = ?1 AND p.username = k.value->>0 AND p.id = k.value->>1";
    let mut keys = Rows::new();
    for (username, id) in purchases {
        keys.row().text(username.as_str()).text(id.as_str()).end();
    }
    for row in sqlx::query(PURCHASES).bind(partition).bind(keys.finish()).fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        let key = (columns.username()?, columns.purchase_id()?);
        known.insert(key, columns.purchase_outcome()?);
    }
    Ok(known)
}
