//! The reads.

use futures_util::TryStreamExt as _;
use game::{Round, Standing, Username};
use ledger::sqlite::{identity, positions};

use super::audit::Audit;
use super::database::Database;
use super::player::{self, player_json};
use super::pool::Pool;
use crate::columns::Columns;
use crate::{Counts, Error, Identity, PlayerView, Position, TopRow, top, view};

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

    #[cfg(test)]
    pub(super) fn pool(&self) -> &sqlx::SqlitePool {
        &self.pool
    }

    pub(crate) async fn player(
        &self,
        username: &Username,
        partition: u16,
        now_ms: i64,
    ) -> Result<Option<PlayerView>, Error> {
        // One statement is one snapshot. It reads only the rounds that the player has not settled.
        const VIEW: &str = concat!(
            "SELECT ",
            player_json!(),
            ", (SELECT json_group_array(json_array(id, opens_at_ms, window_ms, grace_ms,
                json(iif(late, 'true', 'false'))) ORDER BY id) FROM rounds WHERE partition = p.partition AND id > p.settled_round),
               (SELECT json_group_array(json_array(partition, inbox, sequence, applied_through_ms) ORDER BY partition)
                FROM partitions),
               (SELECT json_array(id, opens_at_ms, window_ms, grace_ms) FROM schedule
                WHERE stage = 2 AND opens_at_ms <= ?3 ORDER BY opens_at_ms DESC LIMIT 1)
            FROM players AS p WHERE p.partition = ?1 AND p.username = ?2"
        );
        let view = sqlx::query(VIEW).bind(partition).bind(username.as_str()).bind(now_ms);
        let Some(row) = view.fetch_optional(&*self.pool).await? else { return Ok(None) };
        let mut columns = Columns::from(&row);
        let (username, player) = player::read(columns.text()?)?;
        Ok(Some(view::read(&username, &player, partition, &mut columns)?))
    }

    pub(crate) async fn top(&self, limit: usize) -> Result<Vec<TopRow>, Error> {
        let snapshots: Vec<String> =
            sqlx::query_scalar("SELECT snapshot FROM board").fetch_all(&*self.pool).await?;
        top::merge(&snapshots, limit)
    }

    pub(crate) async fn live_rounds(&self, now_ms: i64) -> Result<Vec<Round>, Error> {
        let rounds = "SELECT id, opens_at_ms, window_ms, grace_ms FROM schedule
            WHERE stage = 2 AND opens_at_ms >=
                coalesce((SELECT max(opens_at_ms) FROM schedule WHERE stage = 2 AND opens_at_ms <= ?), 0)
            ORDER BY opens_at_ms";
        let rows = sqlx::query(rounds).bind(now_ms).fetch_all(&*self.pool).await?;
        rows.iter().map(|row| Columns::from(row).round()).collect()
    }

    pub(crate) async fn standings(&self, partition: u16) -> Result<(Position, Vec<Standing>), Error> {
        let mut transaction = self.pool.begin().await?;
        let positions = positions(&mut transaction).await?;
        let position = positions.into_iter().find(|(number, _)| *number == partition);
        let (_, position) = position.ok_or(Error::UnknownPartition { partition })?;
        let mut standings = Vec::new();
        {
            let all = "SELECT score, reached_at_ms, username FROM players WHERE partition = ?";
            let mut rows = sqlx::query(all).bind(partition).fetch(&mut *transaction);
            while let Some(row) = rows.try_next().await? {
                standings.push(Columns::from(&row).standing()?);
            }
        }
        transaction.commit().await?;
        Ok((position, standings))
    }

    pub(crate) async fn positions(&self) -> Result<Vec<(u16, Position)>, Error> {
        positions(&mut *self.pool.acquire().await?).await
    }

    pub(crate) async fn identity(&self) -> Result<Option<Identity>, Error> {
        identity(&mut *self.pool.acquire().await?).await
    }

    pub(crate) async fn counts(&self) -> Result<Counts, Error> {
        let counts = "SELECT (SELECT count(*) FROM players),
            (SELECT count(*) FROM outbox WHERE done_at_ms IS NULL)";
        let row = sqlx::query(counts).fetch_one(&*self.pool).await?;
        let mut columns = Columns::from(&row);
        Ok(Counts { players: columns.u64()?, outbox_pending: columns.u64()? })
    }

    pub(crate) async fn check(&self) -> Result<(), Error> {
        self.pool.fetch_one(sqlx::query("SELECT count(*) FROM partitions")).await?;
        Ok(())
    }

    pub(crate) fn in_place(&self) -> Result<(), Error> {
        self.pool.in_place()
    }

    pub(crate) async fn audit(&self) -> Result<Audit, Error> {
        Audit::begin(self.pool.begin().await?).await
    }
}
