//! The writer: the reading of what a batch needs.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use game::{Player, PurchaseId, PurchaseOutcome, Rounds, Username, World};
use sqlx::{Connection as _, PgConnection};

use super::Database;
use super::player::{self, player_columns};
use super::pool::{Pool, give_back};
use crate::columns::{self, Columns};
use crate::memory::{Memories, Memory};
use crate::{Error, Position, Prefetched};

/// One moment for all that is read together.
pub(super) const BEGIN_READ: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A few connections, one for each partition that is at work, and what need not be read again for each batch.
#[derive(Debug)]
pub(crate) struct Writer {
    pool: Pool,
    pub(super) memories: Memories,
}

impl Writer {
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        let pool = database.write_pool(database.options.writers).await?;
        Ok(Self { pool, memories: Memories::default() })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(super) fn pool(&self) -> &Pool {
        &self.pool
    }

    pub(crate) async fn prefetch(
        &self,
        partition: u16,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Prefetched, Error> {
        let mut connection = self.pool.lend().await?;
        let read = self.read(&mut connection, partition, usernames, purchases);
        let read = self.pool.within(read).await;
        give_back(connection, read)
    }

    async fn read(
        &self,
        connection: &mut PgConnection,
        partition: u16,
        usernames: &[Username],
        purchases: &[(Username, PurchaseId)],
    ) -> Result<Prefetched, Error> {
        let mut transaction = connection.begin_with(BEGIN_READ).await?;
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
async fn position(connection: &mut PgConnection, partition: u16) -> Result<(Position, i64), Error> {
    let position = "SELECT inbox, sequence, applied_through_ms FROM partitions WHERE partition = $1";
    let row = sqlx::query(position).bind(i32::from(partition)).fetch_optional(connection).await?;
    let row = row.ok_or(Error::UnknownPartition { partition })?;
    let mut columns = Columns::from(&row);
    Ok((columns.position()?, columns.int()?))
}

async fn rounds(connection: &mut PgConnection, partition: u16) -> Result<Rounds, Error> {
    let rows = "SELECT id, opens_at_ms, window_ms, grace_ms FROM rounds WHERE partition = $1 ORDER BY id";
    let rows = sqlx::query(rows).bind(i32::from(partition)).fetch_all(connection).await?;
    columns::rounds(rows.iter().map(|row| Columns::from(row).round()))
}

async fn read_players(
    connection: &mut PgConnection,
    partition: u16,
    usernames: &[Username],
) -> Result<HashMap<Username, Player>, Error> {
    let mut players = HashMap::with_capacity(usernames.len());
    if usernames.is_empty() {
        return Ok(players);
    }
    const PLAYERS: &str = concat!(
        "SELECT ",
        player_columns!(),
        " FROM unnest($2::text[]) AS r (username), LATERAL
        (SELECT * FROM players AS p WHERE p.partition = $1 AND p.username = r.username OFFSET 0) AS p"
    );
    let usernames: Vec<&str> = usernames.iter().map(Username::as_str).collect();
    let mut rows = sqlx::query(PLAYERS).bind(i32::from(partition)).bind(usernames).fetch(connection);
    while let Some(row) = rows.try_next().await? {
        let (username, player) = player::read(&mut Columns::from(&row))?;
        players.insert(username, player);
    }
    Ok(players)
}

async fn read_purchases(
    connection: &mut PgConnection,
    partition: u16,
    purchases: &[(Username, PurchaseId)],
) -> Result<HashMap<(Username, PurchaseId), PurchaseOutcome>, Error> {
    let mut known = HashMap::new();
    if purchases.is_empty() {
        return Ok(known);
    }
    const PURCHASES: &str = "SELECT p.username, p.id, p.outcome
        FROM unnest($2::text[], $3::text[]) AS r (username, id), LATERAL
        (SELECT * FROM purchases AS p
            WHERE p.partition = $1 AND p.username = r.username AND p.id = r.id OFFSET 0) AS p";
    let (usernames, ids): (Vec<&str>, Vec<&str>) =
        purchases.iter().map(|(username, id)| (username.as_str(), id.as_str())).unzip();
    let rows = sqlx::query(PURCHASES).bind(i32::from(partition)).bind(usernames).bind(ids);
    for row in rows.fetch_all(connection).await? {
        let mut columns = Columns::from(&row);
        let key = (columns.username()?, columns.purchase_id()?);
        known.insert(key, columns.purchase_outcome()?);
    }
    Ok(known)
}
