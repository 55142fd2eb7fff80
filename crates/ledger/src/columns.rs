//! Reading a row's columns one after the other. Both backends select the same columns in the same order.

use std::fmt::Display;

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::{Error, Identity, JournalEntry, Position};

/// A row of either backend.
#[derive(Debug, Clone, Copy)]
enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

/// A row, and the column that is read next. Whatever is not what a method says is [`Error::Corrupt`].
#[derive(Debug)]
pub struct Columns<'r> {
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

    /// A number.
    pub fn int(&mut self) -> Result<i64, Error> {
        self.opt_int()?.ok_or_else(null)
    }

    /// A number or nothing.
    pub fn opt_int(&mut self) -> Result<Option<i64>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            // Unchecked, because a narrow column is read as a wide number; it must be a number all the same.
            (Row::Postgres(row), at) => row.try_get_unchecked(at)?,
        })
    }

    /// A number that was stored bit by bit.
    pub fn u64(&mut self) -> Result<u64, Error> {
        Ok(self.int()?.cast_unsigned())
    }

    /// A number that must fit.
    pub fn small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<T, Error> {
        valid(T::try_from(self.int()?))
    }

    /// A number that must fit, or nothing.
    pub fn opt_small<T: TryFrom<i64, Error: Display>>(&mut self) -> Result<Option<T>, Error> {
        valid(self.opt_int()?.map(T::try_from).transpose())
    }

    /// Yes or no.
    pub fn bool(&mut self) -> Result<bool, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    /// A text.
    pub fn text(&mut self) -> Result<&'r str, Error> {
        self.opt_text()?.ok_or_else(null)
    }

    /// A text or nothing.
    pub fn opt_text(&mut self) -> Result<Option<&'r str>, Error> {
        Ok(match self.next() {
            (Row::Sqlite(row), at) => row.try_get(at)?,
            (Row::Postgres(row), at) => row.try_get(at)?,
        })
    }

    /// A text that PostgreSQL keeps as bytes, because its texts cannot hold every character or its indexes compare
    /// bytes; or nothing.
    pub fn opt_bytes(&mut self) -> Result<Option<&'r str>, Error> {
        let bytes: Option<&'r [u8]> = match self.next() {
            (Row::Sqlite(row), at) => return Ok(row.try_get(at)?),
            (Row::Postgres(row), at) => row.try_get(at)?,
        };
        valid(bytes.map(std::str::from_utf8).transpose())
    }

    /// `inbox, sequence`
    pub fn position(&mut self) -> Result<Position, Error> {
        Ok(Position { generation: self.small()?, sequence: valid(self.text()?.parse())? })
    }

    /// `partition, inbox, sequence`
    pub(crate) fn partition_position(&mut self) -> Result<(u16, Position), Error> {
        Ok((self.small()?, self.position()?))
    }

    /// `number, inbox_id, partitions`, the last a text
    pub(crate) fn identity(&mut self) -> Result<Identity, Error> {
        let (generation, inbox_id) = (self.small()?, self.text()?.to_owned());
        Ok(Identity { generation, inbox_id, partitions: valid(self.text()?.parse())? })
    }

    /// `inbox, sequence, stored_at_ms, body, buried`
    pub(crate) fn journal_entry(&mut self) -> Result<JournalEntry, Error> {
        Ok(JournalEntry {
            position: self.position()?,
            stored_at_ms: self.opt_int()?,
            body: self.opt_bytes()?.ok_or_else(null)?.to_owned(),
            buried: valid(serde_json::from_str(self.text()?))?,
        })
    }
}

fn null() -> Error {
    Error::corrupt("a column holds nothing")
}

/// The value, or that the database holds what it cannot.
///
/// # Errors
/// [`Error::Corrupt`] with the error's text.
pub fn valid<T, E: Display>(value: Result<T, E>) -> Result<T, Error> {
    value.map_err(|error| Error::corrupt(error.to_string()))
}

/// What a code stands for.
///
/// # Errors
/// [`Error::Corrupt`] when it stands for nothing.
pub fn known<T>(value: Option<T>, what: &str) -> Result<T, Error> {
    value.ok_or_else(|| Error::corrupt(format!("no {what} has this code")))
}

/// The text of a sequence: as long as the greatest one, so that texts stand in the order of the numbers.
pub fn sequence_text(sequence: u128) -> String {
    format!("{sequence:039}")
}
