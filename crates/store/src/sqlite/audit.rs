//! A snapshot of the whole database: a read transaction that is held open.

use futures_util::TryStreamExt as _;
use ledger::sqlite;
use sqlx::{Sqlite, Transaction};

use super::player::{self, player_json};
use crate::columns::Columns;
use crate::state::Table;
use crate::{Error, Identity, JournalEntry, Position, State};

/// A read transaction.
#[derive(Debug)]
pub(crate) struct Audit {
    transaction: Transaction<'static, Sqlite>,
}

impl Audit {
    pub(super) async fn begin(mut transaction: Transaction<'static, Sqlite>) -> Result<Self, Error> {
        sqlite::positions(&mut transaction).await?; // the first read takes the snapshot
        Ok(Self { transaction })
    }

    pub(crate) async fn positions(&mut self) -> Result<Vec<(u16, Position)>, Error> {
        sqlite::positions(&mut self.transaction).await
    }

    pub(crate) async fn generations(&mut self) -> Result<Vec<Identity>, Error> {
        sqlite::generations(&mut self.transaction).await
    }

    pub(crate) async fn journal(
        &mut self,
        partition: u16,
        after: Position,
        rows_max: u32,
    ) -> Result<Vec<JournalEntry>, Error> {
        sqlite::journal(&mut self.transaction, partition, after, rows_max).await
    }

    pub(crate) async fn state(&mut self) -> Result<State, Error> {
        let mut state = State::default();
        const PLAYERS: &str = concat!("SELECT ", player_json!(), ", p.partition FROM players AS p");
        self.each(PLAYERS, |columns| {
            let (username, player) = player::read(columns.text()?)?;
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
        let mut rows = sqlx::query(statement).fetch(&mut *self.transaction);
        while let Some(found) = rows.try_next().await? {
            row(&mut Columns::from(&found))?;
        }
        Ok(())
    }
}
