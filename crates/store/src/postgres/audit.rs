//! A snapshot of the whole database: a read transaction that is held open.

use futures_util::TryStreamExt as _;
use ledger::postgres;
use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, Postgres};

use crate::bounds::AUDIT_IDLE_MS_MAX;
use crate::columns::Columns;
use crate::player::{PlayerRow, columns};
use crate::state::Table;
use crate::{Error, Identity, JournalEntry, Position, State};
use ledger::postgres::Pool;

/// A connection in a read transaction; it closes with the transaction.
#[derive(Debug)]
pub(crate) struct Audit {
    connection: PoolConnection<Postgres>,
    pool: Pool,
}

impl Audit {
    pub(super) async fn begin(pool: Pool) -> Result<Self, Error> {
        let mut connection = pool.acquire().await?;
        connection.close_on_drop();
        // The time of a statement grows with the number of rows.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 0;
            SET LOCAL idle_in_transaction_session_timeout = {AUDIT_IDLE_MS_MAX}"
        );
        pool.timeout(sqlx::raw_sql(AssertSqlSafe(begin)).execute(&mut *connection)).await?;
        let mut audit = Self { connection, pool };
        audit.positions().await?; // the first read takes the snapshot
        Ok(audit)
    }

    pub(crate) async fn positions(&mut self) -> Result<Vec<(u16, Position)>, Error> {
        self.pool.timeout(postgres::positions(&mut self.connection)).await
    }

    pub(crate) async fn generations(&mut self) -> Result<Vec<Identity>, Error> {
        self.pool.timeout(postgres::generations(&mut self.connection)).await
    }

    pub(crate) async fn journal(
        &mut self,
        partition: u16,
        after: Position,
        rows_max: u32,
    ) -> Result<Vec<JournalEntry>, Error> {
        self.pool.timeout(postgres::journal(&mut self.connection, partition, after, rows_max)).await
    }

    pub(crate) async fn state(&mut self) -> Result<State, Error> {
        let mut state = State::default();
        const PLAYERS: &str = concat!("SELECT ", columns!(selected), ", p.partition FROM players AS p");
        self.each(PLAYERS, |columns| {
            let (username, player) = PlayerRow::read(columns)?.player()?;
            state.players.insert((columns.small()?, username), player);
            Ok(())
        })
        .await?;
        for table in Table::ALL {
            self.each(table.select(), |columns| state.add_row(table, columns)).await?;
        }
        Ok(state)
    }

    async fn each(
        &mut self,
        statement: &'static str,
        mut row: impl FnMut(&mut Columns<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = sqlx::query(statement).fetch(&mut *self.connection);
        while let Some(found) = self.pool.timeout(rows.try_next()).await? {
            row(&mut Columns::from(&found))?;
        }
        Ok(())
    }
}
