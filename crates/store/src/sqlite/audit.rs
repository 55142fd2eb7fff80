//! One moment of the whole database: a read transaction that is held open.

use futures_util::TryStreamExt as _;
use game::Device;
use sqlx::{Sqlite, Transaction};

use super::columns::{Columns, sequence_text, valid};
use super::player::{self, player_json};
use super::{board, identity};
use crate::{Error, JournalEntry, Position, State};

/// A read transaction.
#[derive(Debug)]
pub(crate) struct Audit {
    transaction: Transaction<'static, Sqlite>,
}

impl Audit {
    pub(super) async fn begin(mut transaction: Transaction<'static, Sqlite>) -> Result<Self, Error> {
        identity::positions(&mut transaction).await?; // the first read chooses the moment
        Ok(Self { transaction })
    }

    pub(crate) async fn positions(&mut self) -> Result<Vec<(u16, Position)>, Error> {
        identity::positions(&mut self.transaction).await
    }

    pub(crate) async fn journal(
        &mut self,
        partition: u16,
        after: Position,
        rows_max: u32,
    ) -> Result<Vec<JournalEntry>, Error> {
        let entries = "SELECT inbox, sequence, body, buried FROM journal
            WHERE partition = ? AND (inbox, sequence) > (?, ?) ORDER BY inbox, sequence LIMIT ?";
        let rows = sqlx::query(entries)
            .bind(partition)
            .bind(after.inbox)
            .bind(sequence_text(after.sequence))
            .bind(rows_max)
            .fetch_all(&mut *self.transaction)
            .await?;
        let read = rows.iter().map(|row| {
            let mut columns = Columns::of(row);
            Ok(JournalEntry {
                position: columns.position()?,
                body: columns.text()?.to_owned(),
                buried: valid(serde_json::from_str(columns.text()?))?,
            })
        });
        read.collect()
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
        self.each("SELECT partition, username, id, outcome FROM purchases", |columns| {
            let key = (columns.small()?, columns.username()?, columns.purchase_id()?);
            state.purchases.insert(key, player::purchase_outcome(columns.text()?)?);
            Ok(())
        })
        .await?;
        let devices = "SELECT token, partition, arrived_at_ms, username, platform FROM devices";
        self.each(devices, |columns| {
            let (token, partition) = (columns.token()?, columns.small()?);
            let device = Device {
                arrived_at_ms: columns.int()?,
                username: columns.username()?,
                platform: columns.platform()?,
            };
            state.devices.insert(token, (partition, device));
            Ok(())
        })
        .await?;
        self.each("SELECT partition, id, opens_at_ms, window_ms, grace_ms FROM rounds", |columns| {
            let (partition, round) = (columns.small()?, columns.round()?);
            state.rounds.insert((partition, round.id), round);
            Ok(())
        })
        .await?;
        self.each("SELECT partition, applied_through_ms FROM partitions", |columns| {
            state.applied_through_ms.insert(columns.small()?, columns.int()?);
            Ok(())
        })
        .await?;
        self.each("SELECT partition, snapshot FROM board", |columns| {
            state.boards.insert(columns.small()?, board::parse(columns.text()?)?);
            Ok(())
        })
        .await?;
        Ok(state)
    }

    async fn each(
        &mut self,
        statement: &'static str,
        mut row: impl FnMut(&mut Columns<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut rows = sqlx::query(statement).fetch(&mut *self.transaction);
        while let Some(found) = rows.try_next().await? {
            row(&mut Columns::of(&found))?;
        }
        Ok(())
    }
}
