//! The reads.

use futures_util::TryStreamExt as _;
use game::{Round, Standing, Username};
use ledger::postgres::{BEGIN_READ, identity, positions};
use sqlx::{Connection as _, PgConnection};

use super::audit::Audit;
use super::database::Database;
use crate::columns::Columns;
use crate::player::{PlayerRow, columns};
use crate::{Counts, Error, Identity, PlayerView, Position, TopRow, top, view};
use ledger::postgres::{Pool, release};

/// A pool of read-only connections.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pool: Pool,
}

impl Reader {
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        Ok(Self { pool: database.read_pool().await? })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn player(
        &self,
        username: &Username,
        partition: u16,
        now_ms: i64,
    ) -> Result<Option<PlayerView>, Error> {
        // One statement is one snapshot and one round trip. It reads only the rounds that the player has not settled.
        const VIEW: &str = concat!(
            "SELECT ",
            columns!(selected),
            ", (SELECT coalesce(json_agg(json_build_array(id, opens_at_ms, window_ms, grace_ms, late) ORDER BY id),
                '[]')::text FROM rounds WHERE partition = p.partition AND id > p.settled_round),
               (SELECT coalesce(json_agg(json_build_array(partition, inbox, sequence, applied_through_ms)
                ORDER BY partition), '[]')::text FROM partitions),
               (SELECT json_build_array(id, opens_at_ms, window_ms, grace_ms)::text FROM schedule
                WHERE stage = 2 AND opens_at_ms <= $3 ORDER BY opens_at_ms DESC LIMIT 1)
            FROM players AS p WHERE p.partition = $1 AND p.username = $2"
        );
        let view = sqlx::query(VIEW).bind(i32::from(partition)).bind(username.as_str()).bind(now_ms);
        let Some(row) = self.pool.fetch_optional(view).await? else { return Ok(None) };
        let mut columns = Columns::from(&row);
        let (username, player) = PlayerRow::read(&mut columns)?.player()?;
        Ok(Some(view::read(&username, &player, partition, &mut columns)?))
    }

    pub(crate) async fn top(&self, limit: usize) -> Result<Vec<TopRow>, Error> {
        let rows = self.pool.fetch_all(sqlx::query("SELECT snapshot FROM board")).await?;
        let snapshots: Result<Vec<&str>, Error> = rows.iter().map(|row| Columns::from(row).text()).collect();
        top::merge(&snapshots?, limit)
    }

    pub(crate) async fn live_rounds(&self, now_ms: i64) -> Result<Vec<Round>, Error> {
        let rounds = "SELECT id, opens_at_ms, window_ms, grace_ms FROM schedule
            WHERE stage = 2 AND opens_at_ms >=
                coalesce((SELECT max(opens_at_ms) FROM schedule WHERE stage = 2 AND opens_at_ms <= $1), 0)
            ORDER BY opens_at_ms";
        let rows = self.pool.fetch_all(sqlx::query(rounds).bind(now_ms)).await?;
        rows.iter().map(|row| Columns::from(row).round()).collect()
    }

    pub(crate) async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), Error> {
        let mut connection = self.pool.acquire().await?;
        let standings = self.pool.timeout(standings(&mut connection, partition)).await;
        release(connection, standings)
    }

    pub(crate) async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        let mut connection = self.pool.acquire().await?;
        let positions = self.pool.timeout(positions(&mut connection)).await;
        release(connection, positions)
    }

    pub(crate) async fn identity(&self) -> Result<Option<Identity>, Error> {
        let mut connection = self.pool.acquire().await?;
        let identity = self.pool.timeout(identity(&mut connection)).await;
        release(connection, identity)
    }

    pub(crate) async fn counts(&self) -> Result<Counts, Error> {
        let counts = "SELECT (SELECT count(*) FROM players),
            (SELECT count(*) FROM outbox WHERE done_at_ms IS NULL)";
        let row = self.pool.fetch_one(sqlx::query(counts)).await?;
        let mut columns = Columns::from(&row);
        Ok(Counts { players: columns.u64()?, outbox_pending: columns.u64()? })
    }

    /// Reads no table, because not every role may read one.
    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.pool.fetch_one(sqlx::query("SELECT 1")).await?;
        Ok(())
    }

    pub(crate) async fn audit(&self) -> Result<Audit, Error> {
        Audit::begin(self.pool.clone()).await
    }
}

async fn standings(
    connection: &mut PgConnection,
    partition: u16,
) -> Result<(Position, Vec<Standing>), Error> {
    let mut transaction = connection.begin_with(BEGIN_READ).await?;
    let positions = positions(&mut transaction).await?;
    let position = positions.into_iter().find(|(number, _)| *number == partition);
    let (_, position) = position.ok_or(Error::UnknownPartition { partition })?;
    let mut standings = Vec::new();
    {
        let all = "SELECT score, reached_at_ms, username FROM players WHERE partition = $1";
        let mut rows = sqlx::query(all).bind(i32::from(partition)).fetch(&mut *transaction);
        while let Some(row) = rows.try_next().await? {
            standings.push(Columns::from(&row).standing()?);
        }
    }
    transaction.commit().await?;
    Ok((position, standings))
}
