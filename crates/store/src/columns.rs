//! Reading a row's columns one after the other, and the texts and numbers in them back into the game's values.
//! Both backends select the same columns in the same order.

use std::fmt::Display;

use game::{
    Device, DisplayName, Platform, PurchaseId, PurchaseOutcome, Round, Rounds, Standing, Token, Username,
};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::types::stage_of;
use crate::{DeviceRow, Error, Identity, Job, JournalEntry, Position, Scheduled};

/// A row of either backend.
#[derive(Debug, Clone, Copy)]
enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// A row, and the column that is read next.
#[derive(Debug)]
pub(crate) struct Columns<'r> {
    row: Row<'r>,
    at: usize,
}

impl<'r> From<&'r SqliteRow> for Columns<'r> {
    fn from(row: &'r SqliteRow) -> Self {
        Self { row: Row::Sqlite(row), at: 0 }
    }
}

impl<'r> From<&'r PgRow> for Columns<'r> {
    fn from(row: &'r PgRow) -> Self {
        Self { row: Row::Postgres(row), at: 0 }
    }
}

impl<'r> Columns<'r> {
    fn next(&mut self) -> (Row<'r>, usize) {
        self.at += 1;
        (self.row, self.at - 1)
    }

    pub(crate) fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?.ok_or_else(null)
    }

    pub(crate) fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            // Unchecked, because a narrow column is read as a wide number; it must be a number all the same.
            (Row::Postgres(row), at) => row.try_get_unchecked(at)?,
        })
    }

    /// A number that was stored bit by bit.
    pub(crate) fn u64(&mut self) -> Result<u64, Error> {
        Ok(self.int()?.cast_unsigned())
    }

    /// A number that must fit.
    pub(crate) fn small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<T, Error> {
        valid(T::try_from(self.int()?))
    }

    pub(crate) fn opt_small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<Option<T>, Error> {
        valid(self.opt_int()?.map(T::try_from).transpose())
    }

    fn bool(&mut self) -> Result<bool, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    pub(crate) fn text(&mut self) -> Result<&'r str, Error> {
        self.opt_text()?.ok_or_else(null)
    }

    pub(crate) fn opt_text(&mut self) -> Result<Option<&'r str>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    /// A text that PostgreSQL keeps as bytes, because its texts cannot hold every character or its indexes compare
    /// bytes.
    fn opt_bytes(&mut self) -> Result<Option<&'r str>, Error> {
        let bytes: Option<&'r [u8]> = match self.next() {
            (Row::Sqlite(row), at) => return Ok(row.try_get(at)?),
            (Row::Postgres(row), at) => row.try_get(at)?,
        };
        valid(bytes.map(std::str::from_utf8).transpose())
    }

    pub(crate) fn username(&mut self) -> Result<Username, Error> {
        valid(Username::new(self.text()?))
    }

    pub(crate) fn name(&mut self) -> Result<Option<DisplayName>, Error> {
        valid(self.opt_text()?.map(DisplayName::new).transpose())
    }

    fn platform(&mut self) -> Result<Option<Platform>, Error> {
        valid(self.opt_text()?.map(Platform::from_code).transpose())
    }

    fn opt_token(&mut self) -> Result<Option<Token>, Error> {
        valid(self.opt_bytes()?.map(Token::new).transpose())
    }

    fn token(&mut self) -> Result<Token, Error> {
        self.opt_token()?.ok_or_else(null)
    }

    pub(crate) fn purchase_id(&mut self) -> Result<PurchaseId, Error> {
        valid(PurchaseId::new(self.text()?))
    }

    pub(crate) fn purchase_outcome(&mut self) -> Result<PurchaseOutcome, Error> {
        known(PurchaseOutcome::from_code(self.text()?), "outcome of a purchase")
    }

    /// `inbox, sequence`
    pub(crate) fn position(&mut self) -> Result<Position, Error> {
        Ok(Position { inbox: self.small()?, sequence: sequence(self.text()?)? })
    }

    /// `partition, inbox, sequence`
    pub(crate) fn stand(&mut self) -> Result<(u16, Position), Error> {
        Ok((self.small()?, self.position()?))
    }

    /// `number, inbox_id, partitions`, the last a text
    pub(crate) fn identity(&mut self) -> Result<Identity, Error> {
        let (inbox, inbox_id) = (self.small()?, self.text()?.to_owned());
        Ok(Identity { inbox, inbox_id, partitions: valid(self.text()?.parse())? })
    }

    /// `id, opens_at_ms, window_ms, grace_ms`
    pub(crate) fn round(&mut self) -> Result<Round, Error> {
        round((self.u64()?, self.int()?, self.int()?, self.int()?))
    }

    /// `score, reached_at_ms, username`
    pub(crate) fn standing(&mut self) -> Result<Standing, Error> {
        Ok(Standing { score: self.u64()?, reached_at_ms: self.int()?, username: self.username()? })
    }

    /// `inbox, sequence, body, buried`
    pub(crate) fn journal_entry(&mut self) -> Result<JournalEntry, Error> {
        Ok(JournalEntry {
            position: self.position()?,
            body: self.opt_bytes()?.ok_or_else(null)?.to_owned(),
            buried: valid(serde_json::from_str(self.text()?))?,
        })
    }

    /// `arrived_at_ms, username, platform`
    pub(crate) fn device(&mut self) -> Result<Device, Error> {
        Ok(Device { arrived_at_ms: self.int()?, username: self.username()?, platform: self.platform()? })
    }

    /// `token, username, platform`
    pub(crate) fn device_row(&mut self) -> Result<DeviceRow, Error> {
        Ok(DeviceRow { token: self.token()?, username: self.username()?, platform: self.platform()? })
    }

    /// `token, partition, arrived_at_ms, username, platform`
    pub(crate) fn owned_device(&mut self) -> Result<(Token, (u16, Device)), Error> {
        Ok((self.token()?, (self.small()?, self.device()?)))
    }

    /// `id, taken, partition, topic, payload, expires_at_ms, cursor`
    pub(crate) fn job(&mut self) -> Result<Job, Error> {
        Ok(Job {
            id: self.int()?,
            taken: self.int()?,
            partition: self.small()?,
            topic: self.text()?.to_owned(),
            payload: self.text()?.to_owned(),
            expires_at_ms: self.opt_int()?,
            cursor: self.opt_token()?,
        })
    }

    /// `id, opens_at_ms, window_ms, grace_ms, by_operator, stage, ticks_sent`
    pub(crate) fn scheduled(&mut self) -> Result<Scheduled, Error> {
        Ok(Scheduled {
            round: self.round()?,
            by_operator: self.bool()?,
            stage: known(stage_of(self.int()?), "stage")?,
            ticks_sent: self.small()?,
        })
    }
}

fn null() -> Error {
    Error::corrupt("a column holds nothing")
}

/// The value, or that the database holds what it cannot.
pub(crate) fn valid<T, E: Display>(value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|error| Error::corrupt(error.to_string()))
}

/// What a code stands for.
pub(crate) fn known<T>(value: Option<T>, what: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::corrupt(format!("no {what} has this code")))
}

/// A round from its columns.
pub(crate) fn round((id, opens_at_ms, window_ms, grace_ms): (u64, i64, i64, i64)) -> Result<Round, Error> {
    valid(Round::new(id, opens_at_ms, window_ms, grace_ms))
}

/// Rounds from rows of their columns, in the order of their ids.
pub(crate) fn rounds(rows: impl IntoIterator<Item = Result<Round, Error>>) -> Result<Rounds, Error> {
    let mut rounds = Rounds::default();
    for round in rows {
        valid(rounds.announce(round?))?;
    }
    Ok(rounds)
}

/// A sequence from its text.
pub(crate) fn sequence(text: &str) -> Result<u128, Error> {
    valid(text.parse())
}

/// The text of a sequence: as long as the greatest one, so that texts stand in the order of the numbers.
pub(crate) fn sequence_text(sequence: u128) -> String {
    format!("{sequence:039}")
}
