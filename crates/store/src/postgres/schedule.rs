//! The schedule: one atomic statement for each step.

use game::Round;
use sqlx::postgres::PgRow;

use super::database::Database;
use crate::bounds::STEP_CONNECTIONS;
use crate::columns::Columns;
use crate::types::stage_number;
use crate::{Error, Scheduled};
use ledger::postgres::Pool;

/// The columns of `schedule`, in the order in which [`read`] takes them.
macro_rules! columns {
    () => {
        "id, opens_at_ms, window_ms, grace_ms, by_operator, stage, ticks_sent"
    };
}

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pool: Pool,
}

impl Schedule {
    pub(crate) async fn open(database: &Database) -> Result<Self, Error> {
        Ok(Self { pool: database.write_pool(STEP_CONNECTIONS).await? })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn latest(&self) -> Result<Option<Scheduled>, Error> {
        let latest = concat!("SELECT ", columns!(), " FROM schedule ORDER BY id DESC LIMIT 1");
        let row = self.pool.fetch_optional(sqlx::query(latest)).await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn get(&self, id: u64) -> Result<Option<Scheduled>, Error> {
        let get = concat!("SELECT ", columns!(), " FROM schedule WHERE id = $1");
        let row = self.pool.fetch_optional(sqlx::query(get).bind(id.cast_signed())).await?;
        row.as_ref().map(read).transpose()
    }

    pub(crate) async fn insert_if_absent(&self, scheduled: &Scheduled) -> Result<bool, Error> {
        let insert = concat!(
            "INSERT INTO schedule (",
            columns!(),
            ") VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO NOTHING"
        );
        let Scheduled { round, by_operator, stage, ticks_sent } = *scheduled;
        let insert = sqlx::query(insert)
            .bind(round.id.cast_signed())
            .bind(round.opens_at_ms)
            .bind(round.window_ms)
            .bind(round.grace_ms)
            .bind(by_operator)
            .bind(stage_number(stage))
            .bind(i16::from(ticks_sent));
        Ok(self.pool.execute(insert).await? == 1)
    }

    pub(crate) async fn replace_drawn(&self, drawn: &Round, new: &Scheduled) -> Result<bool, Error> {
        let replace = "UPDATE schedule SET opens_at_ms = $3, window_ms = $4, grace_ms = $5, by_operator = $6,
            stage = $7 WHERE id = $1 AND opens_at_ms = $2 AND stage = 0";
        let Scheduled { round, by_operator, stage, ticks_sent: _ } = *new;
        let replace = sqlx::query(replace)
            .bind(drawn.id.cast_signed())
            .bind(drawn.opens_at_ms)
            .bind(round.opens_at_ms)
            .bind(round.window_ms)
            .bind(round.grace_ms)
            .bind(by_operator)
            .bind(stage_number(stage));
        Ok(self.pool.execute(replace).await? == 1)
    }

    pub(crate) async fn announced(&self, id: u64) -> Result<bool, Error> {
        let announced = "UPDATE schedule SET stage = 2 WHERE id = $1 AND stage >= 1";
        Ok(self.pool.execute(sqlx::query(announced).bind(id.cast_signed())).await? == 1)
    }

    pub(crate) async fn ticked(&self, id: u64, ticks_sent: u8) -> Result<(), Error> {
        let ticked = "UPDATE schedule SET ticks_sent = greatest(ticks_sent, $2) WHERE id = $1";
        self.pool.execute(sqlx::query(ticked).bind(id.cast_signed()).bind(i16::from(ticks_sent))).await?;
        Ok(())
    }

    pub(crate) async fn unfinished(&self) -> Result<Vec<Scheduled>, Error> {
        let unfinished =
            concat!("SELECT ", columns!(), " FROM schedule WHERE stage < 2 OR ticks_sent < 5 ORDER BY id");
        let rows = self.pool.fetch_all(sqlx::query(unfinished)).await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &PgRow) -> Result<Scheduled, Error> {
    Columns::from(row).scheduled()
}
